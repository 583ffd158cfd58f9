//! Every block against the vectors with which the hardware description is tested upstream: what is
//! driven at every tick, both if the block is asked at every tick and if it is asked when it wishes.
use super::super::{
    Tick,
    block::{Block, BlockKind, Drive, Ports},
    blocks::{
        calc::{CALC, Calc},
        clock::{CLOCK, Clock},
        counter::{COUNTER, Counter},
        gates::{BITS, Bits, DIV, Div, LUT, Lut, SRGATE, SrGate},
        pcomp::{PCOMP, Pcomp},
        pulse::{PULSE, Pulse},
    },
    driver::Buffer,
    pcap::{Pcap, View},
    pgen::{PGEN, Pgen},
    seq::{SEQ, Seq},
    table::Table,
    track::Track,
};
use std::{
    collections::BTreeMap,
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};

/// Names and values, as they stand on one side of a line.
type Values = Vec<(String, i64)>;

struct Section {
    name: String,
    lines: BTreeMap<Tick, (Values, Values)>,
}

/// The vectors, or nothing if they are not there.
pub(super) fn shared(path: &str) -> Option<PathBuf> {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/panda");
    if !shared.is_dir() {
        // Not by a macro: those of a test that succeeds are not heard.
        writeln!(io::stderr().lock(), "skipped: there is no {}", shared.display()).unwrap();
        return None;
    }
    Some(shared.join(path))
}

fn read_sections(module: &str) -> Option<Vec<Section>> {
    let dir = shared("fpga_vectors/modules")?.join(module);
    let entries = fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> =
        entries.filter(|path| path.to_str().unwrap().ends_with(".timing.ini")).collect();
    files.sort();
    Some(files.iter().flat_map(|file| parse(&fs::read_to_string(file).unwrap())).collect())
}

fn parse(text: &str) -> Vec<Section> {
    let mut sections: Vec<Section> = vec![];
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
        if let Some(name) = line.strip_prefix('[') {
            let name = name.trim_end_matches(']').to_owned();
            sections.push(Section { name, lines: BTreeMap::new() });
        } else if let Some((tick, rest)) = line.split_once(':') {
            let Ok(tick) = tick.trim().parse() else { continue };
            let (inputs, outputs) = rest.split_once("->").unwrap_or((rest, ""));
            let section = sections.last_mut().unwrap();
            section.lines.insert(tick, (assignments(inputs), assignments(outputs)));
        }
    }
    sections.retain(|section| section.name != ".");
    sections
}

fn assignments(text: &str) -> Values {
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    let one = |part: &str| {
        let (name, value) = part.split_once('=').unwrap();
        (name.trim().to_owned(), number(value.trim()))
    };
    parts.map(one).collect()
}

fn number(text: &str) -> i64 {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
    let digits = digits.to_lowercase();
    let value = digits
        .strip_prefix("0x")
        .map_or_else(|| digits.parse().unwrap(), |digits| i64::from_str_radix(digits, 16).unwrap());
    sign * value
}

/// What stands between the vectors and one block.
trait Bench {
    fn set(&mut self, now: Tick, name: &str, value: i64);
    /// Returns when it wishes to be asked again.
    fn step(&mut self, now: Tick) -> Tick;
    /// What is told of the tick that is over; `None` if there is nothing.
    fn get(&mut self, name: &str) -> Option<i64>;
    /// Called for every tick, before it is asked.
    fn look(&mut self, _now: Tick) {}
}

/// What differs first, if anything does.
fn run(section: &Section, bench: &mut dyn Bench, is_asked_always: bool) -> Option<String> {
    let last = section.lines.keys().max().copied().unwrap_or(0) + 3;
    let mut expected: BTreeMap<&str, i64> = BTreeMap::new();
    let mut wake = 0;
    for now in 0..=last {
        bench.look(now);
        let line = section.lines.get(&now);
        expected.retain(|name, _| *name != "DATA");
        for (name, value) in line.iter().flat_map(|(inputs, _)| inputs) {
            bench.set(now, name, *value);
            wake = now;
        }
        for (name, value) in line.iter().flat_map(|(_, outputs)| outputs) {
            expected.insert(name, *value);
        }
        if wake <= now || is_asked_always {
            wake = bench.step(now);
            assert!(wake > now, "{}: it wishes to be asked in the past", section.name);
        }
        for (name, value) in &expected {
            let found = bench.get(name);
            if found.map(|found| found as u32) != Some(*value as u32) {
                return Some(format!("{now}: {name} is {found:?} instead of {value}"));
            }
        }
        if !expected.contains_key("DATA") && bench.get("DATA").is_some() {
            return Some(format!("{now}: DATA"));
        }
    }
    None
}

/// Checks all sections of a module: none differs.
fn check(module: &str, num_sections: usize, bench: impl Fn() -> Box<dyn Bench>) {
    let Some(sections) = read_sections(module) else { return };
    assert_eq!(sections.len(), num_sections, "sections of {module}");
    for is_asked_always in [true, false] {
        let differing = sections.iter().filter_map(|section| {
            let found = run(section, &mut *bench(), is_asked_always)?;
            Some((section.name.clone(), found))
        });
        let found: Vec<_> = differing.collect();
        assert_eq!(found, [], "{module}, asked always: {is_asked_always}");
    }
}

/// A block with its inputs.
struct BlockBench<B> {
    kind: &'static BlockKind,
    block: B,
    bits: u32,
    written: u32,
    values: Vec<i64>,
    tracks: [Track; 4],
    drive: Drive,
    address: i64,
    table: fn(&mut B) -> Option<&mut Table>,
}

impl<B: Block> BlockBench<B> {
    fn new(kind: &'static BlockKind, block: B, table: fn(&mut B) -> Option<&mut Table>) -> Self {
        Self {
            kind,
            block,
            bits: 0,
            written: 0,
            values: vec![0; kind.fields.len()],
            tracks: [(); 4].map(|()| Track::new()),
            drive: Drive::bits(0, 0),
            address: 0,
            table,
        }
    }

    fn write_table(&mut self, now: Tick, length: i64) {
        let table = (self.table)(&mut self.block).unwrap();
        let num_words = usize::try_from(length & 0x7fff_ffff).unwrap();
        if num_words == 0 {
            return table.write_nothing(now);
        }
        let module = self.kind.name.to_lowercase();
        let path = format!("fpga_vectors/modules/{module}/tests_assets/{}.txt", self.address);
        let text = fs::read_to_string(shared(&path).unwrap()).unwrap();
        let words: Arc<[u32]> =
            text.lines().skip(1).map(|line| number(line.trim()) as u32).collect();
        assert_eq!(words.len(), num_words);
        table.write(now, Buffer { words, has_more: length >> 31 & 1 == 1 });
    }
}

impl<B: Block> Bench for BlockBench<B> {
    fn set(&mut self, now: Tick, name: &str, value: i64) {
        match name {
            "TABLE_ADDRESS" => return self.address = value,
            "TABLE_LENGTH" => return self.write_table(now, value),
            _ => {}
        }
        let name = name.strip_suffix("_L").unwrap_or(name);
        let field = self.kind.field(name);
        let place = self.kind.place(name);
        match self.kind.fields[field].class {
            "bit_mux" => self.bits = self.bits & !(1 << place) | (value as u32) << place,
            // A position comes through a register.
            "pos_mux" => self.tracks[place].set(now - 1, value as i32),
            _ => {
                self.values[field] = value;
                self.written |= 1 << field;
            }
        }
    }

    fn step(&mut self, now: Tick) -> Tick {
        let ports = Ports {
            now,
            bits: self.bits,
            written: std::mem::take(&mut self.written),
            values: &self.values,
            positions: self.tracks.each_ref(),
        };
        self.drive = self.block.step(&ports);
        self.drive.wake
    }

    fn get(&mut self, name: &str) -> Option<i64> {
        if name == "DATA" {
            return None;
        }
        let field = self.kind.field(name);
        Some(match self.kind.fields[field].class {
            "bit_out" => i64::from(self.drive.bits >> self.kind.place(name) & 1),
            "pos_out 1 0" => self.drive.position.into(),
            _ => self.block.read(field),
        })
    }
}

fn check_block<B: Block + Default + 'static>(kind: &'static BlockKind, num_sections: usize) {
    let bench = || Box::new(BlockBench::new(kind, B::default(), |_| None)) as Box<dyn Bench>;
    check(&kind.name.to_lowercase(), num_sections, bench);
}

impl Default for Bits {
    fn default() -> Self {
        Self
    }
}

impl Default for Calc {
    fn default() -> Self {
        Self
    }
}

#[test]
fn bits_lut_div_srgate_and_calc_do_what_the_hardware_does() {
    check_block::<Bits>(&BITS, 1);
    check_block::<Lut>(&LUT, 7);
    check_block::<Div>(&DIV, 3);
    check_block::<SrGate>(&SRGATE, 13);
    check_block::<Calc>(&CALC, 3);
}

#[test]
fn clock_and_counter_do_what_the_hardware_does() {
    check_block::<Clock>(&CLOCK, 3);
    check_block::<Counter>(&COUNTER, 21);
}

#[test]
fn pulse_does_what_the_hardware_does() {
    check_block::<Pulse>(&PULSE, 15);
}

#[test]
fn pcomp_does_what_the_hardware_does() {
    check_block::<Pcomp>(&PCOMP, 22);
}

#[test]
fn seq_does_what_the_hardware_does() {
    check("seq", 22, || Box::new(BlockBench::new(&SEQ, Seq::new(), |seq| Some(&mut seq.table))));
}

#[test]
fn pgen_does_what_the_hardware_does() {
    check("pgen", 1, || Box::new(BlockBench::new(&PGEN, Pgen::new(), |p| Some(&mut p.table))));
}

/// PCAP without the buses in front of it.
struct PcapBench {
    pcap: Pcap,
    inputs: [u32; 5],
    bits: u128,
    tracks: Vec<Track>,
    captured: Vec<u32>,
    is_writing: bool,
    words: Vec<u32>,
    num_out: usize,
}

impl PcapBench {
    const INPUTS: [&str; 5] = ["ENABLE", "GATE", "TRIG", "TRIG_EDGE", "SHIFT_SUM"];

    fn new() -> Self {
        Self {
            pcap: Pcap::new(1),
            inputs: [0; 5],
            bits: 0,
            tracks: (0..32).map(|_| Track::new()).collect(),
            captured: vec![],
            is_writing: false,
            words: vec![],
            num_out: 0,
        }
    }
}

impl Bench for PcapBench {
    fn set(&mut self, now: Tick, name: &str, value: i64) {
        let (name, index) = name.trim_end_matches(']').split_once('[').unwrap_or((name, "0"));
        let index: usize = index.parse().unwrap();
        if let Some(input) = Self::INPUTS.iter().position(|input| *input == name) {
            self.inputs[input] = value as u32;
            return;
        }
        match name {
            "ARM" => self.pcap.arm(),
            "DISARM" => self.pcap.disarm(),
            "START_WRITE" => self.captured.clear(),
            "WRITE" => {
                self.captured.push(value as u32);
                self.pcap.capture(&self.captured);
            }
            "POS" => self.tracks[index].set(now, value as i32),
            "BIT" => self.bits = self.bits & !(1 << index) | (value as u128) << index,
            name => panic!("PCAP has no {name}"),
        }
    }

    fn look(&mut self, now: Tick) {
        self.is_writing = self.pcap.is_writing(now);
    }

    fn step(&mut self, now: Tick) -> Tick {
        let [enable, gate, trigger, edges, shift] = self.inputs;
        self.pcap.step(&View {
            now,
            enable: enable == 1,
            gate: gate == 1,
            trigger: trigger == 1,
            edges,
            shift,
            bits: self.bits,
            tracks: &self.tracks,
        })
    }

    fn get(&mut self, name: &str) -> Option<i64> {
        match name {
            "ACTIVE" => Some(self.pcap.is_active().into()),
            "HEALTH" => Some(self.pcap.health()),
            "DATA" => {
                if std::mem::take(&mut self.is_writing) {
                    self.num_out += 1;
                    self.words = self.pcap.words().to_vec();
                    self.words.get(self.num_out - 1).map(|word| i64::from(*word))
                } else {
                    None
                }
            }
            name => panic!("PCAP has no {name}"),
        }
    }
}

#[test]
fn pcap_does_what_the_hardware_does() {
    check("pcap", 32, || Box::new(PcapBench::new()));
}
