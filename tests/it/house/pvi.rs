//! A device that describes itself (`camera.pvi.json`, written by the Python package pvi) becomes a
//! record of signals with the types of its PVs.
use crate::beam::{Beam, simulate};
use bluefly_actors::{
    logic::dynamic::{DynamicError, DynamicRecord},
    signal::{Kind, SignalError, Value},
};
use bluefly_protocol::pvi::PviDevice;
use std::collections::BTreeMap;

const CAMERA: &str = include_str!("camera.pvi.json");

fn camera(prefix: &str) -> PviDevice {
    let macros = BTreeMap::from([("P".to_owned(), prefix.to_owned())]);
    PviDevice::from_value(&serde_json::from_str(CAMERA).unwrap(), &macros).unwrap()
}

#[test]
fn a_described_device_is_a_record() {
    simulate(async {
        let beam = Beam::new();
        let record = DynamicRecord::connect(&beam.connector, "sim://", &camera("camera:")).await;
        let record = record.map_err(|error| error.to_string()).unwrap();
        let kinds: Vec<_> = record.signals().map(|signal| (signal.name(), signal.kind())).collect();
        let expected = [
            ("AcquireControl.AcquireTime", Some(Kind::Float)),
            ("AcquireControl.ImageMode", Some(Kind::Text)),
            ("AcquireControl.NumImages", Some(Kind::Int)),
            ("AcquireControl.Stop", None),
            ("FilePath", Some(Kind::Text)),
            ("Status.ArrayCounter", Some(Kind::Int)),
            ("Status.DetectorState", Some(Kind::Text)),
        ];
        assert_eq!(kinds, expected);
        let time = record.signal("AcquireControl.AcquireTime").unwrap();
        time.put(Value::Float(0.25)).await.unwrap();
        assert_eq!(time.read().await.unwrap().value, Value::Float(0.25));
        record.signal("AcquireControl.Stop").unwrap().trigger().await.unwrap();
        let error = time.put(Value::Int(1)).await.unwrap_err().to_string();
        assert_eq!(error, "sim://camera:cam1:AcquireTime is 1, which is not the expected float");
    });
}

#[test]
fn what_a_described_signal_does_not_do_is_refused() {
    simulate(async {
        let beam = Beam::new();
        let record = DynamicRecord::connect(&beam.connector, "sim://", &camera("camera:")).await;
        let record = record.map_err(|error| error.to_string()).unwrap();
        let counter = record.signal("Status.ArrayCounter").unwrap();
        let cannot_be =
            |name: &str, operation| DynamicError::CannotBe { name: name.to_owned(), operation };
        let name = "Status.ArrayCounter";
        assert_eq!(counter.put(Value::Int(1)).await, Err(cannot_be(name, "put")));
        assert_eq!(counter.trigger().await, Err(cannot_be(name, "triggered")));
        let path = record.signal("FilePath").unwrap();
        assert_eq!(path.read().await, Err(cannot_be("FilePath", "read")));
        let stop = record.signal("AcquireControl.Stop").unwrap();
        let error = stop.put(Value::Bool(true)).await;
        assert_eq!(error, Err(cannot_be("AcquireControl.Stop", "put")));
        let unknown = record.signal("Gain").err();
        assert_eq!(unknown, Some(DynamicError::Unknown("Gain".to_owned())));
    });
}

#[test]
fn every_signal_that_is_missing_is_named_by_its_place() {
    simulate(async {
        let beam = Beam::new();
        let missing = DynamicRecord::connect(&beam.connector, "sim://", &camera("nobody:")).await;
        let missing = missing.map(drop).unwrap_err();
        assert_eq!(missing.0.len(), 7);
        let signal = "sim://nobody:cam1:AcquireTime".to_owned();
        let first = ("children[0].children[0]".to_owned(), SignalError::Unknown { signal });
        assert_eq!(missing.0[0], first);
        let text = missing.to_string();
        let last = "children[2]: there is no signal sim://nobody:HDF1:FilePath";
        assert!(text.ends_with(last), "{text}");
    });
}
