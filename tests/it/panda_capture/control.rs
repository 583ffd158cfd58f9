//! The control port: refusals are tried again, silence and endings are named.
use super::real;
use bluefly_actors::{
    backend::panda::{Address, Control, ControlFault},
    clock::Clock,
};
use bluefly_protocol::panda::control::{Command, Reply};
use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    thread::JoinHandle,
    time::Duration,
};

/// A control port that answers with `replies`, one for each line; closes then. Gives the lines.
pub(super) fn serve(replies: Vec<&'static str>) -> (u16, JoinHandle<Vec<String>>) {
    serve_and_tell(replies, |_| ())
}

/// The same; `told` hears of each line before it is answered.
pub(super) fn serve_and_tell(
    replies: Vec<&'static str>,
    told: impl Fn(&str) + Send + 'static,
) -> (u16, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let lines = BufReader::new(socket.try_clone().unwrap()).lines();
        let answer = |(reply, line): (&str, std::io::Result<String>)| {
            let line = line.unwrap();
            told(&line);
            socket.write_all(reply.as_bytes()).unwrap();
            line
        };
        replies.into_iter().zip(lines).map(answer).collect()
    });
    (port, server)
}

async fn connect(port: u16, within: Duration) -> Control {
    let address = Address { host: "127.0.0.1".to_owned(), control_port: port, data_port: 1 };
    Control::connect(&address, within, Clock::real()).await.unwrap()
}

const LONG: Duration = Duration::from_mins(1);
const STILL_TAKING: &str = "ERR Unexpected error at server/data_server.c:254\n";

/// What comes of arming for at most `patience`, and what was sent for it.
fn arm(replies: Vec<&'static str>, patience: Duration) -> (Result<(), String>, Vec<String>) {
    let (port, server) = serve(replies);
    let armed = real(async || connect(port, LONG).await.arm(patience).await);
    (armed.map_err(|error| error.to_string()), server.join().unwrap())
}

#[test]
fn an_arm_is_tried_again_while_a_reader_drains() {
    let (armed, sent) = arm(vec![STILL_TAKING, "OK =Ok\n", "OK\n"], LONG);
    assert_eq!(armed, Ok(()));
    assert_eq!(sent, ["*PCAP.ARM=", "*PCAP.COMPLETION?", "*PCAP.ARM="]);
}

#[test]
fn an_arm_is_not_tried_for_ever() {
    let (armed, sent) = arm(vec![STILL_TAKING, "OK =Ok\n"], Duration::ZERO);
    let error = armed.unwrap_err();
    assert!(error.starts_with("cannot arm for "), "{error}");
    let cause = "as others have not taken the last capture to its end: Unexpected error at \
                 server/data_server.c:254";
    assert!(error.ends_with(cause), "{error}");
    assert_eq!(sent.len(), 2);
}

#[test]
fn an_arm_under_way_and_other_refusals_are_told_at_once() {
    let check = |replies, expected: &str| {
        assert_eq!(arm(replies, LONG).0, Err(expected.to_owned()));
    };
    let busy = vec!["ERR Data capture already in progress\n", "OK =Busy\n"];
    check(busy, "cannot arm: a capture is under way already");
    let nothing = "control port: *PCAP.ARM=: Nothing configured for capture";
    check(vec!["ERR Nothing configured for capture\n"], nothing);
    let odd = "control port: *PCAP.ARM=: expected an OK, and the reply is a value";
    check(vec!["OK =1\n"], odd);
}

#[test]
fn a_control_port_that_closes_or_falls_silent_is_named_and_given_up() {
    let ask = |replies: Vec<&'static str>, within| {
        let (port, server) = serve(replies);
        let errors = real(async || {
            let control = connect(port, within).await;
            let first = control.ask(Command::query("*IDN").unwrap()).await.unwrap_err();
            let second = control.ask(Command::arm()).await.unwrap_err();
            [first, second].map(|error: ControlFault| error.to_string())
        });
        drop(server);
        errors
    };
    let check = |replies, within, expected: &str| {
        let first = format!("control port: *IDN?: {expected}");
        let second = format!("control port: *PCAP.ARM= was not sent: {expected}");
        assert_eq!(ask(replies, within), [first, second]);
    };
    check(vec!["OK =Pan"], LONG, "the connection was closed");
    // The server waits for a second line before it closes.
    check(vec!["", "OK\n"], Duration::from_millis(500), "no reply within 0.5 s");
    let malformed = "the line at byte 0 of the replies is no reply: `HTTP/1.1 400`";
    check(vec!["HTTP/1.1 400\n"], LONG, malformed);
}

#[test]
fn a_pipelined_reply_in_pieces_is_one_reply() {
    let (port, server) = serve(vec!["!A 1\n!B", " 2\n.\nOK =late\n"]);
    let replies = real(async || {
        let control = connect(port, LONG).await;
        // Two lines are one command to this server: it answers each with a piece.
        let lines = control.ask(Command::lines("*METADATA.X", &["a"]).unwrap()).await;
        lines.unwrap()
    });
    assert_eq!(replies, Reply::Lines(vec!["A 1".to_owned(), "B 2".to_owned()]));
    drop(server);
}

#[test]
fn a_count_that_cannot_be_read_was_taken_for_none() {
    let (port, server) = serve(vec!["OK =20k\n", "OK =OK\n"]);
    let told = real(async || connect(port, LONG).await.tells().await);
    let expected = "control port: *PCAP.CAPTURED?: `20k` is no count of rows: a whole number";
    assert_eq!(told.unwrap_err().to_string(), expected);
    drop(server);
}
