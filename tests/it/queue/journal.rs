//! The file of the queue: whatever happened to it, what was answered is there.
use super::rig::{End, LINE, Stand, with_stand};
use crate::run::rig::{Setup, spec};
use bluefly_actors::queue::{Cancel, Hold, MoveTo, Release, Submit};
use bluefly_protocol::api::{ErrorCode, Gate, RunList, RunState};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::{
    collections::BTreeMap,
    env,
    fs::{self, File},
    path::Path,
    process::Command,
    time::Duration,
};

fn journal(directory: &Path) -> std::path::PathBuf {
    directory.join("queue.jsonl")
}

/// Some decisions, each with the length of the file and the list after it.
async fn decisions(stand: &Stand, path: &Path) -> Vec<(u64, RunList)> {
    let mut after = vec![(0, stand.list().await)];
    let mut uids: Vec<String> = Vec::new();
    for step in 0..9 {
        match step {
            0 => drop(stand.ask(Hold { reason: Some("set up".into()) }).await.unwrap()),
            1..=4 => uids.push(stand.submit(LINE).await.uid),
            5 => drop(stand.ask(Cancel(uids[1].clone())).await.unwrap()),
            6 => {
                let first = MoveTo { uid: uids[3].clone(), place: 0 };
                drop(stand.ask(first).await.unwrap());
            }
            7 => drop(stand.ask(Hold { reason: Some("\u{e9}\"\\".into()) }).await.unwrap()),
            _ => drop(stand.ask(Cancel(uids[0].clone())).await.unwrap()),
        }
        after.push((fs::metadata(journal(path)).unwrap().len(), stand.list().await));
    }
    after
}

#[test]
fn a_journal_that_was_cut_has_what_was_answered() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let setup = (path, Setup::default(), End::Killed);
    let after = with_stand(setup, async |stand| decisions(stand, path).await);
    let whole = fs::read(journal(path)).unwrap();
    assert_eq!(after.last().unwrap().0, whole.len() as u64);
    for cut in (0..whole.len()).step_by(61).chain([whole.len()]) {
        let other = tempfile::tempdir().unwrap();
        fs::write(journal(other.path()), &whole[..cut]).unwrap();
        let setup = (other.path(), Setup::default(), End::Killed);
        with_stand(setup, async |stand| {
            let expected = after.iter().rfind(|(length, _)| *length <= cut as u64).unwrap();
            let mut found = stand.list().await;
            if cut < 40 {
                // Before the first decision nothing is held.
                found.queue = expected.1.queue.clone();
            }
            assert_eq!(found, expected.1, "cut at {cut}");
            stand.ask(Hold { reason: Some("goes on".into()) }).await.unwrap();
        });
        let setup = (other.path(), Setup::default(), End::Killed);
        with_stand(setup, async |stand| {
            assert_eq!(stand.list().await.queue.reason, "goes on", "cut at {cut}");
        });
    }
}

#[test]
fn a_journal_that_makes_no_sense_is_not_guessed_at() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    with_stand((path, Setup::default(), End::Killed), async |stand| {
        decisions(stand, path).await;
    });
    let whole = fs::read_to_string(journal(path)).unwrap();
    let check = |text: String, expected: &str| {
        fs::write(journal(path), text).unwrap();
        let error = start_error(path);
        assert!(error.contains("queue.jsonl") && error.contains(expected), "{error}");
    };
    check(whole.replacen("submitted", "submited", 1), "line 2: unknown variant `submited`");
    check(format!("{whole}{whole}"), "line 11: submit ");
    check("{}\n".to_owned(), "line 1: invalid type: map");
    fs::remove_file(journal(path)).unwrap();
    fs::create_dir(journal(path)).unwrap();
    assert!(start_error(path).contains("is no regular file"));
}

/// Why no process can be started on a directory.
fn start_error(path: &Path) -> String {
    use bluefly::process::{DiskChoice, Options, Process};
    use bluefly_actors::{
        clock::Clock,
        random::Seed,
        storage::MemoryDisk,
        supervise::{ChildSpec, Strategy, Supervisor},
        system::simulated_system,
    };
    simulated_system().block_on(async {
        let mut options = Options::new(Clock::simulated(), Seed(1), path.to_owned());
        options.disk = DiskChoice::Memory(MemoryDisk::new());
        options.doors = Some(Box::new(|_| {
            ChildSpec::supervisor("api", || Supervisor::new(Strategy::OneForOne))
        }));
        let process = Process::start(&crate::run::rig::beamline(&[]), options).await;
        process.err().unwrap().to_string()
    })
}

#[test]
fn a_second_process_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    with_stand((path, Setup::default(), End::InOrder), async |stand| {
        stand.ask(Hold::default()).await.unwrap();
        let other = File::options().append(true).open(journal(path)).unwrap();
        assert!(other.try_lock().is_err());
    });
    let other = File::options().append(true).open(journal(path)).unwrap();
    other.try_lock().unwrap();
    assert!(start_error(path).contains("another process has it"));
}

#[test]
fn a_journal_that_somebody_else_changed_is_not_written() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    with_stand((path, Setup::default(), End::InOrder), async |stand| {
        stand.ask(Hold::default()).await.unwrap();
        let before = stand.list().await;
        fs::rename(journal(path), path.join("away")).unwrap();
        let error = stand.ask(Release).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::Failed);
        assert!(error.message.contains("removed, replaced or changed"), "{error}");
        assert_eq!(stand.list().await, before);
        fs::rename(path.join("away"), journal(path)).unwrap();
        assert_eq!(stand.ask(Release).await.unwrap().state, Gate::Open);
    });
}

/// The file does not grow for ever.
#[test]
fn a_journal_is_written_anew_when_it_has_grown() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let before = with_stand((path, Setup::default(), End::Killed), async |stand| {
        let reason = "x".repeat(100_000);
        let uids = stand.submit_lines(1).await;
        stand.until_done().await;
        let mut longest = 0;
        for i in 0..60 {
            let reason = Some(format!("{reason}{i}"));
            stand.ask(Hold { reason }).await.unwrap();
            longest = fs::metadata(journal(path)).unwrap().len().max(longest);
        }
        assert!(longest < 2 << 20, "{longest}");
        assert!(!path.join("queue.jsonl.new").exists());
        stand.assert_history(&uids).await;
        stand.list().await
    });
    with_stand((path, Setup::default(), End::InOrder), async |stand| {
        assert_eq!(stand.list().await, before);
    });
}

#[test]
fn one_seed_leaves_one_journal() {
    let tell = || {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        with_stand((path, Setup::default(), End::InOrder), async |stand| {
            stand.submit_lines(3).await;
            stand.sleep(Duration::from_millis(300)).await;
            stand.process.tree.crash("run_queue", "a test").unwrap();
            let uids = stand.submit_lines(2).await;
            stand.ask(Cancel(uids[0].clone())).await.unwrap();
            stand.until_done().await;
        });
        let read = |name: &str| fs::read_to_string(path.join(name)).unwrap();
        let documents = read("documents.jsonl").replace(path.to_str().unwrap(), "DIR");
        (read("queue.jsonl"), documents)
    };
    let first = tell();
    assert!(first.0.lines().count() >= 14, "{}", first.0);
    for _ in 0..5 {
        assert!(tell() == first, "one seed, two journals");
    }
}

/// The process whose files may not grow.
#[test]
#[ignore = "a process of its own, started by another test"]
fn full() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let unlimited = getrlimit(Resource::Fsize);
    with_stand((path, Setup::default(), End::InOrder), async |stand| {
        stand.ask(Hold::default()).await.unwrap();
        let uids = stand.submit_lines(2).await;
        let length = fs::metadata(journal(path)).unwrap().len();
        let before = (stand.list().await, stand.told());
        // Room for part of a line.
        for room in [0, 1, 20, 200] {
            let limit = Rlimit { current: Some(length + room), maximum: unlimited.maximum };
            setrlimit(Resource::Fsize, limit).unwrap();
            let submit = Submit::new(spec(LINE), BTreeMap::new());
            let error = stand.ask(submit).await.unwrap_err();
            assert_eq!(error.code, ErrorCode::Failed);
            assert!(error.message.contains("queue.jsonl"), "{error}");
            assert_eq!((stand.list().await, stand.told()), before);
            assert_eq!(fs::metadata(journal(path)).unwrap().len(), length);
        }
        let limit = Rlimit { current: Some(length), maximum: unlimited.maximum };
        setrlimit(Resource::Fsize, limit).unwrap();
        assert!(stand.ask(Release).await.is_err());
        setrlimit(Resource::Fsize, unlimited).unwrap();
        stand.ask(Release).await.unwrap();
        stand.until_done().await;
        assert_eq!(stand.states(&uids).await, [RunState::Done; 2]);
    });
    // A run that has ended while the disk was full: that is written once there is room.
    with_stand((path, Setup::default(), End::InOrder), async |stand| {
        let uids = stand.submit_lines(1).await;
        stand.until_running(&uids[0]).await;
        let documents = fs::metadata(&stand.process.documents).unwrap().len();
        let length = fs::metadata(journal(path)).unwrap().len();
        assert!(documents > length);
        let moved = path.join("away");
        fs::rename(journal(path), &moved).unwrap();
        stand.sleep(Duration::from_mins(1)).await;
        assert_eq!(stand.states(&uids).await, [RunState::Running]);
        assert!(stand.process.archive.run(&uids[0]).unwrap().is_some());
        fs::rename(&moved, journal(path)).unwrap();
        stand.until_done().await;
        assert_eq!(stand.states(&uids).await, [RunState::Done]);
        stand.assert_history(&uids).await;
    });
    println!("came to its end");
}

#[test]
fn a_full_disk_changes_nothing() {
    // A write beyond the limit is an error then, and no signal.
    let output = Command::new("sh")
        .args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""])
        .arg(env::current_exe().unwrap())
        .args(["--exact", "--ignored", "--nocapture", "queue::journal::full"])
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(told.contains("came to its end"), "{told}{}", String::from_utf8_lossy(&output.stderr));
}
