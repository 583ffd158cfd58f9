//! The sums of frames cannot be had any more, though the frames come to disk.
use super::{Plant, with_plant};
use crate::run::rig::{GRID, Rig, documented};
use bluefly_actors::{
    coordinator::{Kickoff, Stop},
    signal::{Connector, Value},
};
use std::{sync::Arc, time::Duration};

const INDEX: &str = "ca://camera:STAT1:TSIndex";

/// The ring takes in no frame any more once this many frames are on disk.
async fn dies_after(plant: &Plant, rig: &Rig, frames: u64) {
    let mut progress = rig.process.bulletin.progress();
    progress.wait_for(|progress| progress.frames_done >= frames).await.unwrap();
    let side = Connector::new(plant.world.provider(), plant.clock.clone(), Duration::from_secs(5));
    let index = side.r::<Arc<[f64]>>(INDEX).await.unwrap().get().await.unwrap();
    plant.detectors.spoil(INDEX, Value::Floats(index));
}

#[test]
fn frames_whose_sums_were_known_got_no_documents_if_later_ones_were_not() {
    with_plant(&[], async |plant, rig| {
        rig.ready(GRID).await;
        let (flown, ()) = tokio::join!(rig.try_step(Kickoff), dies_after(plant, rig, 25));
        let error = flown.unwrap_err();
        let text = "camera: cannot summarise frames 27..28: frame 27 is not in a ring of 4096; moreover, \
                    no document tells of frames 27 to 29, which are on disk (camera: frame 27 is not in \
                    a ring of 4096)";
        assert_eq!(error, text);
        let stop = rig.stop_document();
        assert_eq!((&stop["exit_status"], &stop["reason"]), (&"fail".into(), &error.into()));
        assert_eq!(documented(&rig.documents()), 27);
        rig.assert_safe();
    });
}

#[test]
fn a_run_that_was_stopped_without_documents_of_all_its_frames_was_a_success() {
    with_plant(
        &[("collect_period = \"1 s\"", "collect_period = \"60 min\"")],
        async |plant, rig| {
            rig.ready(GRID).await;
            rig.kickoff().await;
            dies_after(plant, rig, 10).await;
            rig.sleep(Duration::from_millis(500)).await;
            let error = rig.try_step(Stop).await.unwrap_err();
            let text = "camera: cannot document frames 10 to 15, which are on disk: frame 10 is not in a \
                    ring of 4096";
            assert_eq!(error, text);
            let stop = rig.stop_document();
            assert_eq!((&stop["exit_status"], &stop["reason"]), (&"fail".into(), &error.into()));
            assert_eq!(documented(&rig.documents()), 10);
            rig.assert_safe();
        },
    );
}
