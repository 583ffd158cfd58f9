//! [`Rig`]: rows of a simulated box as frames of a detector, on a paused clock.
use super::tap::Tap;
use crate::{
    beam::{ms, name},
    panda_server::new_server,
};
use bluefly_actors::{
    backend::panda::{
        capture::{DataPort, WireDataPort},
        control::Dial,
    },
    clock::Clock,
    device::panda::{Panda, PandaLink, PandaTiming},
    logic::{
        detector::{Arm, FilePlan},
        panda::{
            capture::{CaptureColumn, CaptureSetup, Encoder, PandaCapture},
            wired::Wired,
            wiring::Wiring,
        },
    },
    random::Seed,
    signal::panda::{PandaSeat, PandaSignals},
    storage::{
        ColumnData, DiskFaults, FaultyDisk, MemoryDisk, MemoryFile, StorageClient, StorageConfig,
    },
    supervise::{Env, Seat, Strategy, Supervisor, Tree},
    system::simulated_system,
};
use bluefly_protocol::{
    fault::Fault,
    panda::{Capture, wiring::Wire},
};
use bluefly_sim::panda::{MemoryPanda, Server};
use std::{path::Path, rc::Rc, time::Duration};

pub(super) struct Rig {
    pub(super) clock: Clock,
    pub(super) panda: MemoryPanda,
    pub(super) tap: Tap,
    pub(super) disk: MemoryDisk,
    pub(super) faults: DiskFaults,
    pub(super) storage: StorageClient,
    pub(super) seat: PandaSeat,
    pub(super) capture: PandaCapture,
    port: Rc<dyn DataPort>,
    setup: CaptureSetup,
    _tree: Tree,
}

/// A pulse every millisecond.
pub(super) const LINES: [&str; 9] = [
    "SEQ1.REPEATS=1",
    "SEQ1.ENABLE=BITS.OUTA",
    "PCAP.ENABLE=SEQ1.ACTIVE",
    "PCAP.TRIG=SEQ1.OUTA",
    "PCAP.GATE=SEQ1.OUTA",
    "COUNTER1.ENABLE=SEQ1.ACTIVE",
    "COUNTER1.TRIG=SEQ1.OUTA",
    "COUNTER1.OUT.UNITS=deg",
    "COUNTER2.OUT.CAPTURE=Mean",
];
pub(super) const PATH: &str = "/data/run/panda.h5";

pub(super) fn column(field: &str, captures: &[Capture]) -> CaptureColumn {
    CaptureColumn { field: field.parse().unwrap(), captures: captures.to_vec(), encoder: None }
}

/// The time of the trigger, the counter as the position of an axis in steps of 0.5 mm from 10 mm on,
/// and bits.
pub(super) fn columns() -> Vec<CaptureColumn> {
    let encoder = Encoder { axis: name("x"), scale: 0.5, offset: 10.0, units: "mm".to_owned() };
    let position = column("COUNTER1.OUT", &[Capture::Value, Capture::Diff]);
    vec![
        column("PCAP.TS_TRIG", &[Capture::Value]),
        CaptureColumn { encoder: Some(encoder), ..position },
        column("PCAP1.BITS0", &[Capture::Value]),
    ]
}

/// Runs `test` with a box that is reached.
pub(super) fn with_rig<T>(test: impl AsyncFnOnce(Rig) -> T) -> T {
    with_columns(columns(), test)
}

pub(super) fn with_columns<T>(columns: Vec<CaptureColumn>, test: impl AsyncFnOnce(Rig) -> T) -> T {
    simulated_system().block_on(async {
        let rig = Rig::new(columns);
        rig.reached().await;
        test(rig).await
    })
}

/// Does what stands in a line of the control port.
pub(super) fn told(server: &mut Server, line: &str) {
    let id = server.connect_control("127.0.0.1:9");
    server.receive(id, format!("{line}\n").as_bytes());
    assert_eq!(server.take_output(id), b"OK\n", "{line}");
    server.disconnect(id);
}

impl Rig {
    fn new(columns: Vec<CaptureColumn>) -> Self {
        let clock = Clock::simulated();
        let panda = MemoryPanda::new(new_server(), &clock);
        panda.with(|server| LINES.iter().for_each(|line| told(server, line)));
        let signals = PandaSignals::new(clock.clone());
        let seat = signals.seat("p");
        let (place, _) = Seat::new("p");
        let dial: Rc<dyn Dial> = Rc::new(panda.clone());
        let (own, timing) = (seat.clone(), PandaTiming::default());
        let link = PandaLink { dial, seat: own, timing, wiring: Wiring::default() };
        let branch = Panda::branch(place, link);
        let env = Env::new(clock.clone(), Seed(1));
        let tree = Supervisor::new(Strategy::OneForOne).child(branch).spawn("root", &env);
        let (disk, faults) = (MemoryDisk::new(), DiskFaults::default());
        let broken = Box::new(FaultyDisk::new(disk.clone(), faults.clone()));
        let config = StorageConfig { min_free_bytes: 0, ..StorageConfig::default() };
        let storage = StorageClient::inline(config, clock.clone(), broken);
        let tap = Tap::new(Rc::new(panda.data_port()), clock.clone());
        let port = WireDataPort {
            dial: Rc::new(tap.clone()),
            within: Duration::from_secs(2),
            clock: clock.clone(),
        };
        let setup = CaptureSetup { columns, flush_period: ms(100) };
        let port: Rc<dyn DataPort> = Rc::new(port);
        let ports = (seat.clone(), Rc::clone(&port));
        let capture = PandaCapture::new(name("panda"), ports, storage.clone(), setup.clone());
        Self { clock, panda, tap, disk, faults, storage, seat, capture, port, setup, _tree: tree }
    }

    /// One that notices what others set, with these wires.
    pub(super) fn wired(&self, wires: &[(&str, &str)]) -> Wired<PandaCapture> {
        let ports = (self.seat.clone(), Rc::clone(&self.port));
        let (storage, setup) = (self.storage.clone(), self.setup.clone());
        let capture = PandaCapture::new(name("panda"), ports, storage, setup);
        let wires: Vec<Wire> = wires
            .iter()
            .map(|(field, value)| Wire {
                field: field.parse().unwrap(),
                value: (*value).to_owned(),
                key: format!("wiring.{field}"),
            })
            .collect();
        Wired::new(name("panda"), (self.seat.clone(), Wiring::new(&wires)), capture)
    }

    /// Resolves when the box is reached.
    pub(super) async fn reached(&self) {
        for _ in 0..10_000 {
            if self.seat.session().is_some() {
                return;
            }
            self.clock.sleep(ms(1)).await;
        }
        panic!("the box is not reached");
    }

    pub(super) fn tell(&self, line: &str) {
        self.panda.with(|server| told(server, line));
    }

    /// What a query is answered with.
    pub(super) fn ask(&self, line: &str) -> String {
        self.panda.with(|server| {
            let id = server.connect_control("127.0.0.1:9");
            server.receive(id, format!("{line}\n").as_bytes());
            let reply = String::from_utf8(server.take_output(id)).unwrap();
            server.disconnect(id);
            reply
        })
    }

    /// The box will trigger so many rows, one each millisecond, from one after its start on: the counter
    /// has begun anew by then.
    pub(super) fn sequence(&self, rows: u32) {
        self.tell("BITS.A=0");
        self.panda.with(|server| {
            let id = server.connect_control("127.0.0.1:9");
            let pulses = rows | 1 << 20;
            let table = format!("SEQ1.TABLE<\n1 0 0 125000 {pulses} 0 62500 62500\n\n");
            server.receive(id, table.as_bytes());
            assert_eq!(server.take_output(id), b"OK\n");
            server.disconnect(id);
        });
    }

    /// Begins to trigger now.
    pub(super) fn fire(&self) {
        self.tell("BITS.A=1");
    }

    /// Arms, and lets the box trigger so many rows.
    pub(super) async fn take(&self, arm: Arm, rows: u32) -> Result<(), Fault> {
        self.sequence(rows);
        self.capture.arm(&arm).await?;
        self.fire();
        self.capture.on_disk(|_| ()).await
    }

    pub(super) async fn open(&self) {
        self.capture.open(&plan()).await.unwrap();
    }

    pub(super) fn file(&self) -> MemoryFile {
        self.disk.file(Path::new(PATH)).unwrap()
    }

    /// The positions in the file, as doubles; NaN where there is none.
    pub(super) fn positions(&self) -> Vec<f64> {
        match &self.file().columns[1] {
            ColumnData::F64(values) => values.clone(),
            other => panic!("{other:?} is no column of positions"),
        }
    }

    /// Nothing is armed, and nobody takes rows.
    pub(super) fn assert_at_rest(&self) {
        let completion = self.ask("*PCAP.COMPLETION?");
        assert!(!completion.contains("Busy"), "{completion}");
        assert_eq!(self.ask("PCAP.ACTIVE?"), "OK =0\n");
    }
}

pub(super) fn plan() -> FilePlan {
    FilePlan {
        directory: "/data/run".into(),
        file_name: "panda.h5".to_owned(),
        new_directories: 1,
        frames: 20,
    }
}

pub(super) fn arm(first_index: u64, frames: u64) -> Arm {
    Arm { first_index, frames, frame_duration: ms(1), exposure: Duration::from_micros(500) }
}

/// The position at so many pulses after the start of the counter.
pub(super) fn position(pulse: u32) -> f64 {
    10.0 + 0.5 * f64::from(pulse)
}
