//! What devices are, and how they are now.
use super::{FRAMES, ask, done, goes, ms, to};
use crate::run::rig::{GRID, Rig, Setup, name, with_rig};
use bluefly_actors::{
    coordinator::survey::{DEVICES, Survey},
    status::Outcome,
};
use bluefly_protocol::{
    api::{AbortBody, Device, Life, Reply, Request, Terms},
    run::RunPhase,
};
use bluefly_sim::faults::Fault;
use futures_util::future::join_all;
use std::time::Duration;

async fn devices(rig: &Rig) -> Vec<Device> {
    rig.process.beamline.survey().devices(&rig.process.tree.snapshot()).await
}

async fn device(rig: &Rig, name: &str) -> Device {
    let survey = rig.process.beamline.survey();
    survey.device(name, &rig.process.tree.snapshot()).await.unwrap()
}

fn json(device: &Device) -> String {
    serde_json::to_string(device).unwrap()
}

#[test]
fn every_device_is_told_with_what_is_known_of_it() {
    with_rig(Setup::default(), async |rig| {
        goes(rig, "x", 2.5).await;
        let told: Vec<String> = devices(rig).await.iter().map(json).collect();
        let plain = |name: &str, kind: &str| {
            format!(
                r#"{{"name":"{name}","type":"{kind}","provider":"sim://{name}","state":"up","incarnation":1,"restarts":0"#
            )
        };
        let motor = |name: &str, position: &str| {
            let plain = plain(name, "motor");
            format!(
                r#"{plain},"units":"mm","limits":{{"low":-10.0,"high":20.0}},"position":{position},"error":null}}"#
            )
        };
        let detector = |name: &str, shape: &str| {
            let plain = plain(name, "detector");
            format!(r#"{plain},"shape":{shape},"dtype":"uint16","error":null}}"#)
        };
        let expected = [
            detector("camera", "[4,6]"),
            detector("diode", "[1,2]"),
            format!(r#"{},"error":null}}"#, plain("generator", "generator")),
            format!(r#"{},"error":null}}"#, plain("motion", "trajectory_controller")),
            motor("x", "2.5"),
            motor("y", "0.0"),
        ];
        assert_eq!(told, expected);
        let survey = rig.process.beamline.survey();
        assert_eq!(survey.device("z", &rig.process.tree.snapshot()).await, None);
    });
}

#[test]
fn a_motor_is_told_while_it_moves() {
    with_rig(Setup::default(), async |rig| {
        let moving = ask(rig, to("x", 20.0)).await.unwrap();
        rig.sleep(ms(500)).await;
        let position = device(rig, "x").await.position.unwrap();
        assert!((1.0..19.0).contains(&position), "{position}");
        moving.finished().await.unwrap();
        assert_eq!(device(rig, "x").await.position, Some(20.0));
    });
}

#[test]
fn a_dead_device_is_told_as_such_and_delays_nobody() {
    with_rig(Setup::default(), async |rig| {
        let freeze = |device| Fault::Freeze { device: name(device), time: Duration::from_mins(5) };
        rig.process.world.fault(&freeze("x"));
        rig.process.world.fault(&freeze("camera"));
        let gone = Fault::Disconnect { device: name("motion"), time: Duration::from_mins(5) };
        rig.process.world.fault(&gone);
        rig.process.tree.remove("diode").await.unwrap();
        let before = rig.process.clock.now();
        let told = devices(rig).await;
        assert_eq!(rig.process.clock.now() - before, ms(1_000), "one deadline for all");
        let errors: Vec<_> =
            told.iter().map(|device| (device.name.as_str(), device.error.as_deref())).collect();
        let late = |name: &'static str, text: &'static str| (name, Some(text));
        let motion = told[3].error.as_deref().unwrap();
        assert!(
            motion.starts_with("motion: cannot read the frames done: sim://motion:"),
            "{motion}"
        );
        let expected = [
            late("camera", "camera: did not answer in time"),
            late("diode", "diode: is not running"),
            ("generator", None),
            ("motion", Some(motion)),
            late("x", "x: did not answer in time"),
            ("y", None),
        ];
        assert_eq!(errors, expected);
        assert_eq!((told[4].position, told[5].position), (None, Some(0.0)));
        assert_eq!((told[1].state, told[4].state), (Life::Down, Life::Up));
    });
}

#[test]
fn a_survey_is_made_from_any_thread() {
    fn check<T: Send + Sync>() {}
    fn check_future<T: Send>(_: T) {}
    check::<Survey>();
    with_rig(Setup::default(), async |rig| {
        let (survey, tree) = (rig.process.beamline.survey(), rig.process.tree.snapshot());
        check_future(survey.devices(&tree));
        drop(done(rig, super::stop("x")).await);
    });
}

#[test]
fn a_crowd_that_looks_at_the_devices_fails_no_scan() {
    with_rig(Setup::default(), async |rig| {
        rig.ready(GRID).await;
        let status = rig.kickoff().await;
        let mut rounds = 0;
        while status.ended().is_none() {
            let crowd = (0..300).map(|_| rig.process.desk.dispatch(Request::Devices));
            for reply in join_all(crowd).await {
                let Ok(Reply::Devices { devices }) = reply else { panic!("{reply:?}") };
                assert!(devices.iter().all(|device| device.error.is_none()), "{devices:?}");
            }
            rounds += 1;
            rig.sleep(ms(25)).await;
        }
        assert!(rounds > 50, "{rounds} rounds");
        assert_eq!(status.finished().await, Ok(Outcome::Done(FRAMES)));
        assert_eq!(rig.progress().recoveries, 0);
        rig.unstage().await.unwrap();
        rig.assert_complete(GRID, FRAMES);
    });
}

#[test]
fn an_abort_gets_through_however_many_others_ask() {
    with_rig(Setup::default(), async |rig| {
        rig.ready(GRID).await;
        let status = rig.kickoff().await;
        rig.reach(RunPhase::Running).await;
        let crowd = std::iter::repeat_with(|| Request::Pause(Terms::default())).take(300);
        let abort = Request::Abort(AbortBody::default(), Terms::default());
        let asked = crowd.chain([abort]).map(|request| rig.process.desk.dispatch(request));
        let mut replies = join_all(asked).await;
        assert!(matches!(replies.pop(), Some(Ok(Reply::Status(_)))));
        assert!(replies.iter().any(Result::is_err), "the mailbox was never full");
        assert_eq!(status.finished().await, Ok(Outcome::Aborted));
    });
}

#[test]
fn a_request_that_is_not_answered_is_told_of_its_actor() {
    with_rig(Setup::default(), async |rig| {
        let unanswered = || {
            let tree = rig.process.tree.snapshot();
            let devices = tree.children.iter().find(|branch| branch.id == DEVICES).unwrap();
            devices.children.iter().find(|actor| actor.id == "x").unwrap().asked
        };
        rig.process.world.fault(&Fault::Freeze { device: name("x"), time: ms(10_000) });
        let ((), told) = tokio::join!(
            async {
                rig.sleep(ms(500)).await;
                assert_eq!(unanswered(), 1);
            },
            device(rig, "x")
        );
        assert_eq!(told.error.as_deref(), Some("x: did not answer in time"));
        assert_eq!(unanswered(), 0);
    });
}
