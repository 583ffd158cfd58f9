//! Limits that only the motor record knows: it says Ok to what it does not do.
use super::cable::Cable;
use crate::beam::{Beam, ms, name, simulate};
use bluefly_actors::{
    logic::motor::{MotorLogic, MotorRecord},
    signal::{Connector, Value},
};
use bluefly_protocol::fault::FaultClass;
use std::rc::Rc;

#[test]
fn a_position_that_only_its_record_refuses_is_told_with_its_cause() {
    simulate(async {
        let beam = Beam::new();
        let cable = Cable::new(beam.world.provider());
        // As it was before somebody made it narrower.
        cable.spoil("sim://x.HLM", Value::Float(1_000.0));
        let connector = Connector::new(Rc::new(cable), beam.clock.clone(), ms(5_000));
        let record = MotorRecord::connect(&connector, "sim://x").await.unwrap();
        let motor = MotorLogic::new(name("x"), record);
        let fault = motor.move_to(150.0, |_| ()).await.unwrap_err();
        let text = "x: cannot move to 150: it stopped at 0 with its setpoint at 0, since a soft limit \
                    refused the position (LVIO)";
        assert_eq!((fault.class, fault.to_string().as_str()), (FaultClass::Failed, text));
        assert_eq!(beam.now(), ms(0));
        beam.assert_safe();
        // It is told of the move that was refused, and of no other.
        motor.move_to(50.0, |_| ()).await.unwrap();
        assert_eq!(beam.world.position(&name("x")), Some(50.0));
    });
}
