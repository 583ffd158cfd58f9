//! Rows of a box behind real sockets, read by a thread, in an HDF5 file.
use super::rig::{arm, columns, position};
use crate::beam::{ms, name};
use bluefly_actors::{
    backend::panda::{capture::TcpDataPort, control::TcpDial},
    clock::Clock,
    device::panda::{Panda, PandaLink, PandaTiming},
    logic::{
        detector::FilePlan,
        panda::{
            capture::{CaptureSetup, PandaCapture},
            wiring::Wiring,
        },
    },
    random::Seed,
    signal::panda::PandaSignals,
    storage::{StorageClient, StorageConfig},
    supervise::{Env, Seat, Strategy, Supervisor},
    system::real_system,
};
use bluefly_protocol::panda::{
    Address,
    control::Command,
    table::{TableMode, TableText},
};
use bluefly_sim::panda::{PandaServer, Waves};
use std::{net::SocketAddr, rc::Rc, time::Duration};

const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn rows_come_over_sockets_into_a_file_that_others_can_read() {
    let directory = tempfile::TempDir::new().unwrap();
    let path = directory.path().join("run/panda.h5");
    real_system().block_on(async {
        let clock = Clock::real();
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let server = PandaServer::start(&clock, any, any, Waves::none()).unwrap();
        let taken = take(&clock, &server, &path);
        clock.timeout(PATIENCE, taken).await.unwrap();
        server.stop().await;
    });
    let file = hdf5::File::open(&path).unwrap();
    let rows: Vec<f64> =
        file.dataset("/entry/data/COUNTER1.OUT.Value").unwrap().read_raw().unwrap();
    assert_eq!(rows, (0..300).map(position).collect::<Vec<_>>());
    let received: Vec<i64> = file.dataset("/entry/arms/received").unwrap().read_raw().unwrap();
    assert_eq!(received, [300]);
}

async fn take(clock: &Clock, server: &PandaServer, path: &std::path::Path) {
    let addresses = server.addresses();
    let address = Address {
        host: "127.0.0.1".to_owned(),
        control_port: addresses.control.port(),
        data_port: addresses.data.port(),
    };
    let signals = PandaSignals::new(clock.clone());
    let (seat, within) = (signals.seat("p"), Duration::from_secs(2));
    let dial = TcpDial { address: address.clone(), within, clock: clock.clone() };
    let (place, panda) = Seat::new("p");
    let (own, timing) = (seat.clone(), PandaTiming::default());
    let link = PandaLink { dial: Rc::new(dial), seat: own, timing, wiring: Wiring::default() };
    let branch = Panda::branch(place, link);
    let env = Env::new(clock.clone(), Seed(1));
    let _tree = Supervisor::new(Strategy::OneForOne).child(branch).spawn("root", &env);
    panda.up().await.unwrap();
    while seat.session().is_none() {
        clock.sleep(ms(1)).await;
    }
    let control = seat.session().unwrap().control;
    for line in super::rig::LINES {
        let (name, value) = line.split_once('=').unwrap();
        control.done(Command::assign(name, value).unwrap()).await.unwrap();
    }
    let rows = [1, 0, 0, 125_000, 0x10_012C, 0, 6_250, 6_250];
    let table = Command::table("SEQ1.TABLE", TableMode::Fixed, TableText::Base64, &rows);
    control.done(table.unwrap()).await.unwrap();
    let config = StorageConfig { min_free_bytes: 0, ..StorageConfig::default() };
    let storage = StorageClient::hdf5(config, clock.clone()).unwrap();
    let port = TcpDataPort { address, within, clock: clock.clone() };
    let setup = CaptureSetup { columns: columns(), flush_period: ms(20) };
    let capture = PandaCapture::new(name("panda"), (seat, Rc::new(port)), storage.clone(), setup);
    let (directory, file_name) = (path.parent().unwrap().to_owned(), "panda.h5".to_owned());
    let plan = FilePlan { directory, file_name, new_directories: 1, frames: 300 };
    capture.open(&plan).await.unwrap();
    capture.arm(&arm(0, 300)).await.unwrap();
    control.done(Command::assign("BITS.A", "1").unwrap()).await.unwrap();
    capture.on_disk(|_| ()).await.unwrap();
    assert_eq!(capture.disarm().await.unwrap(), 300);
    capture.close().await.unwrap();
    storage.shutdown().await;
}
