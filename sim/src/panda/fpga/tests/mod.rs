//! Of the whole FPGA, and of its blocks against what the hardware was seen to do.
mod description;
mod motion;
mod scan;
mod streaming;
mod vectors;
mod wiring;

use super::{Config, EndReason, Event, Follows, Fpga, ONE};

const HIGH: i64 = ONE as i64;

fn fpga() -> Fpga {
    Fpga::new(Config::default())
}

fn wire(fpga: &mut Fpga, from: (&str, &str), to: (&str, &str)) {
    let id = fpga.field(from.0, from.1).unwrap();
    let unit = &fpga.units[id.unit];
    let line = unit.kind.fields[id.field].line.unwrap() + unit.number as u8;
    fpga.set(to.0, to.1, line.into()).unwrap();
}

/// A line of a table: repeats, trigger, outputs of both phases, position and times.
fn row(repeats: u32, trigger: u32, outputs: [u32; 2], position: i32, times: [u32; 2]) -> [u32; 4] {
    let flags = repeats | trigger << 16 | outputs[0] << 20 | outputs[1] << 26;
    [flags, position.cast_unsigned(), times[0], times[1]]
}

/// SEQ1 is enabled by BITS.OUTA and triggers PCAP, which is enabled as long as SEQ1 is active.
fn scan(config: Config) -> Fpga {
    let mut fpga = Fpga::new(config);
    wire(&mut fpga, ("BITS", "OUTA"), ("SEQ1", "ENABLE"));
    wire(&mut fpga, ("SEQ1", "ACTIVE"), ("PCAP", "ENABLE"));
    wire(&mut fpga, ("SEQ1", "OUTA"), ("PCAP", "TRIG"));
    fpga.set("PCAP", "GATE", HIGH).unwrap();
    fpga.set("SEQ1", "REPEATS", 1).unwrap();
    fpga
}

fn write_table(fpga: &mut Fpga, rows: &[[u32; 4]], follows: Follows) {
    let seq = fpga.block("SEQ1").unwrap();
    fpga.write_table(seq, rows.as_flattened(), follows).unwrap();
}

/// Captures the words with the table that is there, and returns when SEQ1 was enabled: the tick at
/// which BITS was written.
fn start(fpga: &mut Fpga, words: &[u32]) -> u64 {
    fpga.capture(words).unwrap();
    fpga.run_until(fpga.now() + 1000);
    fpga.arm();
    let now = fpga.now();
    fpga.set("BITS", "A", 1).unwrap();
    now
}

fn reason(events: &[Event]) -> Option<EndReason> {
    events.iter().find_map(|event| match event {
        Event::Start { .. } => None,
        Event::End { reason, .. } => Some(*reason),
    })
}

/// Runs to the end of the capture, and returns its words.
fn finish(fpga: &mut Fpga, expected: EndReason) -> Vec<u32> {
    let mut words = vec![];
    for _ in 0..10_000 {
        fpga.run_until(fpga.now() + 100_000);
        words.extend(fpga.take_words());
        if let Some(reason) = reason(&fpga.take_events()) {
            words.extend(fpga.take_words());
            assert_eq!(reason, expected);
            return words;
        }
    }
    panic!("the capture does not end");
}
