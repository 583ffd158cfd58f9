//! What clients ask, through the one desk, on the simulated clock.
use crate::run::rig::{GRID, Rig, Setup, spec, with_rig};
use bluefly_protocol::{
    api::{
        AbortBody, ApiError, AssetRange, Assets, Description, ErrorCode, EventKinds, Life, Reply,
        Request, ResumeBody, SetBody, SpecBody, StageBody, Status, Terms, Wait,
    },
    name::Name,
    run::{RunPhase, StepKind, StepState},
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, fs, time::Duration};

const AT_ONCE: Terms = Terms { wait: Wait::NONE, operation: None };

fn a_minute() -> Wait {
    Wait::at_most(Duration::from_hours(1))
}

fn long() -> Terms {
    a_minute().into()
}

/// Only after the step of this number.
fn after(operation: u64) -> Terms {
    Terms { operation: Some(operation), ..long() }
}

fn stage(metadata: &Value) -> Request {
    let metadata: BTreeMap<String, Value> = serde_json::from_value(metadata.clone()).unwrap();
    Request::Stage(StageBody { metadata }, long())
}

fn prepare(text: &str) -> Request {
    Request::Prepare(SpecBody { spec: spec(text) }, long())
}

async fn ask(rig: &Rig, request: Request) -> Result<Reply, ApiError> {
    rig.process.desk.dispatch(request).await
}

/// The status with which a step is answered.
async fn step(rig: &Rig, request: Request) -> Status {
    match ask(rig, request).await.unwrap() {
        Reply::Status(status) => *status,
        other => panic!("no status: {other:?}"),
    }
}

async fn describe(rig: &Rig) -> Description {
    match ask(rig, Request::Describe).await.unwrap() {
        Reply::Description(description) => *description,
        other => panic!("no description: {other:?}"),
    }
}

async fn assets(rig: &Rig, start: u64, stop: Option<u64>) -> Assets {
    match ask(rig, Request::Assets(AssetRange { start, stop })).await.unwrap() {
        Reply::Assets(assets) => *assets,
        other => panic!("no assets: {other:?}"),
    }
}

async fn ready(rig: &Rig) {
    step(rig, stage(&json!({}))).await;
    step(rig, prepare(GRID)).await;
}

/// Code, place and phase of a refusal.
async fn refusal(rig: &Rig, request: Request) -> (ErrorCode, String, Option<String>) {
    let error = ask(rig, request).await.unwrap_err();
    (error.code, error.place, error.phase)
}

#[test]
fn a_run_is_taken_through_its_steps() {
    with_rig(Setup::default(), async |rig| {
        let idle = rig.process.desk.status();
        assert_eq!((idle.revision, idle.progress.operation), (0, None));
        let mut revision = 0;
        let mut expect = |status: Status, phase, request, state| {
            assert!(status.revision > revision, "{} after {revision}", status.revision);
            revision = status.revision;
            assert_eq!(status.instance, idle.instance);
            let operation = status.progress.operation.unwrap();
            assert_eq!(
                (status.progress.phase, operation.request, operation.state, operation.error),
                (phase, request, state, None)
            );
        };
        let (done, flight) = (StepState::Done, StepKind::Kickoff);
        let sample = stage(&json!({"sample": "a"}));
        expect(step(rig, sample).await, RunPhase::Staged, StepKind::Stage, done);
        expect(step(rig, prepare(GRID)).await, RunPhase::Ready, StepKind::Prepare, done);
        let begun = step(rig, Request::Kickoff(AT_ONCE)).await;
        expect(begun, RunPhase::Starting, flight, StepState::Running);
        let paused = step(rig, Request::Pause(long())).await;
        expect(paused, RunPhase::Paused, flight, StepState::Paused);
        let resume = Request::Resume(ResumeBody::default(), long());
        expect(step(rig, resume).await, RunPhase::Completed, flight, done);
        let unstaged = step(rig, Request::Unstage(long())).await;
        let end = unstaged.progress.ended.clone().unwrap();
        expect(unstaged, RunPhase::Idle, StepKind::Unstage, done);
        rig.assert_complete(GRID, 40);
        let documents = rig.documents();
        assert_eq!(documents[0].1["sample"], "a");
        assert_eq!(documents[0].1["uid"], end.run);
        assert_eq!((end.num_frames, end.reason.as_str()), (40, ""));
    });
}

#[test]
fn a_refusal_names_the_phase_and_an_error_the_place() {
    with_rig(Setup::default(), async |rig| {
        let refused = |phase: &str| {
            (ErrorCode::Refused, "scan_coordinator".to_owned(), Some(phase.to_owned()))
        };
        let invalid = |place: &str| (ErrorCode::Invalid, place.to_owned(), None);
        assert_eq!(refusal(rig, Request::Pause(AT_ONCE)).await, refused("idle"));
        assert_eq!(refusal(rig, Request::Describe).await, refused("idle"));
        let data = Request::Assets(AssetRange::default());
        assert_eq!(refusal(rig, data.clone()).await, refused("idle"));
        for metadata in [json!({"uid": "mine"}), json!({"a.b": 1}), json!({"motors": []})] {
            assert_eq!(refusal(rig, stage(&metadata)).await, invalid("metadata"), "{metadata}");
        }
        step(rig, stage(&json!({}))).await;
        assert_eq!(refusal(rig, Request::Kickoff(AT_ONCE)).await, refused("staged"));
        let far = GRID.replace("\"stop\": 9", "\"stop\": 90");
        assert_eq!(refusal(rig, prepare(&far)).await, invalid("$.spec.spec.inner.spec.axis"));
        let failed = rig.process.desk.status().progress;
        let operation = failed.operation.unwrap();
        assert_eq!((failed.phase, operation.state), (RunPhase::Staged, StepState::Failed));
        assert_eq!(operation.error.unwrap().place, "$.spec.spec.inner.spec.axis");
        step(rig, prepare(GRID)).await;
        assert_eq!(refusal(rig, data).await, refused("ready"));
    });
}

#[test]
fn who_asks_since_a_revision_waits_for_the_next() {
    with_rig(Setup::default(), async |rig| {
        let clock = &rig.process.clock;
        let since = |since, wait| Request::Status { since: Some(since), wait };
        let before = clock.now();
        let wait = Wait::at_most(Duration::from_secs(20));
        assert_eq!(step(rig, since(0, wait)).await.revision, 0);
        assert_eq!(clock.now() - before, Duration::from_secs(20));
        assert_eq!(step(rig, since(u64::MAX, wait)).await.revision, 0);
        let (status, staged) =
            futures_util::join!(step(rig, since(0, wait)), step(rig, stage(&json!({}))));
        assert_eq!(clock.now() - before, Duration::from_secs(20));
        assert!((1..=staged.revision).contains(&status.revision), "{}", status.revision);
    });
}

#[test]
fn a_description_is_what_documents_will_say() {
    with_rig(Setup::default(), async |rig| {
        ready(rig).await;
        let before = describe(rig).await;
        assert_eq!((before.num_frames, before.run.as_deref()), (40, None));
        step(rig, Request::Kickoff(long())).await;
        let after = describe(rig).await;
        let documents = rig.documents();
        let find = |wanted: &str| {
            let found = documents.iter().find(|(name, _)| name == wanted);
            found.map(|(_, document)| document.clone()).unwrap()
        };
        let (start, descriptor) = (find("start"), find("descriptor"));
        assert_eq!(after, Description { run: after.run.clone(), ..before });
        assert_eq!(start["uid"], json!(after.run));
        assert_eq!(start["shape"], json!(after.shape));
        assert_eq!(start["hints"]["dimensions"], json!(after.dimensions));
        assert_eq!(descriptor["name"], after.stream);
        assert_eq!(descriptor["data_keys"], json!(after.data_keys));
        assert_eq!(descriptor["hints"], json!(after.hints));
        assert_eq!(descriptor["configuration"], json!(after.configuration));
        let resources = documents.iter().filter(|(name, _)| name == "stream_resource");
        let resources: Vec<Value> = resources.map(|(_, document)| document.clone()).collect();
        assert_eq!(json!(assets(rig, 0, None).await.resources), json!(resources));
    });
}

#[test]
fn rows_that_were_told_of_are_never_taken_back() {
    with_rig(
        Setup { edits: vec![("period = \"1 s\"", "period = \"200 ms\"")], ..Setup::default() },
        async |rig| {
            ready(rig).await;
            let flight = rig.kickoff().await;
            rig.reach(RunPhase::Running).await;
            let mut rows = 0;
            for resumes in 0.. {
                while flight.ended().is_none() && assets(rig, 0, None).await.rows < rows + 8 {
                    rig.sleep(Duration::from_millis(50)).await;
                }
                let told = assets(rig, 0, None).await;
                assert!(told.rows >= rows, "{} after {rows}", told.rows);
                rows = told.rows;
                assert_eq!((told.start, told.stop), (0, rows));
                if flight.ended().is_some() {
                    assert!(resumes > 1, "{resumes} pauses");
                    break;
                }
                step(rig, Request::Pause(long())).await;
                step(rig, Request::Resume(ResumeBody::default(), AT_ONCE)).await;
            }
            assert_eq!(rows, 40);
            let all = assets(rig, 0, None).await.events;
            let pages = rig.documents().into_iter().filter(|(name, _)| name == "event_page");
            let pages: Vec<Value> = pages.map(|(_, page)| page).collect();
            let documented = |column: fn(&Value) -> &Value| -> Vec<Value> {
                pages.iter().flat_map(|page| column(page).as_array().unwrap().clone()).collect()
            };
            assert_eq!(json!(all.time), json!(documented(|page| &page["time"])));
            assert_eq!(json!(all.data["x"]), json!(documented(|page| &page["data"]["x"])));
            let totals = documented(|page| &page["data"]["camera_total"]);
            assert_eq!(json!(all.data["camera_total"]), json!(totals));
            let stamps = documented(|page| &page["timestamps"]["y"]);
            assert_eq!(json!(all.timestamps["y"]), json!(stamps));
            let part = assets(rig, 7, Some(9)).await;
            assert_eq!(part.events.data["x"], all.data["x"][7..9]);
            assert_eq!((part.start, part.stop, part.rows), (7, 9, 40));
            let beyond = assets(rig, 50, Some(60)).await;
            assert_eq!((beyond.start, beyond.stop), (40, 40));
            step(rig, Request::Unstage(long())).await;
            assert_eq!(assets(rig, 0, None).await.rows, 40);
            // Also once the next run is staged, until it begins.
            ready(rig).await;
            assert_eq!(assets(rig, 0, None).await.rows, 40);
        },
    );
}

#[test]
fn an_abort_tells_its_reason_and_ends_the_flight() {
    with_rig(Setup::default(), async |rig| {
        ready(rig).await;
        step(rig, Request::Kickoff(AT_ONCE)).await;
        rig.reach(RunPhase::Running).await;
        let abort = Request::Abort(AbortBody { reason: Some("no beam".to_owned()) }, long());
        let status = step(rig, abort).await;
        let (end, operation) = (status.progress.ended.unwrap(), status.progress.operation.unwrap());
        assert_eq!(json!(end.exit_status), "abort");
        assert_eq!((end.reason.as_str(), status.progress.phase), ("no beam", RunPhase::Idle));
        assert_eq!((operation.request, operation.state), (StepKind::Kickoff, StepState::Aborted));
        assert_eq!(rig.stop_document()["reason"], "no beam");
        rig.assert_safe();
    });
}

#[test]
fn a_reason_of_megabytes_stood_in_every_status() {
    with_rig(Setup::default(), async |rig| {
        let abort = |length: usize| {
            let reason = Some("é".repeat(length));
            Request::Abort(AbortBody { reason }, long())
        };
        assert_eq!(
            refusal(rig, abort(1_001)).await,
            (ErrorCode::Invalid, "reason".to_owned(), None)
        );
        step(rig, abort(1_000)).await;
    });
}

#[test]
fn the_feed_has_every_document_that_is_in_the_file() {
    with_rig(Setup::default(), async |rig| {
        let mut listener = rig.process.desk.feed().listen(None);
        rig.run(GRID).await.unwrap();
        let told = listener.take(EventKinds::ALL, usize::MAX);
        let uid = rig.documents()[0].1["uid"].clone();
        let events: Vec<Value> =
            told.texts.iter().map(|text| serde_json::from_str(text).unwrap()).collect();
        let file = fs::read_to_string(&rig.process.documents).unwrap();
        let lines: Vec<Value> = file
            .lines()
            .zip(1..)
            .map(|(line, seq)| {
                let line: Value = serde_json::from_str(line).unwrap();
                json!({"event": "document", "seq": seq, "run": uid, "name": line["name"], "doc": line["doc"]})
            })
            .collect();
        assert_eq!(events, lines);
    });
}

#[test]
fn devices_are_looked_at_and_operated() {
    with_rig(Setup::default(), async |rig| {
        let report = |reply: Result<Reply, ApiError>| match reply.unwrap() {
            Reply::DeviceReport(report) => (report.state, report.value),
            other => panic!("no report: {other:?}"),
        };
        let x: Name = "x".parse().unwrap();
        let set = |value, wait| Request::Set(x.clone(), SetBody { value }, wait);
        assert_eq!(report(ask(rig, set(3.5, a_minute())).await), (StepState::Done, Some(3.5)));
        let camera = Request::Trigger("camera".parse().unwrap(), a_minute());
        let (state, total) = report(ask(rig, camera).await);
        assert!(state == StepState::Done && total > Some(0.0), "{total:?}");
        assert_eq!(refusal(rig, set(100.0, a_minute())).await.0, ErrorCode::Invalid);
        let nobody = Request::StopDevice("nobody".parse().unwrap(), Wait::NONE);
        assert_eq!(refusal(rig, nobody).await.0, ErrorCode::NotFound);
        let Reply::Devices { devices } = ask(rig, Request::Devices).await.unwrap() else {
            panic!()
        };
        let names: Vec<&str> = devices.iter().map(|device| device.name.as_str()).collect();
        assert_eq!(names, ["camera", "diode", "generator", "motion", "x", "y"]);
        assert_eq!((devices[4].position, devices[4].state), (Some(3.5), Life::Up));
        ready(rig).await;
        step(rig, Request::Kickoff(AT_ONCE)).await;
        rig.reach(RunPhase::Running).await;
        let refused = refusal(rig, set(0.0, Wait::NONE)).await;
        assert_eq!(refused, (ErrorCode::Refused, "x".to_owned(), Some("running".to_owned())));
    });
}

#[test]
fn a_process_that_shuts_down_begins_nothing_but_ends_what_there_is() {
    with_rig(Setup::default(), async |rig| {
        assert_eq!(rig.process.desk.readiness().await, Ok(()));
        ready(rig).await;
        rig.process.desk.begin_shutdown();
        assert!(rig.process.desk.readiness().await.is_err());
        let unavailable = (ErrorCode::Unavailable, "process".to_owned(), None);
        assert_eq!(refusal(rig, Request::Kickoff(AT_ONCE)).await, unavailable);
        assert_eq!(step(rig, Request::Unstage(long())).await.progress.phase, RunPhase::Idle);
    });
}

#[test]
fn a_coordinator_that_crashed_is_told_of() {
    with_rig(Setup::default(), async |rig| {
        ready(rig).await;
        step(rig, Request::Kickoff(AT_ONCE)).await;
        rig.reach(RunPhase::Running).await;
        let before = rig.process.desk.status().progress.operation.unwrap();
        rig.process.tree.crash("scan_coordinator", "a test").unwrap();
        let error = ask(rig, Request::Pause(AT_ONCE)).await.unwrap_err();
        assert_eq!(
            (error.code, error.device.as_deref()),
            (ErrorCode::Unavailable, Some("scan_coordinator"))
        );
        let unready = rig.process.desk.readiness().await.unwrap_err();
        assert_eq!(unready.reason, "scan_coordinator: is not up");
        rig.reach(RunPhase::Idle).await;
        let progress = rig.process.desk.status().progress;
        let operation = progress.operation.unwrap();
        assert_eq!((operation.number, operation.request), (before.number + 1, StepKind::Recover));
        let end = progress.ended.unwrap();
        assert_eq!(json!(end.exit_status), "fail");
        assert!(end.reason.contains("crashed"), "{}", end.reason);
    });
}

/// The number of the step that was begun last.
fn number(rig: &Rig) -> u64 {
    rig.process.desk.status().progress.operation.map_or(0, |operation| operation.number)
}

/// How the step is refused that another one came before.
async fn overtaken(rig: &Rig, request: Request) -> String {
    let before = number(rig);
    let error = ask(rig, request).await.unwrap_err();
    assert_eq!((error.code, error.place.as_str()), (ErrorCode::Refused, "scan_coordinator"));
    assert_eq!(error.phase, Some(rig.process.desk.status().progress.phase.to_string()));
    assert_eq!(number(rig), before, "nothing was changed");
    error.message
}

#[test]
fn who_does_not_know_the_last_step_is_refused_every_request() {
    with_rig(Setup::default(), async |rig| {
        let stage = |terms| Request::Stage(StageBody::default(), terms);
        assert_eq!(
            overtaken(rig, stage(after(1))).await,
            "cannot stage: no step was begun yet, nor number 1"
        );
        step(rig, stage(after(0))).await;
        step(rig, Request::Prepare(SpecBody { spec: spec(GRID) }, after(1))).await;
        step(rig, Request::Kickoff(Terms { operation: Some(2), ..AT_ONCE })).await;
        let others = Wait::NONE;
        for (known, meanwhile) in [
            (1, "another step was begun meanwhile: kickoff, number 3, not 1"),
            (5, "the last step is another one: kickoff, number 3, not 5"),
        ] {
            let terms = Terms { wait: others, operation: Some(known) };
            for (name, request) in [
                ("stage", stage(terms)),
                ("prepare", Request::Prepare(SpecBody { spec: spec(GRID) }, terms)),
                ("kick off", Request::Kickoff(terms)),
                ("pause", Request::Pause(terms)),
                ("resume", Request::Resume(ResumeBody::default(), terms)),
                ("abort", Request::Abort(AbortBody::default(), terms)),
                ("stop", Request::Stop(terms)),
                ("unstage", Request::Unstage(terms)),
            ] {
                assert_eq!(overtaken(rig, request).await, format!("cannot {name}: {meanwhile}"));
            }
        }
        rig.reach(RunPhase::Running).await;
        assert_eq!(step(rig, Request::Pause(after(3))).await.progress.phase, RunPhase::Paused);
        step(rig, Request::Resume(ResumeBody::default(), after(3))).await;
        step(rig, Request::Unstage(after(3))).await;
        rig.assert_complete(GRID, 40);
    });
}

#[test]
fn a_step_whose_answer_was_lost_is_not_begun_twice() {
    with_rig(Setup::default(), async |rig| {
        let repeated = async |request: Request, number_then| {
            let first = step(rig, request.clone()).await;
            let again = step(rig, request).await;
            assert_eq!(first, again);
            assert_eq!(number(rig), number_then);
        };
        let stage = |sample: &str| {
            let metadata = BTreeMap::from([("sample".to_owned(), json!(sample))]);
            Request::Stage(StageBody { metadata }, after(0))
        };
        let prepare = |text: &str| Request::Prepare(SpecBody { spec: spec(text) }, after(1));
        repeated(stage("a"), 1).await;
        // What somebody else began is no repetition.
        assert!(overtaken(rig, stage("b")).await.ends_with("stage, number 1, not 0"));
        repeated(prepare(GRID), 2).await;
        let other = prepare(&GRID.replace("\"stop\": 9", "\"stop\": 8"));
        assert!(overtaken(rig, other).await.ends_with("prepare, number 2, not 1"));
        repeated(Request::Kickoff(after(2)), 3).await;
        repeated(Request::Unstage(after(3)), 4).await;
        // Whoever ended it: it is over.
        repeated(Request::Abort(AbortBody::default(), after(3)), 4).await;
        repeated(Request::Stop(after(3)), 4).await;
        rig.assert_complete(GRID, 40);
        assert_eq!(rig.documents().iter().filter(|(name, _)| name == "start").count(), 1);
    });
}

#[test]
fn an_abort_that_is_repeated_does_not_hit_what_began_since_then() {
    with_rig(Setup::default(), async |rig| {
        ready(rig).await;
        step(rig, Request::Kickoff(AT_ONCE)).await;
        rig.reach(RunPhase::Running).await;
        let flight = number(rig);
        let abort = || Request::Abort(AbortBody::default(), after(flight));
        step(rig, abort()).await;
        step(rig, stage(&json!({}))).await;
        assert!(overtaken(rig, abort()).await.ends_with("stage, number 4, not 3"));
        assert_eq!(rig.process.desk.status().progress.phase, RunPhase::Staged);
    });
}

#[test]
fn of_two_who_begin_after_the_same_step_one_is_refused() {
    with_rig(Setup::default(), async |rig| {
        let stage = |sample: &str| {
            let metadata = BTreeMap::from([("sample".to_owned(), json!(sample))]);
            ask(rig, Request::Stage(StageBody { metadata }, after(0)))
        };
        let (first, second) = futures_util::join!(stage("a"), stage("b"));
        assert!(first.is_ok());
        let message = second.unwrap_err().message;
        assert_eq!(
            message,
            "cannot stage: another step was begun meanwhile: stage, number 1, not 0"
        );
    });
}

#[test]
fn a_step_that_failed_may_be_tried_again() {
    with_rig(Setup::default(), async |rig| {
        step(rig, stage(&json!({}))).await;
        let far = GRID.replace("\"stop\": 9", "\"stop\": 90");
        let prepare = || Request::Prepare(SpecBody { spec: spec(&far) }, after(1));
        assert_eq!(refusal(rig, prepare()).await.0, ErrorCode::Invalid);
        assert_eq!(refusal(rig, prepare()).await.0, ErrorCode::Invalid);
        assert_eq!(number(rig), 3);
    });
}

#[test]
fn a_run_whose_end_cannot_be_documented_is_over_all_the_same() {
    with_rig(Setup::default(), async |rig| {
        ready(rig).await;
        step(rig, Request::Kickoff(long())).await;
        // Somebody else writes the file.
        fs::write(&rig.process.documents, "").unwrap();
        assert_eq!(refusal(rig, Request::Unstage(long())).await.0, ErrorCode::Failed);
        let end = rig.process.desk.status().progress.ended.unwrap();
        assert_eq!((json!(end.exit_status), end.num_frames), (json!("fail"), 40));
        step(rig, stage(&json!({}))).await;
        assert_eq!(assets(rig, 0, None).await.rows, 40);
        let camera = Request::Trigger("camera".parse().unwrap(), a_minute());
        assert!(ask(rig, camera).await.is_ok());
    });
}
