//! A simulated beamline with a PandA: encoders, gates and triggers at their exact moments.
mod busy;
mod encoders;
mod faults;
mod flights;
mod triggers;

use crate::beam::{Beam, name, row};
use bluefly_protocol::trajectory::Batch;
use bluefly_sim::{
    EncoderConfig, InputConfig, OutputConfig, PandaConfig, WorldConfig,
    panda::{ConnectionId, MemoryPanda},
};
use std::{cell::Cell, time::Duration};

/// x has 10,000 counts in a mm; y has 2,000, which run the other way. With these offsets no position
/// is half-way between two counts where anybody looks.
const X: EncoderScale = EncoderScale { number: 1, scale: 0.0001, offset: 0.000_013 };
const Y: EncoderScale = EncoderScale { number: 2, scale: -0.0005, offset: 3.000_017 };

#[derive(Clone, Copy)]
struct EncoderScale {
    number: u8,
    scale: f64,
    offset: f64,
}

/// The beam of [`Beam`], and somebody at the control port of a PandA.
struct Rig {
    beam: Beam,
    panda: MemoryPanda,
    control: Cell<ConnectionId>,
}

/// A row, and nothing behind it.
fn line() -> Batch {
    let mut line = Batch { last: true, ..row() };
    (line.positions[1][2], line.velocities[1][2]) = (0.0, 0.0);
    line
}

fn with_panda(config: &mut WorldConfig) {
    let encoder = |motor: &str, EncoderScale { number, scale, offset }| EncoderConfig {
        motor: name(motor),
        number,
        scale,
        offset,
    };
    let input = |bit, number| InputConfig { controller: name("stage"), bit, number };
    config.pandas.push(PandaConfig {
        encoders: vec![encoder("x", X), encoder("y", Y)],
        inputs: vec![input(0, 1), input(2, 2)],
        outputs: vec![OutputConfig { number: 1, detector: name("camera") }],
        ..PandaConfig::new(name("panda"))
    });
}

impl Rig {
    fn new() -> Self {
        Self::with(|_| ())
    }

    fn with(change: impl FnOnce(&mut WorldConfig)) -> Self {
        Self::of(Beam::with(|config| {
            with_panda(config);
            change(config);
        }))
    }

    fn of(beam: Beam) -> Self {
        let panda = beam.world.panda(&name("panda")).unwrap();
        let control = Cell::new(panda.with(|server| server.connect_control("127.0.0.1:1")));
        Self { beam, panda, control }
    }

    /// What the box says to a command, now.
    fn ask(&self, lines: &str) -> String {
        let id = self.control.get();
        self.panda.with(|server| {
            let bytes = format!("{lines}\n");
            assert_eq!(server.receive(id, bytes.as_bytes()), bytes.len(), "{lines}");
            String::from_utf8(server.take_output(id)).unwrap()
        })
    }

    fn told(&self, lines: &str) {
        assert_eq!(self.ask(lines), "OK\n", "{lines}");
    }

    fn value(&self, field: &str) -> i64 {
        let reply = self.ask(&format!("{field}?"));
        reply.trim_end().strip_prefix("OK =").unwrap().parse().unwrap()
    }

    /// SEQ1 is enabled by BITS.A, triggers the camera and PCAP, which captures x and when.
    fn wire(&self) {
        self.told("SEQ1.REPEATS=1");
        self.told("SEQ1.ENABLE=BITS.OUTA");
        self.told("SEQ1.POSA=INENC1.VAL");
        self.told("SEQ1.BITA=TTLIN1.VAL");
        self.told("TTLOUT1.VAL=SEQ1.OUTA");
        self.told("PCAP.ENABLE=SEQ1.ACTIVE");
        self.told("PCAP.TRIG=SEQ1.OUTA");
        self.told("INENC1.VAL.CAPTURE=Value");
        self.told("PCAP.TS_TRIG.CAPTURE=Value");
    }

    fn write_table(&self, rows: &[Row]) {
        let rows: Vec<String> = rows.iter().map(Row::text).collect();
        self.told(&format!("SEQ1.TABLE<\n{}\n", rows.join("\n")));
    }

    /// A reader of rows as words, without anything else.
    fn reader(&self) -> ConnectionId {
        self.panda.with(|server| {
            let reader = server.connect_data("127.0.0.1:2");
            server.receive(reader, b"ASCII RAW NO_HEADER NO_STATUS\n");
            reader
        })
    }

    /// x and the time stamp of each row that came to a reader.
    fn rows(&self, reader: ConnectionId) -> Vec<(i32, u64)> {
        let text = self.panda.with(|server| server.take_output(reader));
        let row = |line: &str| {
            let number = |word: &str| u32::from_str_radix(&word[2..], 16).unwrap();
            let words: Vec<u32> = line.split_whitespace().map(number).collect();
            let [x, low, high] = words[..] else { panic!("{line}") };
            (x.cast_signed(), u64::from(high) << 32 | u64::from(low))
        };
        String::from_utf8(text).unwrap().lines().map(row).collect()
    }

    async fn sleep_us(&self, micros: u64) {
        self.beam.clock.sleep(Duration::from_micros(micros)).await;
    }
}

/// A row of a sequencer table with a pulse of OUTA.
#[derive(Clone, Copy)]
struct Row {
    repeats: u32,
    /// As the sequencer numbers them.
    trigger: u32,
    position: i32,
    /// In ticks: high, low.
    times: [u32; 2],
}

const IMMEDIATE: u32 = 0;
const BITA_LOW: u32 = 1;
const BITA_HIGH: u32 = 2;
const POSA_ABOVE: u32 = 7;

impl Row {
    fn text(&self) -> String {
        let Self { repeats, trigger, position, times: [high, low] } = self;
        let flags = repeats | trigger << 16 | u32::from(*high > 0) << 20;
        format!("{flags} {} {high} {low}", position.cast_unsigned())
    }
}
