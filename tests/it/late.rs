//! A PMAC tells some things a little after others: after the state, or after a put is complete.
use crate::beam::{Beam, ROW_START, ms, row, row_back, simulate, snake};
use bluefly_protocol::{
    fault::{Fault, FaultClass},
    trajectory::Batch,
};
use std::time::Duration;

/// As long after was recorded.
fn late() -> Beam {
    Beam::with(|config| config.controllers[0].tells_late = Duration::from_micros(350))
}

fn fault_of(result: Result<(), Fault>, class: FaultClass) -> String {
    let fault = result.unwrap_err();
    assert_eq!(fault.class, class, "{fault}");
    fault.to_string()
}

#[test]
fn how_many_points_the_controller_takes_is_known_late() {
    simulate(async {
        let beam = late();
        let stage = beam.stage().await.unwrap();
        // As after a build that failed.
        let taken = beam.connector.w::<i64>("sim://stage:ProfileNumPoints_RBV").await.unwrap();
        taken.put(0).await.unwrap();
        stage.build(&row()).await.unwrap();
        stage.append(&row_back()).await.unwrap();
    });
}

#[test]
fn that_points_are_refused_is_known_late() {
    simulate(async {
        let beam = late();
        let stage = beam.stage().await.unwrap();
        let long = Batch { durations_us: vec![500_000, 5_000_000, 500_000], ..row() };
        let text = "stage: cannot build a trajectory: Invalid profile time value (> 4095000 \
                    microseconds)";
        assert_eq!(fault_of(stage.build(&long).await, FaultClass::Rejected), text);
        stage.build(&row()).await.unwrap();
        // Somebody else changes it.
        let taken = beam.connector.w::<i64>("sim://stage:ProfileNumPoints_RBV").await.unwrap();
        taken.put(4).await.unwrap();
        let text = "stage: cannot append to the trajectory: Failed to append points to trajectory \
                    object";
        assert_eq!(fault_of(stage.append(&row_back()).await, FaultClass::Rejected), text);
    });
}

#[test]
fn what_an_execution_came_to_is_known_late() {
    simulate(async {
        let beam = late();
        let stage = beam.stage().await.unwrap();
        stage.move_to(&ROW_START).await.unwrap();
        stage.build(&snake()).await.unwrap();
        stage.execute(|_| ()).await.unwrap();
        let text = "stage: cannot execute the trajectory: Trajectory profile was not built \
                    successfully";
        assert_eq!(fault_of(stage.execute(|_| ()).await, FaultClass::Failed), text);
        let busy = beam.connector.r::<bool>("sim://stage:ProfileExecute").await.unwrap();
        assert_eq!(busy.get().await, Ok(false));
        stage.move_to(&ROW_START).await.unwrap();
        stage.build(&snake()).await.unwrap();
        let halted = async {
            beam.clock.sleep(ms(1_000)).await;
            stage.halt().await.unwrap();
        };
        let (executed, ()) = futures_util::join!(stage.execute(|_| ()), halted);
        let text = "stage: cannot execute the trajectory: Trajectory scan aborted";
        assert_eq!(fault_of(executed, FaultClass::Failed), text);
        beam.assert_safe();
    });
}

#[test]
fn the_release_of_an_execution_that_did_not_begin_executes_nothing() {
    simulate(async {
        let beam = Beam::with(|config| config.controllers[0].tells_late = ms(400));
        let (motor, stage) = (beam.motor().await.unwrap(), beam.stage().await.unwrap());
        stage.move_to(&ROW_START).await.unwrap();
        stage.build(&snake()).await.unwrap();
        let executed = async {
            beam.clock.sleep(ms(100)).await;
            let text = "stage: cannot execute the trajectory: x is moving";
            assert_eq!(fault_of(stage.execute(|_| ()).await, FaultClass::Failed), text);
        };
        // It is over before the outcome is known: nothing but the build is in the way of the release.
        let (moved, ()) = futures_util::join!(motor.move_to(-2.0, |_| ()), executed);
        moved.unwrap();
        beam.assert_safe();
        let busy = beam.connector.r::<bool>("sim://stage:ProfileExecute").await.unwrap();
        assert_eq!(busy.get().await, Ok(false));
        assert_eq!(stage.positions().await.unwrap(), [-2.0, 0.0]);
    });
}
