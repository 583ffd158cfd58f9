//! A file that is opened by an IOC that dies meanwhile, and what is put back when it is closed.
use super::late::camera_with;
use crate::beam::{Beam, plan, setup, simulate};
use bluefly_actors::logic::{area_detector::DetectorSetup, detector::FilePlan};
use bluefly_protocol::fault::FaultClass;
use std::fs;

#[test]
fn a_file_that_a_dead_ioc_left_empty_was_refused_as_one_that_exists() {
    let mut put = 0;
    // With each put in turn, until there is none any more.
    while dies_at(put) {
        put += 1;
    }
    assert_eq!(put, 22);
}

/// Whether opening a file has a put with this number; the IOC dies with it, and is started anew.
fn dies_at(put: u32) -> bool {
    simulate(async {
        let (beam, directory) = (Beam::new(), tempfile::tempdir().unwrap());
        // What is below can be seen from here.
        let seen = DetectorSetup { min_free_bytes: Some(0), ..setup() };
        let (camera, between) = camera_with(&beam, seen).await;
        let file = FilePlan { directory: directory.path().to_owned(), ..plan("a.h5") };
        between.puts_left.set(Some(put));
        let Err(fault) = camera.open(&file).await else { return false };
        assert_eq!(fault.class, FaultClass::Disconnected, "{fault}");
        // The last is that which opens it.
        let is_ours = fault.reason.contains(":HDF1:Capture was disconnected");
        fs::write(file.path(), "").unwrap();
        let capture = beam.connector.w::<bool>("sim://camera:HDF1:Capture").await.unwrap();
        capture.send(false).await.unwrap();
        camera.disarm().await.unwrap();
        let again = camera.open(&file).await;
        if !is_ours {
            // Somebody else made it.
            let exists = format!("{} exists", file.path().display());
            assert_eq!(again.unwrap_err().reason, exists, "{put}");
            return true;
        }
        assert_eq!(again.unwrap().path, file.path());
        camera.close().await.unwrap();
        // It was open: it is not replaced a second time.
        assert!(camera.open(&file).await.unwrap_err().reason.ends_with("exists"));
        beam.assert_safe();
        true
    })
}

#[test]
fn attributes_of_the_driver_are_put_back_when_the_file_is_closed() {
    simulate(async {
        let beam = Beam::new();
        let camera = beam.camera().await.unwrap();
        let address = "sim://camera:cam1:NDAttributesFile";
        let attributes = beam.connector.rw::<String>(address).await.unwrap();
        attributes.put("/ioc/attributes.xml".to_owned()).await.unwrap();
        // Nothing is known of what was there.
        camera.make_safe().await.unwrap();
        camera.close().await.unwrap();
        assert_eq!(attributes.get().await.unwrap(), "/ioc/attributes.xml");
        for file in ["a.h5", "b.h5"] {
            camera.open(&plan(file)).await.unwrap();
            assert!(attributes.get().await.unwrap().contains("ARRAY_COUNTER"));
            camera.close().await.unwrap();
            assert_eq!(attributes.get().await.unwrap(), "/ioc/attributes.xml");
        }
    });
}
