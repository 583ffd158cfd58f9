//! Requests that mean nothing: what is wrong, and where.
use super::{client::Client, house::House};

fn check(
    client: &mut Client,
    request: &str,
    body: Option<&str>,
    expected: (u16, &str, &str, &str),
) {
    let (method, path) = request.split_once(' ').unwrap();
    let answer = client.request(method, path, body);
    let (status, code, place, message) = answer.error();
    assert_eq!((status, &*code, &*place, &*message), expected, "{request} {body:?}");
    assert_eq!(answer.headers["content-type"], "application/json", "{request}");
    assert_eq!(answer.headers["x-content-type-options"], "nosniff", "{request}");
    assert_eq!(answer.headers["cache-control"], "no-store", "{request}");
}

#[test]
fn unknown_paths_and_methods_are_refused_as_json() {
    let house = House::open();
    let mut client = house.client();
    let mut unknown = |path: &str| {
        let expected = (404, "not_found", path, "is no path of this server");
        check(&mut client, &format!("GET {path}"), None, expected);
    };
    unknown("/api/v1/nothing");
    unknown("/api/v2/status");
    unknown("/api/v1/status/");
    unknown("/api/v1/runs/");
    unknown("/api/v1/devices/x/jump");
    unknown("/favicon.ico");
    let mut not_allowed = |request: &str, allowed: &str| {
        let (method, path) = request.split_once(' ').unwrap();
        let message = format!("{method} is not allowed, but {allowed}");
        check(&mut client, request, None, (405, "method_not_allowed", path, &message));
        assert_eq!(client.request(method, path, None).headers["allow"], allowed);
    };
    not_allowed("POST /api/v1/status", "GET, HEAD");
    not_allowed("GET /api/v1/stage", "POST");
    not_allowed("PUT /api/v1/runs", "GET, HEAD, POST");
    not_allowed("PATCH /api/v1/runs/1", "GET, HEAD, DELETE");
    not_allowed("OPTIONS /api/v1/abort", "POST");
    not_allowed("BREW /healthz", "GET, HEAD");
}

#[test]
fn broken_json_is_refused_with_line_and_column() {
    let house = House::open();
    let mut client = house.client();
    let mut broken = |body: &str, message: &str| {
        let message = format!("is no JSON: {message}");
        check(
            &mut client,
            "POST /api/v1/abort",
            Some(body),
            (400, "bad_request", "body", &message),
        );
    };
    broken("{", "line 1, column 1: ends too early");
    broken("{\n \"reason\": tru }", "line 2, column 15: expected ident");
    broken("{} {}", "line 1, column 4: trailing characters");
    broken("\u{feff}{}", "line 1, column 1: expected value");
    broken(&"[".repeat(10_000), "line 1, column 128: recursion limit exceeded");
    broken("{\"a\": 1e999}", "line 1, column 11: number out of range");
}

#[test]
fn unknown_fields_and_wrong_values_are_refused_with_their_place() {
    let house = House::open();
    let mut client = house.client();
    let mut invalid = |path: &str, body: &str, place: &str, message: &str| {
        let request = format!("POST /api/v1/{path}");
        check(&mut client, &request, Some(body), (422, "invalid", place, message));
    };
    let known = "unknown field `cause`, expected `reason`";
    invalid("abort", r#"{"cause": "x"}"#, "cause", known);
    invalid("abort", r#"{"reason": 1}"#, "reason", "invalid type: integer `1`, expected a string");
    invalid("abort", r#"["why"]"#, "body", "is no object");
    invalid("abort", "null", "body", "is no object");
    let message = "-1 is no whole number of 0 or more";
    invalid("resume", r#"{"retake": -1}"#, "retake", message);
    invalid("kickoff", r#"{"now": true}"#, "now", "unknown field `now`, there are no fields");
    invalid("devices/x/set", "{}", "body", "missing field `value`");
    let answer = client.post("/api/v1/prepare", None).error();
    assert_eq!((answer.0, &*answer.2), (422, "$.type"), "{}", answer.3);
    let answer = client.post("/api/v1/prepare", Some("[]")).error();
    assert_eq!((answer.0, &*answer.2), (422, "$"), "{}", answer.3);
    let spec = r#"{"type": "Linspace", "axis": "x", "start": "a", "stop": 1, "num": 3}"#;
    let answer = client.post("/api/v1/prepare", Some(spec)).error();
    assert_eq!((answer.0, &*answer.2), (422, "$.start"), "{}", answer.3);
}

#[test]
fn parameters_that_mean_nothing_are_refused() {
    let house = House::open();
    let mut client = house.client();
    let mut bad = |request: &str, message: &str| {
        check(&mut client, request, None, (400, "bad_request", "query", message));
    };
    bad("GET /api/v1/status?sinze=1", "unknown field `sinze`, expected `since` or `timeout`");
    bad("GET /api/v1/status?since=-1", "invalid digit found in string");
    bad("GET /api/v1/status?timeout=soon", "\"soon\" is no number of seconds");
    bad("GET /api/v1/status?timeout=NaN", "\"NaN\" is no number of seconds");
    bad("POST /api/v1/stage?wait=-1", "\"-1\" is no number of seconds");
    bad("POST /api/v1/stage?wait=1&wait=2", "duplicate field `wait`");
    bad("GET /api/v1/assets?start=5&stop=3", "stop 3 is before start 5");
    bad("GET /api/v1/devices?all=1", "unknown field `all`, there are no fields");
    let kinds = "\"birth\" is no kind of event: document, tree, queue, progress";
    let mut client = house.client();
    let answer = client.get("/api/v1/events?kinds=birth").error();
    assert_eq!(answer, (400, "bad_request".into(), "query".into(), kinds.into()));
}

#[test]
fn a_body_that_is_not_declared_to_be_json_is_refused() {
    let house = House::open();
    let mut client = house.client();
    let mut send = |kind: &str, body: &str| {
        let (host, length) = (house.address, body.len());
        client.send(format!(
            "POST /api/v1/abort HTTP/1.1\r\nhost: {host}\r\n{kind}content-length: {length}\r\n\r\n{body}"
        ));
        let answer = client.answer("POST");
        if answer.status == 202 {
            (202, String::new(), String::new())
        } else {
            let (status, _, place, message) = answer.error();
            (status, place, message)
        }
    };
    let refused = |place: &str, message: &str| (415, place.to_owned(), message.to_owned());
    let message = "is \"text/plain\", and must be \"application/json\"";
    assert_eq!(send("content-type: text/plain\r\n", "{}"), refused("content-type", message));
    let message = "is \"\", and must be \"application/json\"";
    assert_eq!(send("", "{}"), refused("content-type", message));
    let message = "is not understood: bodies are not compressed";
    let gzip = "content-type: application/json\r\ncontent-encoding: gzip\r\n";
    assert_eq!(send(gzip, "{}"), refused("content-encoding", message));
    assert_eq!(send("content-type: application/json; charset=utf-8\r\n", "{}").0, 202);
    assert_eq!(send("content-type: text/plain\r\n", "").0, 202);
}
