//! Clients who get into each other's way.
use super::{
    client::Client,
    house::{House, LINE},
};
use bluefly_actors::front::http::{HttpConfig, Limits};
use std::thread;

const TIMES: usize = 10_000;
/// Requests that are on their way at once.
const AT_ONCE: usize = 50;

/// Asks for `step` again and again: how often it was done, and how often refused.
fn again_and_again(mut client: Client, host: &str, step: &str) -> (usize, usize) {
    let request = format!("POST /api/v1/{step} HTTP/1.1\r\nhost: {host}\r\n\r\n");
    let (mut done, mut refused) = (0, 0);
    for _ in 0..TIMES / AT_ONCE {
        client.send(request.repeat(AT_ONCE));
        for _ in 0..AT_ONCE {
            let answer = client.answer("POST");
            match answer.status {
                202 => done += 1,
                409 => {
                    let (_, code, place, message) = answer.error();
                    assert_eq!((&*code, &*place), ("refused", "scan_coordinator"), "{message}");
                    let phase = answer.json()["error"]["phase"].as_str().unwrap().to_owned();
                    assert_eq!(message, format!("cannot {step} while {phase}"));
                    refused += 1;
                }
                _ => panic!("{answer:?}"),
            }
        }
    }
    (done, refused)
}

#[test]
fn two_clients_may_stage_and_abort_as_often_as_they_like() {
    let limits = Limits { rate: None, ..Limits::default() };
    let house = House::with(HttpConfig { limits, ..HttpConfig::default() });
    let host = house.address.to_string();
    thread::scope(|scope| {
        let spawn = |step: &'static str| {
            let (client, host) = (house.client(), host.clone());
            scope.spawn(move || again_and_again(client, &host, step))
        };
        let (stage, abort) = (spawn("stage"), spawn("abort"));
        let (staged, refused) = stage.join().unwrap();
        assert_eq!(staged + refused, TIMES);
        assert!(staged > 0, "never staged");
        // Legal in every phase, twice, and while something else is under way.
        assert_eq!(abort.join().unwrap(), (TIMES, 0));
    });
    let mut client = house.client();
    assert_eq!(client.step("abort", None)["phase"], "idle");
    let tree = client.get("/api/v1/tree");
    assert!(!tree.text().contains("panicked"), "{}", tree.text());
    assert!(client.get("/metrics").text().contains("\nbluefly_http_requests_in_flight 1"));
    // The beamline is as it was.
    client.step("stage", None);
    client.step("prepare", Some(LINE));
    assert_eq!(client.step("kickoff", None)["frames_done"], 10);
    assert_eq!(client.step("unstage", None)["ended"]["exit_status"], "success");
    house.close();
}

#[test]
fn one_of_two_who_kick_off_begins_the_flight_and_both_may_follow_it() {
    let house = House::open();
    let mut client = house.client();
    client.step("stage", None);
    client.step("prepare", Some(LINE));
    let ends = thread::scope(|scope| {
        let kickoff = || {
            let mut client = house.client();
            scope.spawn(move || client.step("kickoff", None))
        };
        [kickoff(), kickoff()].map(|end| end.join().unwrap())
    });
    for end in &ends {
        assert_eq!((&end["frames_done"], &end["recoveries"]), (&10.into(), &0.into()));
    }
    assert_eq!(ends[0]["run"], ends[1]["run"]);
}
