//! A PandA whose server is of a version that cannot append to a table.
use super::{
    edges::GRID,
    rig::{GATE, from_frame, plan, setup, with_dialled, with_panda},
};
use bluefly_actors::{
    backend::panda::control::{Dial, Dialed, Wire},
    logic::triggers::TriggerLogic as _,
};
use bluefly_protocol::fault::FaultClass;
use bluefly_sim::panda::MemoryPanda;
use std::{io, rc::Rc, sync::Arc};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

/// 2,000 rows of 2 frames.
const LONG: &str = r#"{"type": "Fly", "spec": {"type": "ConstantDuration",
    "constant_duration": 0.005, "spec": {"type": "Product",
        "outer": {"type": "Linspace", "axis": "y", "start": 0, "stop": 5.9, "num": 2000},
        "inner": {"type": "Snake", "spec":
            {"type": "Linspace", "axis": "x", "start": 0, "stop": 0.05, "num": 2}}}}}"#;

/// A box that says that its server is of version 3.0.
struct Old(MemoryPanda);

impl Dial for Old {
    fn dial(&self) -> Dialed {
        let dialled = self.0.dial();
        Box::pin(async move {
            let theirs = dialled.await?;
            let (ours, middle) = tokio::io::duplex(16 << 10);
            tokio::task::spawn_local(relay(middle, theirs));
            Ok(Box::new(ours) as Box<dyn Wire>)
        })
    }

    fn peer(&self) -> String {
        self.0.peer()
    }
}

/// Hands everything on, with another version, until one of them closes.
async fn relay(middle: DuplexStream, theirs: Box<dyn Wire>) -> io::Result<()> {
    let (mut from_us, mut to_us) = tokio::io::split(middle);
    let (mut from_them, mut to_them) = tokio::io::split(theirs);
    let back = async {
        let mut received = vec![0; 16 << 10];
        loop {
            let length = from_them.read(&mut received).await?;
            let bytes = &mut received[..length];
            if let Some(at) = bytes.windows(7).position(|window| window == b"SW: 4.1") {
                bytes[at..at + 7].copy_from_slice(b"SW: 3.0");
            }
            if bytes.is_empty() {
                return Ok(());
            }
            to_us.write_all(bytes).await?;
        }
    };
    tokio::select! { biased;
        ended = back => ended,
        ended = tokio::io::copy(&mut from_us, &mut to_them) => ended.map(drop),
    }
}

#[test]
fn more_rows_than_an_old_box_takes_are_refused_and_the_others_loaded() {
    let long = from_frame(&Arc::new(plan(LONG)), 0);
    with_panda(async |rig| {
        rig.triggers(setup(GATE)).check(&long).await.unwrap();
        rig.triggers(setup(GATE)).load(&long).await.unwrap();
    });
    with_dialled(
        |panda| Rc::new(Old(panda)),
        async |rig| {
            let triggers = rig.triggers(setup(GATE));
            let told = "the frames need 6001 rows, and SEQ1.TABLE takes 4096 at a time: server 3.0 \
                        cannot append to it while it runs, which 4.0 can";
            let checked = triggers.check(&long).await.unwrap_err();
            assert_eq!(checked.class, FaultClass::Rejected);
            assert_eq!(checked.to_string(), format!("panda: cannot trigger the scan: {told}"));
            let loaded = triggers.load(&long).await.unwrap_err();
            assert_eq!(loaded.class, FaultClass::Rejected);
            assert_eq!(loaded.to_string(), format!("panda: cannot load triggers: {told}"));
            let grid = from_frame(&Arc::new(plan(GRID)), 0);
            triggers.check(&grid).await.unwrap();
            triggers.load(&grid).await.unwrap();
            assert_eq!(rig.get("SEQ1.TABLE.MODE").await, "FIXED");
        },
    );
}
