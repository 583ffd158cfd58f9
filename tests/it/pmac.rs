//! What can go wrong with a PMAC: each fault names the device, the signal and the cause, and nothing
//! keeps moving.
use crate::beam::{Beam, ROW_START, ms, name, row, row_back, simulate, snake, stage_setup};
use bluefly_actors::logic::trajectory::{TrajectoryLogic, TrajectorySetup};
use bluefly_protocol::{
    fault::{Fault, FaultClass},
    trajectory::{Batch, Mark, TriggerBits, TriggerSource},
};
use bluefly_sim::{WorldConfig, faults};
use std::{sync::Arc, time::Duration};

fn fault_of(result: Result<(), Fault>, class: FaultClass) -> String {
    let fault = result.unwrap_err();
    assert_eq!(fault.class, class, "{fault}");
    fault.to_string()
}

/// Puts a text to a signal, as somebody else might.
async fn put_text(beam: &Beam, address: &str, text: &str) {
    beam.connector.w::<String>(address).await.unwrap().put(text.to_owned()).await.unwrap();
}

/// Builds where the axes stand; what came of it.
async fn build(stage: &TrajectoryLogic) -> Result<(), Fault> {
    stage.build(&row()).await
}

#[test]
fn an_axis_of_another_co_ordinate_system_is_told() {
    simulate(async {
        let beam = Beam::new();
        let stage = beam.stage().await.unwrap();
        put_text(&beam, "sim://y:CsPort_RBV", "CS2").await;
        let text =
            "y: cannot build a trajectory: sim://y:CsPort_RBV is \"CS2\": it must be in \"CS1\"";
        assert_eq!(fault_of(build(&stage).await, FaultClass::Rejected), text);
        let text =
            "y: cannot move to [-2.5, 0.0]: sim://y:CsPort_RBV is \"CS2\": it must be in \"CS1\"";
        assert_eq!(fault_of(stage.move_to(&ROW_START).await, FaultClass::Rejected), text);
        put_text(&beam, "sim://y:CsPort_RBV", "CS1").await;
        put_text(&beam, "sim://y:CsAxis_RBV", "I").await;
        let text = "y: cannot build a trajectory: sim://y:CsAxis_RBV is \"I\", which is no axis";
        assert_eq!(fault_of(build(&stage).await, FaultClass::Rejected), text);
        put_text(&beam, "sim://y:CsAxis_RBV", "A").await;
        let text = "y: cannot build a trajectory: it is axis A of CS1, and so is another motor";
        assert_eq!(fault_of(build(&stage).await, FaultClass::Rejected), text);
        beam.assert_safe();
    });
}

#[test]
fn what_is_told_some_seconds_after_the_start_is_waited_for() {
    let warm = |seconds: u64| {
        Beam::with(|config: &mut WorldConfig| {
            config.controllers[0].warm_up = Duration::from_secs(seconds);
        })
    };
    simulate(async {
        let beam = warm(10);
        let stage = beam.stage().await.unwrap();
        build(&stage).await.unwrap();
        assert_eq!(beam.now(), ms(10_000));
    });
    simulate(async {
        let beam = warm(60);
        let stage = beam.stage().await.unwrap();
        let text =
            "x: cannot build a trajectory: sim://x:CsPort_RBV is \"\": it must be in \"CS1\"";
        assert_eq!(fault_of(build(&stage).await, FaultClass::Rejected), text);
        assert_eq!(beam.now(), ms(15_000));
    });
}

/// A stage whose motor y is made of several by the controller.
async fn compound(beam: &Beam) -> TrajectoryLogic {
    let mut setup = stage_setup();
    setup.axes[1].is_compound = true;
    beam.stage_with(&setup).await.unwrap()
}

#[test]
fn a_compound_motor_is_the_axis_of_its_output_link() {
    simulate(async {
        let beam = Beam::with(|config| config.motors[1].is_compound = true);
        let stage = compound(&beam).await;
        stage.move_to(&[1.0, 2.0]).await.unwrap();
        assert_eq!(beam.world.position(&name("y")), Some(2.0));
        stage.move_to(&ROW_START).await.unwrap();
        let both: Batch = row().segments().chain(row_back().segments()).collect();
        stage.build(&Batch { last: true, ..both }).await.unwrap();
        stage.execute(|_| ()).await.unwrap();
        assert_eq!(stage.positions().await.unwrap(), [-2.5, 1.0]);
    });
    simulate(async {
        // A raw motor is one of the controller itself.
        let beam = Beam::new();
        let stage = compound(&beam).await;
        let text = "y: cannot build a trajectory: sim://y.OUT is \"@asyn(STAGE,2)\": it must be in \
                    \"CS1\"";
        assert_eq!(fault_of(build(&stage).await, FaultClass::Rejected), text);
    });
}

#[test]
fn another_version_of_the_trajectory_program_is_refused() {
    simulate(async {
        let beam = Beam::new();
        let stage = beam.stage().await.unwrap();
        let version = beam.connector.w::<f64>("sim://stage:ProgramVersion_RBV").await.unwrap();
        version.put(3.0).await.unwrap();
        let text = "stage: cannot build a trajectory: its trajectory program has version 3, and its \
                    driver expects 4 (ProgramVersion_RBV, DriverVersion_RBV)";
        assert_eq!(fault_of(build(&stage).await, FaultClass::Rejected), text);
        beam.assert_safe();
    });
}

#[test]
fn a_version_that_is_not_known_yet_is_waited_for() {
    simulate(async {
        let beam = Beam::new();
        let stage = beam.stage().await.unwrap();
        let version = beam.connector.w::<f64>("sim://stage:ProgramVersion_RBV").await.unwrap();
        version.put(0.0).await.unwrap();
        let told = async {
            beam.clock.sleep(ms(10_000)).await;
            version.put(4.0).await.unwrap();
        };
        let (built, ()) = futures_util::join!(build(&stage), told);
        built.unwrap();
        assert_eq!(beam.now(), ms(10_000));
        version.put(0.0).await.unwrap();
        let text = "stage: cannot build a trajectory: sim://stage:ProgramVersion_RBV is 0, and still \
                    not known after 15 s";
        assert_eq!(fault_of(build(&stage).await, FaultClass::Rejected), text);
        assert_eq!(beam.now(), ms(25_000));
    });
}

#[test]
fn an_axis_whose_position_is_not_known_is_not_moved() {
    simulate(async {
        let beam = Beam::new();
        let stage = beam.stage().await.unwrap();
        beam.world.fault(&faults::Fault::UnknownPosition { motor: name("x") });
        let text = "x: cannot move to [-2.5, 0.0]: its position is not known: sim://x.RBV has alarm \
                    COMM";
        assert_eq!(fault_of(stage.move_to(&ROW_START).await, FaultClass::Failed), text);
        let text =
            "x: cannot build a trajectory: its position is not known: sim://x.RBV has alarm COMM";
        assert_eq!(fault_of(build(&stage).await, FaultClass::Failed), text);
        assert_eq!(beam.world.position(&name("x")), Some(0.0));
        beam.assert_safe();
    });
}

#[test]
fn an_axis_that_takes_no_part_is_told_nothing() {
    simulate(async {
        let beam = Beam::with(|config| config.motors[1].position = 3.0);
        let stage = beam.stage().await.unwrap();
        beam.world.fault(&faults::Fault::UnknownPosition { motor: name("y") });
        let demand = beam.connector.rw::<f64>("sim://stage:CS1:M2:DirectDemand").await.unwrap();
        demand.send(50.0).await.unwrap();
        stage.halt().await.unwrap();
        let rest = beam.world.position(&name("y"));
        stage.move_axes(&[0], &[-2.5]).await.unwrap();
        assert_eq!(demand.get().await, Ok(50.0));
        let both = snake();
        let x = Batch {
            positions: vec![both.positions[0].clone()],
            velocities: vec![both.velocities[0].clone()],
            ..both
        };
        stage.build_axes(&[0], &x).await.unwrap();
        let is_used = beam.connector.r::<bool>("sim://stage:B:UseAxis").await.unwrap();
        assert_eq!(is_used.get().await, Ok(false));
        stage.execute(|_| ()).await.unwrap();
        assert_eq!(beam.world.position(&name("x")), Some(-2.5));
        assert_eq!(beam.world.position(&name("y")), rest);
    });
}

#[test]
fn points_beyond_the_soft_limits_of_a_motor_record_are_refused() {
    simulate(async {
        let beam = Beam::new();
        let stage = beam.stage().await.unwrap();
        let mut far = row_back();
        far.positions[1][1] = -101.0;
        let rule = "-101 is not within the soft limits -100 to 100 (sim://y.LLM, sim://y.HLM)";
        let text = format!("y: cannot build a trajectory: {rule}");
        assert_eq!(fault_of(stage.build(&far).await, FaultClass::Rejected), text);
        stage.build(&row()).await.unwrap();
        let text = format!("y: cannot append to the trajectory: {rule}");
        assert_eq!(fault_of(stage.append(&far).await, FaultClass::Rejected), text);
    });
    simulate(async {
        // Both zero: there are none.
        let beam = Beam::with(|config| {
            let limits = &mut config.motors[1].limits;
            (limits.low, limits.high) = (0.0, 0.0);
        });
        let stage = beam.stage().await.unwrap();
        stage.build(&row()).await.unwrap();
        stage.append(&row_back()).await.unwrap();
    });
}

#[test]
fn a_co_ordinate_system_that_does_not_exist_is_refused() {
    simulate(async {
        let beam = Beam::with(|config| config.controllers[0].cs = "CS3".to_owned());
        let stage = beam.stage().await.unwrap();
        for axis in ["x", "y"] {
            put_text(&beam, &format!("sim://{axis}:CsPort_RBV"), "CS1").await;
        }
        let text = "stage: cannot build a trajectory: sim://stage:ProfileCsName refused \"CS1\": \
                    it has no choice but CS3";
        assert_eq!(fault_of(build(&stage).await, FaultClass::Rejected), text);
    });
}

#[test]
fn a_trajectory_is_no_longer_than_the_controller_has_memory_for() {
    simulate(async {
        let beam = Beam::with(|config| config.controllers[0].max_points = 5);
        let stage = beam.stage().await.unwrap();
        stage.build(&row()).await.unwrap();
        let text = "stage: cannot append to the trajectory: it would have 6 points, and the controller \
                    takes 5 (ProfileNumPoints)";
        assert_eq!(fault_of(stage.append(&row_back()).await, FaultClass::Rejected), text);
    });
}

#[test]
fn an_append_that_is_refused_is_told_in_the_words_of_the_controller() {
    simulate(async {
        let beam = Beam::new();
        let stage = beam.stage().await.unwrap();
        let text = "stage: cannot append to the trajectory: it would have 3 points, and the controller \
                    takes 0 (ProfileNumPoints)";
        assert_eq!(fault_of(stage.append(&row_back()).await, FaultClass::Rejected), text);
        stage.build(&row()).await.unwrap();
        // Somebody else changes it.
        let taken = beam.connector.w::<i64>("sim://stage:ProfileNumPoints_RBV").await.unwrap();
        taken.put(4).await.unwrap();
        let text = "stage: cannot append to the trajectory: Failed to append points to trajectory \
                    object";
        assert_eq!(fault_of(stage.append(&row_back()).await, FaultClass::Rejected), text);
        beam.assert_safe();
    });
}

#[test]
fn an_execution_that_does_not_begin_leaves_nothing_busy() {
    simulate(async {
        let beam = Beam::new();
        let (motor, stage) = (beam.motor().await.unwrap(), beam.stage().await.unwrap());
        stage.move_to(&ROW_START).await.unwrap();
        stage.build(&row()).await.unwrap();
        let busy = beam.connector.r::<bool>("sim://stage:ProfileExecute").await.unwrap();
        let executed = async {
            beam.clock.sleep(ms(100)).await;
            let text = "stage: cannot execute the trajectory: x is moving";
            assert_eq!(fault_of(stage.execute(|_| ()).await, FaultClass::Failed), text);
            assert_eq!(busy.get().await, Ok(false));
            motor.stop().await.unwrap();
        };
        let (moved, ()) = futures_util::join!(motor.move_to(50.0, |_| ()), executed);
        assert!(moved.is_err());
        beam.assert_safe();
    });
}

#[test]
fn a_controller_that_is_not_fed_starves() {
    simulate(async {
        let beam = Beam::new();
        let stage = beam.stage().await.unwrap();
        stage.move_to(&ROW_START).await.unwrap();
        let start = beam.clock.now();
        let batch = row().segments().take(2).collect();
        stage.build(&batch).await.unwrap();
        let text = "stage: cannot execute the trajectory: ran out of points at 2 of 2 and those to \
                    follow";
        assert_eq!(fault_of(stage.execute(|_| ()).await, FaultClass::Failed), text);
        // The axes come to rest after the last point.
        assert_eq!(beam.clock.now() - start, ms(2_000));
        assert_eq!(stage.positions().await.unwrap(), [12.5, 0.0]);
        assert_eq!(stage.frames_done().await, Ok(10));
        beam.assert_safe();
    });
}

#[test]
fn a_half_buffer_that_was_filled_in_part_is_the_end_whatever_is_appended() {
    simulate(async {
        let beam = Beam::with(|config| config.controllers[0].buffer_length = 2);
        let stage = beam.stage().await.unwrap();
        stage.move_to(&ROW_START).await.unwrap();
        stage.build(&row()).await.unwrap();
        assert_eq!(stage.is_primed().await, Ok(false));
        let appended = async {
            beam.clock.sleep(ms(700)).await;
            stage.append(&row_back()).await
        };
        let (executed, appended) = futures_util::join!(stage.execute(|_| ()), appended);
        appended.unwrap();
        let text = "stage: cannot execute the trajectory: Scan failed, unable to fill buffers in time \
                    (3/6)";
        assert_eq!(fault_of(executed, FaultClass::Failed), text);
        beam.assert_safe();
        // Appended before it begins, all of it is flown.
        stage.move_to(&ROW_START).await.unwrap();
        stage.build(&row()).await.unwrap();
        stage.append(&row_back()).await.unwrap();
        assert_eq!(stage.is_primed().await, Ok(true));
        stage.execute(|_| ()).await.unwrap();
    });
}

#[test]
fn a_move_that_is_given_up_leaves_no_demand_behind() {
    simulate(async {
        let beam = Beam::new();
        let stage = beam.stage().await.unwrap();
        let deferred = beam.connector.rw::<bool>("sim://stage:CS1:DeferMoves").await.unwrap();
        deferred.put(true).await.unwrap();
        let demand = beam.connector.w::<f64>("sim://stage:CS1:M1:DirectDemand").await.unwrap();
        demand.send(50.0).await.unwrap();
        assert!(!beam.world.is_anything_moving());
        stage.make_safe().await.unwrap();
        assert_eq!(deferred.get().await, Ok(false));
        beam.clock.sleep(ms(1_000)).await;
        assert_eq!(stage.positions().await.unwrap(), [0.0, 0.0]);
        beam.assert_safe();
    });
}

#[test]
fn demands_do_not_wait_for_ever_if_a_motor_is_in_another_co_ordinate_system() {
    simulate(async {
        let beam = Beam::new();
        let stage = beam.stage().await.unwrap();
        let deferred = beam.connector.rw::<bool>("sim://stage:CS1:DeferMoves").await.unwrap();
        deferred.put(true).await.unwrap();
        put_text(&beam, "sim://y:CsPort_RBV", "CS2").await;
        stage.make_safe().await.unwrap();
        assert_eq!(deferred.get().await, Ok(false));
        assert_eq!(stage.positions().await.unwrap(), [0.0, 0.0]);
        beam.assert_safe();
    });
}

#[test]
fn motors_are_stopped_also_if_the_controller_cannot_be_told() {
    simulate(async {
        let beam = Beam::new();
        let stage = beam.stage().await.unwrap();
        stage.move_to(&ROW_START).await.unwrap();
        stage.build(&snake()).await.unwrap();
        let halted = async {
            beam.clock.sleep(ms(1_000)).await;
            let time = Duration::from_mins(1);
            beam.world.fault(&faults::Fault::Disconnect { device: name("stage"), time });
            let text = "stage: cannot halt: sim://stage:ProfileAbort is disconnected";
            assert_eq!(fault_of(stage.halt().await, FaultClass::Disconnected), text);
            beam.clock.sleep(ms(600)).await;
            assert_eq!(beam.world.position(&name("x")), Some(7.5));
            beam.assert_safe();
        };
        let (executed, ()) = futures_util::join!(stage.execute(|_| ()), halted);
        assert!(executed.is_err());
    });
}

#[test]
fn user_programs_and_modes_are_those_of_the_points() {
    simulate(async {
        let beam = Beam::with(|config| {
            config.controllers[0].trigger_source = TriggerSource::UserPrograms;
        });
        let bits = TriggerBits::RowGate;
        let source = TriggerSource::UserPrograms;
        let setup = TrajectorySetup { trigger_bits: bits, trigger_source: source, ..stage_setup() };
        let stage = beam.stage_with(&setup).await.unwrap();
        let mut batch = row();
        batch.marks = vec![Mark::RowStart, Mark::RowEnd, Mark::Turnaround];
        stage.build(&batch).await.unwrap();
        let read = async |field: &str| -> Vec<f64> {
            let array =
                beam.connector.r::<Arc<[f64]>>(&format!("sim://stage:{field}")).await.unwrap();
            array.get().await.unwrap().to_vec()
        };
        assert_eq!(read("UserArray").await, [1.0, 8.0, 0.0]);
        assert_eq!(read("VelocityMode").await, [1.0, 2.0, 1.0]);
        assert_eq!(read("A:Velocities").await, [10.0, 10.0, 0.0]);
        assert_eq!(read("TRIG:Frames").await, Vec::<f64>::new(), "nobody reads it");
    });
}
