//! A simulated box answers as a recorded one did, byte for byte. What is not compared, or differs:
//! moments and addresses, the place in a source of an unexpected error, and what stands here.
use super::player::{Difference, Player, Recording, Streams, ask, play, steps};

const AS_IT_IS: Recording =
    Recording { name: "", before: &[], late_ms: (0.0, 0.0), streams: Streams::AsTheyAre };

/// A recording differs only in this: requests, what was recorded, what came.
fn check(recording: &Recording, differences: &[[&str; 3]]) {
    let expected: Vec<_> = differences.iter().map(difference).collect();
    assert_eq!(play(recording), expected, "{}", recording.name);
}

fn difference(of: &[&str; 3]) -> Difference {
    let [what, recorded, came] = of.map(str::to_owned);
    Difference { what, recorded, came }
}

/// Encoders of the simulated box are connected.
#[test]
fn introspection() {
    let recording = Recording { name: "introspection", ..AS_IT_IS };
    check(&recording, &[["INENC1.CONN?", "OK =0", "OK =1"]]);
}

#[test]
fn errors() {
    check(&Recording { name: "errors", ..AS_IT_IS }, &[]);
}

#[test]
fn tables() {
    check(&Recording { name: "tables", ..AS_IT_IS }, &[]);
}

/// Encoders are connected, and one whose position was set is homed.
#[test]
fn changes() {
    let connected = |number| {
        ["*CHANGES.BITS?", &format!("!INENC{number}.CONN=0"), &format!("!INENC{number}.CONN=1")]
            .map(str::to_owned)
    };
    let homed = ["*CHANGES.READ?", "!INENC1.HOMED=0", "!INENC1.HOMED=1"].map(str::to_owned);
    let bits = || (1..=4).map(connected);
    let expected: Vec<_> = bits().chain([homed]).chain(bits()).collect();
    let expected: Vec<_> =
        expected.iter().map(|difference| difference.each_ref().map(String::as_str)).collect();
    let recording = Recording { name: "changes", before: &["INENC1.SETP=100"], ..AS_IT_IS };
    check(&recording, &expected);
}

#[test]
fn every_format_of_the_data_port() {
    let recording = Recording { name: "scan_formats", before: &["COUNTER1.SET=55"], ..AS_IT_IS };
    check(&recording, &[]);
}

#[test]
fn every_mode_of_capture() {
    let streams = Streams::Connected;
    check(&Recording { name: "scan_all_modes", streams, ..AS_IT_IS }, &[]);
}

#[test]
fn many_rows_in_many_frames() {
    let before = &["COUNTER2.SET=78"];
    let streams = Streams::Joined;
    check(&Recording { name: "scan_fast", before, streams, ..AS_IT_IS }, &[]);
}

#[test]
fn a_mean_with_its_hidden_samples() {
    let before = &["COUNTER1.SET=29", "COUNTER2.SET=58"];
    check(&Recording { name: "scan_mean_only", before, ..AS_IT_IS }, &[]);
}

/// The recorded server was asked before its threads had seen that it was armed.
#[test]
fn rows_of_four_bytes() {
    let recording = Recording { name: "scan_one_bits", ..AS_IT_IS };
    check(&recording, &[["*PCAP.STATUS?", "OK =Idle 3 0", "OK =Busy 3 3"]]);
}

/// A reader of another recording was still connected at first. The second of the experiments was
/// disarmed a row later than the moments in the recording tell.
#[test]
fn several_experiments_on_a_connection() {
    let before = &["COUNTER1.SET=19999"];
    let recording = Recording { name: "scan_repeat", before, late_ms: (1_014.0, 2.0), ..AS_IT_IS };
    check(&recording, &[["*PCAP.STATUS?", "OK =Idle 1 0", "OK =Idle 0 0"]]);
}

#[test]
fn options_that_are_refused() {
    check(&Recording { name: "dataport_errors", ..AS_IT_IS }, &[]);
}

/// The FPGA behind the recorded server wrote its first row to the end; the real one, and the simulated
/// one, stop within it.
#[test]
fn triggers_that_are_too_close() {
    let before = &["COUNTER1.SET=19"];
    let recording = Recording { name: "framing_error", before, ..AS_IT_IS };
    let differences = play(&recording);
    let whats: Vec<_> = differences.iter().map(|difference| difference.what.as_str()).collect();
    assert_eq!(whats, ["*PCAP.CAPTURED?", "framing_error.d1.bin", "framing_error.d2.bin"]);
    assert_eq!([&*differences[0].recorded, &*differences[0].came], ["OK =1", "OK =0"]);
    for stream in &differences[1..] {
        assert!(stream.came.ends_with(r"</header>\n\nEND 0 Framing error\n"), "{stream:?}");
    }
}

/// How it was wired and when it was enabled is not in the recording.
#[test]
fn a_reader_that_does_not_read() {
    let before = &[
        "SEQ1.TABLE<\n1048676\n0\n6250\n6250\n",
        "SEQ1.REPEATS=1",
        "SEQ1.ENABLE=BITS.OUTA",
        "PCAP.ENABLE=SEQ1.ACTIVE",
        "PCAP.TRIG=SEQ1.OUTA",
    ];
    let mut player = Player::new(&Recording { name: "stuck_reader", before, ..AS_IT_IS });
    let reader = player.server.connect_data("127.0.0.1:5");
    player.server.receive(reader, b"FRAMED RAW\n");
    assert_eq!(player.server.take_output(reader), b"OK\n");
    let steps = steps("stuck_reader");
    let armed = steps.iter().position(|step| step["send"][0] == "*PCAP.ARM=").unwrap();
    for step in &steps[..=armed] {
        player.step(step);
    }
    player.advance_to(816.0);
    let control = player.server.connect_control("127.0.0.1:6");
    assert_eq!(ask(&mut player.server, control, "BITS.A=1"), "OK\n");
    for step in &steps[armed + 1..] {
        player.step(step);
    }
    assert_eq!(player.differences, []);
    assert!(player.server.is_over(reader));
}
