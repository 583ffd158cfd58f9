//! Who is let in.
use super::{client::Answer, house::House};
use bluefly_actors::clock::Clock;
use bluefly_actors::front::http::{HttpConfig, Limits, Rate, Token};
use std::time::Duration;

fn ask(house: &House, path: &str, headers: &str) -> Answer {
    let mut client = house.client();
    client.send(format!("GET {path} HTTP/1.1\r\n{headers}\r\n"));
    client.answer("GET")
}

#[test]
fn who_has_no_token_gets_nowhere() {
    let token = Some(Token::new("sesame"));
    let house = House::with(HttpConfig { token, ..HttpConfig::default() });
    let check = |path: &str, headers: &str, status: u16| {
        let answer = ask(&house, path, &format!("host: beamline.example\r\n{headers}"));
        assert_eq!(answer.status, status, "{path} {headers:?} {answer:?}");
        if status == 401 {
            assert_eq!(answer.headers["www-authenticate"], "Bearer");
            assert_eq!(answer.error().1, "unauthorized");
        }
    };
    for path in ["/api/v1/status", "/api/v1/events", "/api/v1/nothing", "/metrics", "/openapi.json"]
    {
        check(path, "", 401);
        check(path, "authorization: Bearer sesamy\r\n", 401);
        check(path, "authorization: Basic c2VzYW1l\r\n", 401);
    }
    check("/api/v1/status?token=sesame", "", 401);
    check("/api/v1/status", "authorization: Bearer sesame\r\n", 200);
    check("/api/v1/nothing", "authorization: bearer sesame\r\n", 404);
    check("/metrics", "authorization: Bearer sesame\r\n", 200);
    for path in ["/healthz", "/readyz", "/"] {
        check(path, "", 200);
    }
}

#[test]
fn pages_of_others_are_kept_out() {
    let house = House::with(HttpConfig { names: vec!["bl.lab".into()], ..HttpConfig::default() });
    let own = house.address;
    let check = |host: &str, origin: &str, expected: u16| {
        let origin =
            if origin.is_empty() { String::new() } else { format!("origin: {origin}\r\n") };
        for path in ["/api/v1/status", "/", "/healthz"] {
            let answer = ask(&house, path, &format!("host: {host}\r\n{origin}"));
            assert_eq!(answer.status, expected, "{path} {host} {origin:?} {answer:?}");
            // Nothing is ever allowed to pages of others.
            assert!(answer.headers.keys().all(|name| !name.starts_with("access-control")));
        }
    };
    check(&own.to_string(), "", 200);
    check(&own.to_string(), &format!("http://{own}"), 200);
    check("localhost:1", "http://localhost:1", 200);
    check("bl.lab", "", 200);
    check(&own.to_string(), "http://evil.example", 403);
    check(&own.to_string(), "null", 403);
    check(&own.to_string(), "file://", 403);
    // The name of an evil page that was made to lead here.
    check("evil.example", "", 403);
    check("evil.example", "http://evil.example", 403);
    assert_eq!(ask(&house, "/api/v1/status", "").status, 400);
}

#[test]
fn who_asks_too_often_is_told_when_to_come_again() {
    let rate = Some(Rate { burst: 3, per_second: 0.01 });
    let limits = Limits { rate, ..Limits::default() };
    let house = House::with(HttpConfig { limits, ..HttpConfig::default() });
    let mut client = house.client();
    for _ in 0..3 {
        assert_eq!(client.get("/api/v1/status").status, 200);
    }
    let answer = client.get("/api/v1/status");
    assert_eq!((answer.status, answer.error().1.as_str()), (429, "too_many_requests"));
    let again: u64 = answer.headers["retry-after"].parse().unwrap();
    assert!((90..=100).contains(&again), "{again} s");
    // Another connection is no other address.
    assert_eq!(house.client().get("/api/v1/devices").status, 429);
    assert_eq!(house.client().get("/healthz").status, 200);
}

#[test]
fn who_is_not_let_in_keeps_no_connection() {
    let limits = Limits { rate: Some(Rate { burst: 2, per_second: 0.01 }), ..Limits::default() };
    let token = Some(Token::new("sesame"));
    let house = House::with(HttpConfig { token, limits, ..HttpConfig::default() });
    let check = |headers: &str, status: u16| {
        let mut client = house.client();
        client.headers = headers.to_owned();
        let answer = client.get("/api/v1/status");
        assert_eq!(answer.status, status);
        assert_eq!(answer.headers["connection"], "close");
        assert_eq!(client.rest(), b"");
    };
    check("", 401);
    check("origin: http://evil.example\r\n", 403);
    check("", 429);
}

#[test]
fn one_address_cannot_take_every_connection() {
    let limits = Limits { max_connections: 16, ..Limits::default() };
    let house = House::with(HttpConfig { limits, ..HttpConfig::default() });
    let mut guests: Vec<_> = (0..8).map(|_| house.client()).collect();
    for guest in &mut guests {
        assert_eq!(guest.get("/healthz").status, 200);
    }
    let mut late = house.client();
    let expected = (429, "too_many_requests".into(), "127.0.0.1".into());
    let (status, code, place, message) = late.get("/healthz").error();
    assert_eq!((status, code, place), expected);
    assert_eq!(message, "has more than 8 connections");
    assert_eq!(late.rest(), b"");
    // Those that are there are served, and a place that is free is taken.
    assert_eq!(guests[0].get("/api/v1/status").status, 200);
    guests.pop();
    let clock = Clock::real();
    let until = clock.now() + Duration::from_mins(1);
    while house.client().get("/healthz").status != 200 {
        assert!(clock.now() < until, "no place is free");
    }
}
