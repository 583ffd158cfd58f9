//! The control port: lines, limits, and what is not simulated.
use super::{
    player::{ask, steps},
    rig::Rig,
};

fn rig() -> Rig {
    Rig::clocked(1_000)
}

/// All lines of a recording in one piece, byte by byte, and cut elsewhere.
#[test]
fn how_lines_are_cut_leaves_no_mark() {
    let mut lines = String::new();
    for step in steps("errors").iter().filter(|step| step["conn"] == "a") {
        for line in step["send"].as_array().unwrap().iter().filter_map(|line| line.as_str()) {
            lines.push_str(line);
            lines.push('\n');
        }
    }
    let replies = [lines.len(), 1, 7, 64].map(|length| {
        let mut rig = rig();
        let id = rig.control;
        for piece in lines.as_bytes().chunks(length) {
            assert_eq!(rig.server.receive(id, piece), piece.len());
        }
        String::from_utf8(rig.server.take_output(id)).unwrap()
    });
    assert!(replies.iter().all(|reply| *reply == replies[0]));
    assert!(replies[0].lines().count() > 100);
}

/// Lines of all recordings with bytes changed, left out and doubled.
#[test]
fn garbage_harms_nothing() {
    let seed = 0x5eed_u64;
    let mut random = seed;
    let mut below = |limit: usize| {
        random =
            random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) as usize % limit
    };
    let names = ["errors", "tables", "changes", "scan_repeat", "introspection"];
    let steps: Vec<_> = names.iter().flat_map(|name| steps(name)).collect();
    let sent = steps.iter().filter_map(|step| step["send"].as_array());
    let lines: Vec<_> = sent.flatten().filter_map(|line| line.as_str()).collect();
    let mut rig = rig();
    for i in 0..10_000 {
        let mut line = lines[below(lines.len())].as_bytes().to_vec();
        for _ in 0..below(4) {
            let at = below(line.len() + 1);
            match below(3) {
                0 => line.insert(at, below(256) as u8),
                1 if at < line.len() => drop(line.remove(at)),
                _ => line.splice(at..at, lines[below(lines.len())].bytes()).for_each(drop),
            }
        }
        line.push(b'\n');
        rig.server.receive(rig.control, &line);
        rig.server.take_output(rig.control);
        if rig.server.is_over(rig.control) {
            rig.server.disconnect(rig.control);
            rig.control = rig.server.connect_control("127.0.0.1:1");
        }
        if i % 1_000 == 0 {
            rig.run_ms(1);
        }
    }
    let control = rig.server.connect_control("127.0.0.1:2");
    assert_eq!(ask(&mut rig.server, control, "*CLOCK_FREQ?"), "OK =125000000\n", "seed {seed}");
}

#[test]
fn a_table_has_one_writer() {
    let mut rig = rig();
    let other = rig.server.connect_control("127.0.0.1:9");
    rig.server.receive(other, b"SEQ1.TABLE<\n1 2 3 4\n");
    assert_eq!(rig.ask("SEQ1.TABLE<\n5 6 7 8\n"), "ERR Table currently being written\n");
    assert_eq!(ask(&mut rig.server, other, ""), "OK\n");
    rig.told("SEQ1.TABLE<\n5 6 7 8\n");
    rig.server.receive(other, b"SEQ1.TABLE<\n");
    rig.server.disconnect(other);
    rig.told("SEQ1.TABLE<\n9 10 11 12\n");
    assert_eq!(rig.ask("SEQ1.TABLE?"), "!9\n!10\n!11\n!12\n.\n");
}

/// A client that reads no replies is not listened to.
#[test]
fn replies_that_nobody_reads_are_bounded() {
    let mut rig = rig();
    let asked = "*CHANGES=S\n*CHANGES?\n".repeat(100);
    let mut rest = asked.as_bytes();
    let mut replies = Vec::new();
    let mut num_pieces = 0;
    while !rest.is_empty() {
        rest = &rest[rig.server.receive(rig.control, rest)..];
        let waiting = rig.server.output(rig.control).len();
        assert!(waiting < 2 << 20, "{waiting}");
        replies.extend(rig.server.take_output(rig.control));
        num_pieces += 1;
    }
    assert_eq!(num_pieces, 3);
    let replies = String::from_utf8(replies).unwrap();
    assert_eq!(replies.lines().filter(|line| *line == "OK").count(), 100);
    assert_eq!(replies.lines().filter(|line| *line == ".").count(), 100);
}

#[test]
fn a_client_that_takes_nothing_is_dropped() {
    let mut rig = rig();
    rig.server.receive(rig.control, b"*IDN?\n");
    rig.run_ms(29_999);
    assert!(!rig.server.is_over(rig.control));
    rig.run_ms(1);
    assert!(rig.server.is_over(rig.control));
}

#[test]
fn what_is_not_simulated_cannot_be_set_up() {
    let mut rig = rig();
    for line in ["FILTER1.ENABLE=ONE", "OUTENC2.VAL=INENC1.VAL", "SYSTEM.CLOCK_SOURCE=sma clock"] {
        assert_eq!(rig.ask(line), "ERR Not simulated\n", "{line}");
    }
    rig.told("FILTER1.ENABLE=ZERO");
    assert_eq!(rig.ask("FILTER1.OUT?"), "OK =0\n");
}

#[test]
fn parts_of_a_streamed_table_queue_up() {
    let mut rig = rig();
    let part = format!("SEQ1.TABLE<<\n{}", "1 0 0 1\n".repeat(4_096));
    let mut queued = Vec::new();
    let refused = loop {
        let reply = rig.ask(&part);
        if reply != "OK\n" {
            break reply;
        }
        rig.run_ms(1);
        queued.push(rig.ask("SEQ1.TABLE.QUEUED_LINES?"));
    };
    let expected: Vec<_> = (1..=8).map(|part| format!("OK ={}\n", part * 4_096)).collect();
    assert_eq!(queued, expected);
    assert!(refused.starts_with("ERR Unexpected error at driver: "), "{refused}");
    assert_eq!(rig.ask("SEQ1.TABLE.MODE?"), "OK =STREAMING\n");
    rig.told("SEQ1.TABLE<\n");
    assert_eq!(rig.ask("SEQ1.TABLE.QUEUED_LINES?"), "OK =0\n");
    rig.told("SEQ1.TABLE<\n1 0 0 1\n");
    rig.told("SEQ1.TABLE<\n2 0 0 1\n");
    rig.run_ms(1);
    assert_eq!(rig.ask("SEQ1.STATE?"), "OK =WAIT_ENABLE\n");
}

#[test]
fn a_function_of_a_lookup_table_is_what_the_fpga_computes() {
    let mut rig = rig();
    for line in ["LUT1.INPA=BITS.OUTB", "LUT1.INPB=BITS.OUTC", "LUT1.FUNC=A&~B", "BITS.B=1"] {
        rig.told(line);
    }
    rig.run_ms(1);
    assert_eq!(rig.ask("LUT1.OUT?"), "OK =1\n");
    assert_eq!(rig.ask("LUT1.FUNC?"), "OK =A&~B\n");
    assert_eq!(rig.ask("LUT1.FUNC.RAW?"), "OK =0x00FF0000\n");
    rig.told("BITS.C=1");
    rig.run_ms(1);
    assert_eq!(rig.ask("LUT1.OUT?"), "OK =0\n");
    assert_eq!(rig.ask("LUT1.FUNC=A&F"), "ERR Invalid token\n");
    assert_eq!(rig.ask("LUT1.FUNC?"), "OK =A&~B\n");
}

#[test]
fn positions_are_compared_in_counts_and_read_scaled() {
    let mut rig = rig();
    for line in ["INENC1.SETP=-1000", "INENC1.VAL.SCALE=0.1", "INENC1.VAL.OFFSET=100.3"] {
        rig.told(line);
    }
    assert_eq!(rig.ask("INENC1.VAL?"), "OK =-1000\n");
    assert_eq!(rig.ask("INENC1.VAL.SCALED?"), "OK =0.3\n");
}
