//! The data port: who gets which rows, when, and what is said if not all.
use super::rig::{Rig, Stream};

const RAW: &str = "XML FRAMED RAW";

#[test]
fn rows_are_handed_over_every_100_ms() {
    let mut rig = Rig::clocked(10_000);
    rig.told("PCAP.TS_TRIG.CAPTURE=Value");
    let reader = rig.reader(RAW);
    rig.told("*PCAP.ARM=");
    rig.run_ms(500);
    assert_eq!(rig.take(reader).header, "");
    rig.told("BITS.A=1");
    rig.run_ms(50);
    let first = rig.take(reader);
    assert!(first.header.contains(r#"arm_time="2026-01-01T00:00:00.0000"#), "{}", first.header);
    assert!(first.header.contains(r#"start_time="2026-01-01T00:00:00.5000"#), "{}", first.header);
    assert_eq!(first.frames.len(), 0);
    rig.run_ms(300);
    let rows: Vec<_> = rig.take(reader).frames.iter().map(|frame| frame.len() / 8).collect();
    assert_eq!(rows, [10, 10, 10]);
    rig.told("BITS.A=0");
    rig.run_ms(20);
    let last = rig.take(reader);
    assert_eq!((last.num_rows(8), last.end.as_str()), (5, "END 35 Ok\n"));
    assert_eq!(rig.ask("*PCAP.CAPTURED?"), "OK =35\n");
}

#[test]
fn a_late_reader_is_told_what_it_missed() {
    let mut rig = Rig::clocked(10_000);
    rig.told("PCAP.TS_TRIG.CAPTURE=Value");
    rig.told("*PCAP.ARM=");
    rig.told("BITS.A=1");
    rig.run_ms(20_050);
    // 200 blocks of 10 rows were handed over, and the last 128 are there.
    let reader = rig.server.connect_data("127.0.0.1:3");
    rig.server.receive(reader, b"XML FRAMED RAW NO_STATUS\n");
    let stream = rig.take(reader);
    assert!(stream.header.contains(r#"missed="720""#), "{}", stream.header);
    assert_eq!(stream.num_rows(8), 1_280);
    assert_eq!(rig.ask("*PCAP.STATUS?"), "OK =Busy 1 1\n");
}

#[test]
fn a_reader_that_lags_behind_the_ring_is_overrun_alone() {
    let mut rig = Rig::clocked(100).with_long_rows();
    let [slow, fast] = [rig.reader(RAW), rig.reader(RAW)];
    rig.told("*PCAP.ARM=");
    rig.told("BITS.A=1");
    let mut num_rows = 0;
    for _ in 0..140 {
        rig.run_ms(100);
        num_rows += rig.take(fast).num_rows(240);
    }
    let stream = rig.take(slow);
    // Two frames fill what is encoded before it is sent.
    assert_eq!(stream.num_rows(240), 2_000);
    assert_eq!(stream.end, "END 2000 Data overrun\n");
    assert_eq!(rig.ask("*PCAP.STATUS?"), "OK =Busy 2 1\n");
    rig.told("BITS.A=0");
    rig.run_ms(20);
    let stream = rig.take(fast);
    num_rows += stream.num_rows(240);
    assert_eq!(stream.end, format!("END {num_rows} Ok\n"));
    assert_eq!(rig.ask("*PCAP.CAPTURED?"), format!("OK ={num_rows}\n"));
}

#[test]
fn arming_is_refused_while_a_reader_drains() {
    let mut rig = Rig::clocked(10_000);
    rig.told("PCAP.TS_TRIG.CAPTURE=Value");
    let reader = rig.reader(RAW);
    rig.told("*PCAP.ARM=");
    rig.told("BITS.A=1");
    rig.run_ms(100);
    rig.told("BITS.A=0");
    rig.run_ms(100);
    assert_eq!(rig.ask("*PCAP.COMPLETION?"), "OK =Ok\n");
    assert_eq!(rig.ask("*PCAP.STATUS?"), "OK =Busy 1 1\n");
    let refused = rig.ask("*PCAP.ARM=");
    assert!(refused.starts_with("ERR Unexpected error at "), "{refused}");
    assert_eq!(rig.take(reader).end, "END 10 Ok\n");
    rig.told("*PCAP.ARM=");
    assert_eq!(rig.ask("*PCAP.ARM="), "ERR Data capture already in progress\n");
}

#[test]
fn frames_have_their_limits() {
    let mut rig = Rig::clocked(10).with_long_rows();
    let [raw, scaled] = [rig.reader(RAW), rig.reader("XML FRAMED SCALED")];
    rig.told("*PCAP.ARM=");
    rig.told("BITS.A=1");
    rig.run_ms(95);
    rig.told("BITS.A=0");
    rig.run_ms(20);
    let (raw, scaled) = (rig.take(raw), rig.take(scaled));
    let lengths: Vec<_> = raw.frames.iter().map(Vec::len).collect();
    // 2 MiB in whole rows, and the rest.
    assert_eq!(lengths, [2_097_120, 2_280_000 - 2_097_120]);
    assert_eq!((raw.end.as_str(), scaled.end.as_str()), ("END 9500 Ok\n", "END 9500 Ok\n"));
    let row_bytes = 52 * 8;
    assert!(scaled.header.contains(&format!("sample_bytes=\"{row_bytes}\"")), "{}", scaled.header);
    assert_eq!(scaled.num_rows(row_bytes), 9_500);
    let longest = scaled.frames.iter().map(Vec::len).max().unwrap();
    assert_eq!(longest, 65_528 / row_bytes * row_bytes);
}

/// A box that is asked often gives the same bytes as one that is left alone.
#[test]
fn how_time_is_cut_leaves_no_mark() {
    let streams = [1, 7, 333].map(|ms| {
        let mut rig = Rig::clocked(1_000).with_long_rows();
        let reader = rig.reader(RAW);
        rig.told("*PCAP.ARM=");
        rig.told("BITS.A=1");
        let mut bytes = Vec::new();
        for _ in 0..2_331 / ms {
            rig.run_ms(ms);
            bytes.extend(rig.server.take_output(reader));
        }
        rig.told("BITS.A=0");
        rig.run_ms(20);
        bytes.extend(rig.server.take_output(reader));
        bytes
    });
    assert!(Stream::of(&streams[0]).end.ends_with(" Ok\n"));
    assert!(streams[0] == streams[1] && streams[1] == streams[2]);
}

#[test]
fn units_that_were_never_written_are_a_null_pointer() {
    let mut rig = Rig::clocked(10_000);
    rig.told("COUNTER1.OUT.CAPTURE=Value");
    let reader = rig.reader(RAW);
    rig.told("*PCAP.ARM=");
    rig.told("*PCAP.DISARM=");
    rig.run_ms(20);
    let stream = rig.take(reader);
    assert!(stream.header.contains(r#"units="(null)""#), "{}", stream.header);
    // It was never enabled: the start is that of no experiment.
    assert!(stream.header.contains(r#"start_time="1970-01-01T00:00:00.000000000Z""#));
    assert_eq!(stream.end, "END 0 Disarmed\n");
}

#[test]
fn options_without_end_close_the_connection() {
    let mut rig = Rig::clocked(10_000);
    let reader = rig.server.connect_data("127.0.0.1:3");
    rig.server.receive(reader, &[b'X'; 1_022]);
    assert!(!rig.server.is_over(reader));
    rig.server.receive(reader, b"X");
    assert!(rig.server.is_over(reader));
    assert_eq!(rig.server.take_output(reader), b"");
}
