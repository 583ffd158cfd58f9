//! The actor flushes at its period, and a crash of it costs nothing.
use super::{check_state, config, plan, rows, simulated};
use actix::{Actor, Context, Handler, Message};
use bluefly_actors::{
    clock::Clock,
    storage::{GetReport, Storage, StorageClient, StorageError, StreamState},
};
use std::{path::PathBuf, time::Duration};
use tempfile::TempDir;

#[derive(Message)]
#[rtype(result = "()")]
struct Crash;

impl Handler<Crash> for Storage {
    type Result = ();

    fn handle(&mut self, _: Crash, _: &mut Context<Self>) {
        panic!("crashed for a test");
    }
}

#[test]
fn the_actor_flushes_at_its_period_and_survives_a_crash() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("a.h5");
    simulated(async |clock: Clock| {
        let client = StorageClient::hdf5(config(), clock.clone()).unwrap();
        let actor = Storage::new(client.clone()).start();
        let stream = client.create(plan(&path)).await.unwrap();
        stream.append(rows(0, 2, 0)).unwrap();
        let mut watch = stream.watch();
        watch.changed().await.unwrap();
        check_state(&stream, 2, 2);
        // One tick of 1 us for each answer of the thread: the flush waited for its own.
        assert_eq!(clock.now().since_start(), Duration::from_micros(100_001));

        assert!(actor.send(Crash).await.is_err());
        stream.append(rows(2, 2, 0)).unwrap();
        clock.sleep(Duration::from_secs(1)).await;
        check_state(&stream, 2, 2);

        let actor = Storage::new(client.clone()).start();
        watch.changed().await.unwrap();
        check_state(&stream, 4, 4);
        let report = actor.send(GetReport).await.unwrap();
        let state = StreamState { written: 4, committed: 4, error: None };
        assert_eq!(report.streams, [(path.clone(), state)]);
        assert_eq!(client.streams().len(), 1);
        client.shutdown().await;
        assert_eq!(stream.append(rows(4, 1, 0)), Err(StorageError::Closed { path }));
    });
}

#[test]
fn nothing_is_flushed_while_nothing_happens() {
    simulated(async |clock: Clock| {
        let disk = bluefly_actors::storage::MemoryDisk::new();
        let client = disk.client(config(), clock.clone());
        let _actor = Storage::new(client.clone()).start();
        let stream = client.create(plan("a.h5")).await.unwrap();
        stream.append(rows(0, 1, 0)).unwrap();
        clock.sleep(Duration::from_secs(10)).await;
        check_state(&stream, 1, 1);
        assert_eq!(disk.file(&PathBuf::from("a.h5")).unwrap().num_flushes, 1);
    });
}
