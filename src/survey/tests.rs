//! What is said of devices that are not as the file has them.
use super::*;
use crate::{beamline_file, process::world_config};
use bluefly_actors::{
    signal::{
        Alarm, Backlog, Channel, Kind, LocalFuture, Metadata, Monitor, Reading, Settle, Severity,
        SignalProvider, Value,
    },
    system::simulated_system,
};
use bluefly_sim::{World, faults::Fault};

/// The example without its PandA, with every device but the generator beyond Channel Access.
fn spec(edits: &[(&str, &str)]) -> BeamlineSpec {
    let real = [
        ("sim://generator", "soft://generator"),
        ("sim://panda", "panda://127.0.0.1"),
        ("\"sim://", "\"ca://"),
    ];
    let text = include_str!("../../etc/example.toml").to_owned();
    let text = real.iter().chain(edits).fold(text, |text, (from, to)| {
        assert!(text.contains(from), "{from} is not in the example");
        text.replace(from, to)
    });
    let mut spec = beamline_file::read_text("example.toml", &text).expect("it is right");
    spec.devices.remove("panda");
    spec
}

/// A provider of which one signal has an alarm.
struct Sick(Rc<dyn SignalProvider>, &'static str);

struct Wire(Rc<dyn Channel>);

impl SignalProvider for Sick {
    fn connect(
        &self,
        address: &str,
        kind: Kind,
    ) -> LocalFuture<Result<Rc<dyn Channel>, SignalError>> {
        let (connecting, is_sick) = (self.0.connect(address, kind), address == self.1);
        Box::pin(async move {
            let channel = connecting.await?;
            Ok(if is_sick { Rc::new(Wire(channel)) as Rc<dyn Channel> } else { channel })
        })
    }
}

impl Channel for Wire {
    fn get(&self) -> LocalFuture<Result<Reading<Value>, SignalError>> {
        let reading = self.0.get();
        Box::pin(async move {
            let alarm = Alarm { severity: Severity::Invalid, text: "COMM".to_owned() };
            reading.await.map(|reading| Reading { alarm, ..reading })
        })
    }

    fn put(&self, value: Value, settle: Settle) -> LocalFuture<Result<(), SignalError>> {
        self.0.put(value, settle)
    }

    fn observe(&self, backlog: Backlog) -> Monitor {
        self.0.observe(backlog)
    }

    fn metadata(&self) -> LocalFuture<Result<Metadata, SignalError>> {
        self.0.metadata()
    }
}

/// What is found wrong with the camera of the example, of which this signal has an alarm.
fn sick(signal: &'static str) -> Vec<String> {
    simulated_system().block_on(async {
        let clock = Clock::simulated();
        let sink: Rc<dyn FrameSink> = Rc::new(MemorySink::default());
        let config = world_config(&spec(&[]), Latency::default(), Schedule::Fifo);
        let world = World::new(&config, &clock, Seed(0), &sink);
        let hardware = Hardware::AsWritten(Some(Rc::new(Sick(world.provider(), signal))));
        let answers = survey(&spec(&[]), &hardware, &clock).await;
        answers[&name("camera")].mismatches().cloned().collect()
    })
}

#[test]
fn a_detector_whose_values_nobody_knows_is_remarked() {
    for signal in ["cam1:Acquire_RBV", "cam1:ArrayCounter_RBV", "HDF1:Capture_RBV"] {
        let address = format!("ca://camera:{signal}").leak();
        assert_eq!(sick(address), [format!("{address} is INVALID (COMM)")]);
    }
    assert_eq!(sick("ca://camera:cam1:StatusMessage_RBV"), Vec::<String>::new());
}

#[test]
fn words_and_room_for_names_that_a_detector_lacks_were_found_while_arming() {
    let camera = |edits: &[(&str, &str)]| {
        let mut answers = answers(edits, None);
        answers.remove(&name("camera")).expect("it is there")
    };
    let word = camera(&[("edge = \"External\"", "edge = \"TTL\"")]);
    let lacks = "lacks the choices TTL: it has Internal, External, Gate";
    assert_eq!(word.mismatches().collect::<Vec<_>>(), [lacks]);
    let long = format!("directory = \"/data/{}\"", "d".repeat(250));
    let names = camera(&[("directory = \"data\"", &long)]);
    let wrong = names.signals.iter().filter(|signal| !signal.mismatches.is_empty());
    let wrong: Vec<(&str, &str)> = wrong
        .map(|signal| (signal.wanted.address.as_str(), signal.mismatches[0].as_str()))
        .collect();
    // As its own computer calls it, below X:/data, with a slash at the end.
    let short = "has room for 255 characters: expected 259 or more";
    let [put, told] = ["ca://camera:HDF1:FilePath", "ca://camera:HDF1:FilePath_RBV"];
    assert_eq!(wrong, [(put, short), (told, short)]);
}

/// The answers of the devices of the example, asked for as `edits` have them.
fn answers(edits: &[(&str, &str)], fault: Option<&Fault>) -> Answers {
    simulated_system().block_on(async {
        let clock = Clock::simulated();
        let sink: Rc<dyn FrameSink> = Rc::new(MemorySink::default());
        let config = world_config(&spec(&[]), Latency::default(), Schedule::Fifo);
        let world = World::new(&config, &clock, Seed(0), &sink);
        if let Some(fault) = fault {
            world.fault(fault);
        }
        let hardware = Hardware::AsWritten(Some(world.provider()));
        survey(&spec(edits), &hardware, &clock).await
    })
}

fn name(text: &str) -> Name {
    text.parse().expect("it is a name")
}

#[test]
fn devices_that_are_as_the_file_has_them_are_not_remarked() {
    for (device, answer) in answers(&[], None) {
        assert!(answer.said.is_ok(), "{device}: {answer:?}");
        assert_eq!(answer.mismatches().next(), None, "{device}");
    }
}

#[test]
fn units_and_frames_are_compared_with_the_file() {
    let edits = [
        ("\"mm\"", "\"deg\""),
        (" mm\"", " deg\""),
        (" mm/s", " deg/s"),
        ("[48, 64]", "[48, 32]"),
        ("max_segments = 1000 ", "max_segments = 200000"),
    ];
    let answers = answers(&edits, None);
    let unit = "its unit is mm, not deg as in the file";
    assert_eq!(answers[&name("x")].mismatches, [unit]);
    let frame = "its frame is 48 x 64 UInt16, not 48 x 32 UInt16 as in the file";
    assert_eq!(answers[&name("camera")].mismatches, [frame]);
    let arrays = answers[&name("motion")].mismatches().collect::<Vec<_>>();
    assert!(!arrays.is_empty());
    for array in arrays {
        assert_eq!(array, "has room for 100000 elements: expected 200000 or more");
    }
}

#[test]
fn a_device_that_does_not_answer_has_all_its_signals_told() {
    let gone = Fault::Disconnect { device: name("x"), time: Duration::from_hours(1) };
    let answers = answers(&[], Some(&gone));
    let x = &answers[&name("x")];
    let all = x.signals.len();
    assert_eq!(x.said, Err(format!("none of its {all} signals answered")));
    assert!(x.signals.iter().all(|signal| signal.found.is_err()));
    assert!(answers[&name("camera")].said.is_ok());
}

#[test]
fn what_the_file_lets_a_motor_do_beyond_its_record_went_unnoticed() {
    let mismatches = |edits: &[(&str, &str)]| answers(edits, None)[&name("x")].mismatches.clone();
    let wide = mismatches(&[("\"-20 mm\"", "\"-20.5 mm\""), ("\"10 mm/s\"", "\"12 mm/s\"")]);
    let limits =
        "its soft limits (LLM, HLM) are -20 to 20 mm, narrower than -20.5 to 20 mm in the file";
    let velocity = "its highest velocity (VMAX) is 10 mm/s, less than 12 mm/s in the file";
    assert_eq!(wide, [limits, velocity]);
    let narrow = [("\"-20 mm\"", "\"-10 mm\""), ("\"10 mm/s\"", "\"9 mm/s\"")];
    assert_eq!(mismatches(&narrow), Vec::<String>::new());
}
