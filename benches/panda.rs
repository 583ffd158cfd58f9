//! What comes from the data port of a PandA, from memory to rows and from rows to columns: 1e7 rows of
//! 10 fields. `cargo bench --bench panda`; items are rows, bytes are those of the wire.
//! `receive` is what a reader does that looks at nothing: the limit of `parse`. `socket_receive` and
//! `socket_parse` are the same two where the bytes come by TCP from another thread.
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot run says so")]
use bluefly_protocol::panda::{
    data::{DataDecoder, DataRequest, Event, Process},
    scaling::Columns,
};
use divan::{
    Bencher, black_box,
    counter::{BytesCount, ItemsCount},
};
use std::{
    fmt::Write as _,
    io::{Read as _, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
    sync::Arc,
    thread,
};

const NUM_ROWS: usize = 10_000_000;
const NUM_FIELDS: usize = 10;
/// Most that a socket gives at a time.
const SOCKET_BYTES: usize = 256 << 10;
const PROCESSES: &[&str] = &["raw", "scaled"];

fn main() {
    divan::main();
}

/// The bytes of an experiment, of which all frames but the last are the same.
struct Stream {
    request: DataRequest,
    parts: Vec<Vec<u8>>,
    frame_repeats: usize,
}

/// Where in a stream a socket is.
struct Socket<'a> {
    stream: &'a Stream,
    part: usize,
    repeat: usize,
    at: usize,
}

impl Stream {
    fn new(process: &str) -> Self {
        // Of as many bytes as the server takes.
        let (request, kind, value_bytes, frame_bytes) = match process {
            "raw" => (DataRequest::framed(Process::Raw), "int32", 4, 2 << 20),
            _ => (DataRequest::framed(Process::Scaled), "double", 8, 65_536),
        };
        let process = if kind == "int32" { "Raw" } else { "Scaled" };
        let row_bytes = NUM_FIELDS * value_bytes;
        let mut header = format!(
            "OK\n<header>\n<data missed=\"0\" process=\"{process}\" format=\"Framed\" \
             sample_bytes=\"{row_bytes}\" />\n<fields>\n"
        );
        for i in 1..=NUM_FIELDS {
            let name = format!("COUNTER{i}.OUT");
            writeln!(
                header,
                "<field name=\"{name}\" type=\"{kind}\" capture=\"Value\" scale=\"0.001\" \
                 offset=\"1\" units=\"mm\" />"
            )
            .unwrap();
        }
        header.push_str("</fields>\n</header>\n\n");
        let frame_rows = (frame_bytes - 8) / row_bytes;
        let frame_repeats = NUM_ROWS / frame_rows;
        let rest = NUM_ROWS - frame_repeats * frame_rows;
        let end = format!("END {NUM_ROWS} Ok\n").into_bytes();
        let parts =
            vec![header.into_bytes(), frame(frame_rows, row_bytes), frame(rest, row_bytes), end];
        Self { request, parts, frame_repeats }
    }

    fn num_bytes(&self) -> usize {
        let bytes: usize = self.parts.iter().map(Vec::len).sum();
        bytes + (self.frame_repeats - 1) * self.parts[1].len()
    }

    fn open(&self) -> Socket<'_> {
        Socket { stream: self, part: 0, repeat: 0, at: 0 }
    }

    /// The end of a connection at which all of it arrives, as fast as it is taken.
    fn connect(self: &Arc<Self>) -> TcpStream {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let receiver = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut sender, _) = listener.accept().unwrap();
        let stream = Arc::clone(self);
        thread::spawn(move || {
            for (i, part) in stream.parts.iter().enumerate() {
                for _ in 0..if i == 1 { stream.frame_repeats } else { 1 } {
                    sender.write_all(part).unwrap();
                }
            }
        });
        receiver
    }
}

fn frame(num_rows: usize, row_bytes: usize) -> Vec<u8> {
    let length = 8 + num_rows * row_bytes;
    let mut frame = [b"BIN ", &(length as u32).to_le_bytes()[..]].concat();
    frame.extend((8..length).map(|i| i as u8));
    frame
}

impl Socket<'_> {
    /// Fills the space as far as the next part goes; 0 at the end.
    fn receive(&mut self, space: &mut [u8]) -> usize {
        let Some(part) = self.stream.parts.get(self.part) else { return 0 };
        let length = (part.len() - self.at).min(space.len()).min(SOCKET_BYTES);
        space[..length].copy_from_slice(&part[self.at..self.at + length]);
        self.at += length;
        if self.at == part.len() {
            self.at = 0;
            self.repeat += 1;
            if self.part != 1 || self.repeat == self.stream.frame_repeats {
                (self.part, self.repeat) = (self.part + 1, 0);
            }
        }
        length
    }
}

#[divan::bench(args = PROCESSES, sample_count = 5, sample_size = 1)]
fn receive(bencher: Bencher, process: &str) {
    let stream = Stream::new(process);
    let mut buffer = vec![0; SOCKET_BYTES];
    let bencher = bencher.counter(ItemsCount::new(NUM_ROWS));
    bencher.counter(BytesCount::new(stream.num_bytes())).bench_local(|| {
        let mut socket = stream.open();
        while socket.receive(&mut buffer) > 0 {
            black_box(&buffer);
        }
    });
}

#[divan::bench(args = PROCESSES, sample_count = 5, sample_size = 1)]
fn parse(bencher: Bencher, process: &str) {
    let stream = Stream::new(process);
    let bencher = bencher.counter(ItemsCount::new(NUM_ROWS));
    bencher.counter(BytesCount::new(stream.num_bytes())).bench_local(|| {
        let mut socket = stream.open();
        read(stream.request, |space| socket.receive(space), |_, _| ());
    });
}

#[divan::bench(args = PROCESSES, sample_count = 9, sample_size = 1)]
fn socket_receive(bencher: Bencher, process: &str) {
    let stream = Arc::new(Stream::new(process));
    let mut buffer = vec![0; SOCKET_BYTES];
    let bencher = bencher.counter(ItemsCount::new(NUM_ROWS));
    bencher
        .counter(BytesCount::new(stream.num_bytes()))
        .with_inputs(|| stream.connect())
        .bench_local_values(|mut socket| {
            while socket.read(&mut buffer).unwrap() > 0 {
                black_box(&buffer);
            }
        });
}

#[divan::bench(args = PROCESSES, sample_count = 9, sample_size = 1)]
fn socket_parse(bencher: Bencher, process: &str) {
    let stream = Arc::new(Stream::new(process));
    let bencher = bencher.counter(ItemsCount::new(NUM_ROWS));
    bencher
        .counter(BytesCount::new(stream.num_bytes()))
        .with_inputs(|| stream.connect())
        .bench_local_values(|mut socket| {
            read(stream.request, |space| socket.read(space).unwrap(), |_, _| ());
        });
}

/// Parses, and makes columns in engineering units.
#[divan::bench(args = PROCESSES, sample_count = 5, sample_size = 1)]
fn columns(bencher: Bencher, process: &str) {
    let stream = Stream::new(process);
    let mut columns = vec![vec![]; NUM_FIELDS];
    let bencher = bencher.counter(ItemsCount::new(NUM_ROWS));
    bencher.counter(BytesCount::new(stream.num_bytes())).bench_local(|| {
        let mut socket = stream.open();
        let each = |scaling: &Columns, bytes: &[u8]| {
            columns.iter_mut().for_each(Vec::clear);
            scaling.append(bytes, &mut columns);
            black_box(&columns);
        };
        read(stream.request, |space| socket.receive(space), each);
    });
}

fn read(
    request: DataRequest,
    mut receive: impl FnMut(&mut [u8]) -> usize,
    mut each: impl FnMut(&Columns, &[u8]),
) {
    let mut decoder = DataDecoder::new(request);
    let mut scaling = None;
    loop {
        let length = receive(decoder.space());
        if length == 0 {
            break;
        }
        decoder.received(length);
        while let Some(event) = decoder.next_event().unwrap() {
            match event {
                Event::Accepted | Event::Text { .. } => {}
                Event::Header(header) => scaling = Some(Columns::of(header).unwrap()),
                Event::Rows { bytes, .. } => each(scaling.as_ref().unwrap(), black_box(bytes)),
                Event::End { rows, received, .. } => assert_eq!(rows, received),
            }
        }
    }
    decoder.closed().unwrap();
}
