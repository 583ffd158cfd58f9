//! [`Rig`]: a box that captures on a clock of its own.
use super::player::{ask, new_server};
use bluefly_sim::panda::{ConnectionId, Server, fpga::TICKS_PER_SECOND};

pub(super) struct Rig {
    pub(super) server: Server,
    pub(super) control: ConnectionId,
}

/// A stream of framed rows, taken apart.
#[derive(Debug, Default)]
pub(super) struct Stream {
    pub(super) header: String,
    pub(super) frames: Vec<Vec<u8>>,
    pub(super) end: String,
}

impl Rig {
    /// A row for each period of CLOCK1 while BITS.A is high.
    pub(super) fn clocked(period_us: u32) -> Self {
        let mut server = new_server();
        let control = server.connect_control("127.0.0.1:1");
        let mut rig = Self { server, control };
        rig.told("CLOCK1.PERIOD.UNITS=us");
        rig.told(&format!("CLOCK1.PERIOD={period_us}"));
        rig.told("CLOCK1.ENABLE=BITS.OUTA");
        rig.told("PCAP.ENABLE=BITS.OUTA");
        rig.told("PCAP.GATE=BITS.OUTA");
        rig.told("PCAP.TRIG=CLOCK1.OUT");
        rig
    }

    /// With rows of 60 words.
    pub(super) fn with_long_rows(mut self) -> Self {
        for counter in 1..=8 {
            self.told(&format!("COUNTER{counter}.OUT.CAPTURE=Value Diff Sum Min Max"));
        }
        for encoder in 1..=4 {
            self.told(&format!("INENC{encoder}.VAL.CAPTURE=Value Diff"));
        }
        for calculation in 1..=2 {
            self.told(&format!("CALC{calculation}.OUT.CAPTURE=Value Diff"));
        }
        self
    }

    pub(super) fn ask(&mut self, line: &str) -> String {
        ask(&mut self.server, self.control, line)
    }

    pub(super) fn told(&mut self, line: &str) {
        assert_eq!(self.ask(line), "OK\n", "{line}");
    }

    pub(super) fn reader(&mut self, options: &str) -> ConnectionId {
        let reader = self.server.connect_data("127.0.0.1:2");
        self.server.receive(reader, format!("{options}\n").as_bytes());
        assert_eq!(self.server.take_output(reader), b"OK\n");
        reader
    }

    pub(super) fn run_ms(&mut self, ms: u64) {
        self.server.advance_to(self.server.tick() + ms * (TICKS_PER_SECOND / 1_000));
    }

    pub(super) fn take(&mut self, reader: ConnectionId) -> Stream {
        Stream::of(&self.server.take_output(reader))
    }
}

impl Stream {
    pub(super) fn of(bytes: &[u8]) -> Self {
        let mut stream = Self::default();
        let mut rest = bytes;
        while !rest.is_empty() {
            let length = if rest.starts_with(b"BIN ") {
                let length = u32::from_le_bytes(rest[4..8].try_into().unwrap()) as usize;
                stream.frames.push(rest[8..length].to_vec());
                length
            } else if rest.starts_with(b"<header>") {
                let end = rest.windows(2).position(|two| two == b"\n\n").unwrap() + 2;
                stream.header = String::from_utf8(rest[..end].to_vec()).unwrap();
                end
            } else {
                let end = rest.iter().position(|byte| *byte == b'\n').unwrap() + 1;
                stream.end = String::from_utf8(rest[..end].to_vec()).unwrap();
                end
            };
            rest = &rest[length..];
        }
        stream
    }

    pub(super) fn num_rows(&self, row_bytes: usize) -> usize {
        self.frames.iter().map(Vec::len).sum::<usize>() / row_bytes
    }
}
