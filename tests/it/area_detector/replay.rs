//! What was done to a real `ADSimDetector` with `NDFileHDF5` is done to the simulated one, and the same
//! happens in the same order.
//!
//! The recordings (`recorded.json`) were cut down: of counters the last value is left, since a
//! simulated detector tells of many frames at once; and what came in either order is left out.
use crate::beam::{Beam, ms, name, simulate};
use bluefly_actors::signal::{Backlog, Channel, Kind, Metadata, Settle, Value};
use bluefly_protocol::name::Name;
use bluefly_sim::WorldConfig;
use serde::Deserialize;
use std::{cell::RefCell, collections::BTreeMap, path::Path, rc::Rc, time::Duration};

#[derive(Deserialize)]
struct Put {
    t_ms: u64,
    pv: String,
    value: serde_json::Value,
    callback: bool,
}

#[derive(Deserialize)]
struct Scene {
    puts: Vec<Put>,
    completed: Vec<String>,
    events: Vec<(String, serde_json::Value)>,
    counters: BTreeMap<String, i64>,
}

/// Of which changes the order is compared.
const OBSERVED: [(&str, Kind); 13] = [
    ("cam1:Acquire", Kind::Bool),
    ("cam1:Acquire_RBV", Kind::Bool),
    ("cam1:DetectorState_RBV", Kind::Text),
    ("HDF1:FilePathExists_RBV", Kind::Bool),
    ("HDF1:FilePath_RBV", Kind::Text),
    ("HDF1:FilePath", Kind::Text),
    ("HDF1:FileName_RBV", Kind::Text),
    ("HDF1:FileName", Kind::Text),
    ("HDF1:Capture_RBV", Kind::Bool),
    ("HDF1:Capture", Kind::Bool),
    ("HDF1:WriteStatus", Kind::Text),
    ("HDF1:SWMRActive_RBV", Kind::Bool),
    ("HDF1:FullFileName_RBV", Kind::Text),
];

fn scene(name: &str) -> Scene {
    let mut scenes: BTreeMap<String, Scene> =
        serde_json::from_str(include_str!("recorded.json")).unwrap();
    scenes.remove(name).unwrap()
}

async fn channel(beam: &Beam, pv: &str, kind: Kind) -> Rc<dyn Channel> {
    beam.world.provider().connect(&format!("sim://camera:{pv}"), kind).await.unwrap()
}

/// A value as a recording has it: an enum of two choices by its word.
fn value(pv: &str, written: &serde_json::Value) -> Value {
    match written {
        serde_json::Value::String(word) if pv.ends_with("Acquire") || pv.ends_with("Capture") => {
            Value::Bool(word != "Done")
        }
        serde_json::Value::String(text) => Value::Text(text.clone()),
        serde_json::Value::Bool(value) => Value::Bool(*value),
        serde_json::Value::Number(number) if number.is_f64() => {
            Value::Float(number.as_f64().unwrap())
        }
        other => Value::Int(other.as_i64().unwrap()),
    }
}

/// A value as a recording would have it.
fn word(value: &Value, metadata: &Metadata) -> String {
    match value {
        Value::Bool(value) => metadata.choices[usize::from(*value)].clone(),
        Value::Text(text) => text.clone(),
        other => panic!("{other:?}"),
    }
}

#[derive(Default)]
struct Heard {
    events: RefCell<Vec<(String, String)>>,
    completed: RefCell<Vec<String>>,
}

async fn listen(beam: &Beam, heard: &Rc<Heard>) {
    for (pv, kind) in OBSERVED {
        let channel = channel(beam, pv, kind).await;
        let metadata = channel.metadata().await.unwrap();
        let mut monitor = channel.observe(Backlog::Queue(1_000));
        monitor.next().await.unwrap();
        let heard = Rc::clone(heard);
        tokio::task::spawn_local(async move {
            while let Ok(reading) = monitor.next().await {
                let word = word(&reading.value, &metadata);
                heard.events.borrow_mut().push((pv.to_owned(), word));
            }
        });
    }
}

async fn replay(beam: &Beam, scene: &Scene, heard: &Rc<Heard>) {
    let start = beam.clock.now();
    for put in &scene.puts {
        beam.clock.sleep_until(start + ms(put.t_ms)).await;
        let value = value(&put.pv, &put.value);
        let channel = channel(beam, &put.pv, value.kind()).await;
        if !put.callback {
            channel.put(value, Settle::Accepted).await.unwrap();
            continue;
        }
        let (heard, pv) = (Rc::clone(heard), put.pv.clone());
        tokio::task::spawn_local(async move {
            channel.put(value, Settle::Completed).await.unwrap();
            heard.completed.borrow_mut().push(pv);
        });
        // It is handled before the next, as on one circuit.
        tokio::task::yield_now().await;
    }
    beam.clock.sleep(Duration::from_secs(3)).await;
}

/// Left out of the recordings: see there.
fn is_left_out(scene: &str, pv: &str, word: &str, before: &[(String, String)]) -> bool {
    match pv {
        "HDF1:SWMRActive_RBV" => word == "Off",
        // Names of files that could not be opened, but the first.
        "HDF1:FullFileName_RBV" => {
            let is_repeated =
                |(other, word): &(String, String)| other == pv && word.starts_with("/no/such/dir/");
            word.is_empty() || (word.starts_with("/no/such/dir/") && before.iter().any(is_repeated))
        }
        "cam1:DetectorState_RBV" => scene == "acquire_twice",
        _ => false,
    }
}

/// Replays a scene after these puts, in a world that was changed like this; returns how often each
/// row was written.
fn check(
    scene_name: &str,
    before: &[(&str, serde_json::Value)],
    change: impl FnOnce(&mut WorldConfig),
) -> Vec<u32> {
    let scene = scene(scene_name);
    simulate(async {
        let beam = Beam::with(|config| {
            config.detectors[0].dead_time = Duration::ZERO;
            change(config);
        });
        beam.sink.lacks(Path::new("/no/such/dir"));
        for (pv, written) in before {
            let value = value(pv, written);
            let channel = channel(&beam, pv, value.kind()).await;
            channel.put(value, Settle::Completed).await.unwrap();
        }
        let heard = Rc::new(Heard::default());
        listen(&beam, &heard).await;
        replay(&beam, &scene, &heard).await;
        let mut events = Vec::new();
        for (pv, word) in heard.events.take() {
            if !is_left_out(scene_name, &pv, &word, &events) {
                events.push((pv, word));
            }
        }
        let recorded =
            scene.events.iter().map(|(pv, word)| (pv.clone(), word.as_str().unwrap().to_owned()));
        assert_eq!(events, recorded.collect::<Vec<_>>(), "{scene_name}");
        let mut completed = heard.completed.take();
        completed.sort();
        assert_eq!(completed, scene.completed, "{scene_name}");
        for (pv, expected) in &scene.counters {
            let reading = channel(&beam, pv, Kind::Int).await.get().await.unwrap();
            assert_eq!(reading.value, Value::Int(*expected), "{scene_name}: {pv}");
        }
        let camera: Name = name("camera");
        beam.world.frames_written(&camera)
    })
}

/// A driver set to so many images of 10 ms, this far apart, of which the first has this id.
fn images(number: i64, period_s: f64, first: i64) -> Vec<(&'static str, serde_json::Value)> {
    vec![
        ("cam1:ImageMode", "Multiple".into()),
        ("cam1:NumImages", number.into()),
        ("cam1:AcquireTime", 0.01.into()),
        ("cam1:AcquirePeriod", period_s.into()),
        ("cam1:ArrayCounter", (first - 1).into()),
        ("HDF1:EnableCallbacks", true.into()),
    ]
}

/// A file writer set to this file.
fn file(name: &str, number: i64, room: i64) -> Vec<(&'static str, serde_json::Value)> {
    vec![
        ("HDF1:FilePath", "/DATA".into()),
        ("HDF1:FileName", name.into()),
        ("HDF1:FileNumber", number.into()),
        ("HDF1:FileTemplate", "%s%s_%3.3d.h5".into()),
        ("HDF1:AutoIncrement", true.into()),
        ("HDF1:NumCapture", room.into()),
        ("HDF1:LazyOpen", true.into()),
    ]
}

/// Frames that are placed by their id.
fn positions() -> Vec<(&'static str, serde_json::Value)> {
    let attributes = "<Attributes><Attribute name=\"d0\" type=\"PARAM\" \
                      source=\"ARRAY_COUNTER\" datatype=\"INT\"/></Attributes>";
    vec![
        ("cam1:NDAttributesFile", attributes.into()),
        ("HDF1:PositionMode", true.into()),
        ("HDF1:PosNameDimN", "d0".into()),
    ]
}

#[test]
fn a_path_is_told_to_exist_and_gets_its_slash() {
    check("file_path_put", &[], |_| ());
}

#[test]
fn a_single_image_goes_into_no_file() {
    let mut before = images(100, 0.02, 4);
    before.push(("cam1:ImageMode", "Single".into()));
    check("single_image", &before, |_| ());
}

#[test]
fn a_capture_ends_with_its_last_frame_and_the_acquisition_before() {
    let before = [images(20, 0.02, 1), file("swmr20", 0, 20)].concat();
    assert_eq!(check("stream_swmr_20_frames", &before, |_| ()), [1; 20]);
}

#[test]
fn an_acquisition_that_is_stopped_leaves_the_file_open() {
    let before = [images(200, 0.02, 31), file("stop", 0, 200)].concat();
    assert_eq!(check("stop_mid_acquisition", &before, |_| ()), [1; 25]);
}

#[test]
fn a_file_that_cannot_be_opened_is_an_error_at_once() {
    let mut before = file("bad", 5, 5);
    before.extend([("HDF1:FilePath", "/no/such/dir".into()), ("HDF1:LazyOpen", false.into())]);
    check("capture_bad_path_no_lazyopen", &before, |_| ());
}

#[test]
fn a_file_that_cannot_be_opened_lazily_swallows_its_frames_and_forgets_the_error() {
    let before = [images(5, 0.02, 258), file("bad", 0, 5)].concat();
    assert!(check("capture_bad_path_lazyopen", &before, |_| ()).is_empty());
}

#[test]
fn a_capture_before_the_first_frame_silently_does_nothing() {
    check("capture_no_lazyopen_no_frame_yet", &[], |config| {
        config.detectors[0].has_taken_a_frame = false;
    });
}

#[test]
fn a_rewind_overwrites_the_rows_of_its_ids() {
    let mut before = [images(10, 0.05, 0), positions()].concat();
    before.extend(file("position_rewind_dimatt_on", 0, 20));
    let written = check("position_rewind_dimatt_on", &before, |_| ());
    assert_eq!(written, [1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1]);
}

#[test]
fn a_capture_of_too_few_frames_goes_on() {
    let before = [images(5, 0.05, 0), positions(), file("after", 1, 15)].concat();
    assert_eq!(check("capture_fewer_frames_than_numcapture", &before, |_| ()), [1; 5]);
}

#[test]
fn a_second_put_callback_acquires_again_after_the_first() {
    check("acquire_twice", &images(50, 0.02, 56), |_| ());
}

#[test]
fn a_detector_that_is_idle_says_nothing_when_it_is_stopped() {
    check("stop_when_idle", &[], |_| ());
}
