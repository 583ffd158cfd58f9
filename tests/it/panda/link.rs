//! One control connection over a pipe whose other end is as bad as it can be.
use super::{LIMITS, MS, WITHIN, outcome, over, query, since_start, value};
use crate::beam::simulate;
use bluefly_actors::{
    backend::panda::control::{Control, Limits, Loss, MAX_UNDER_WAY, Watch},
    clock::Clock,
};
use bluefly_protocol::panda::{
    control::{Command, ControlError, Reply, ReplyError},
    table::{TableMode, TableText},
};
use futures_util::future::join_all;
use std::{future::pending, time::Duration};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

const PIPE_BYTES: usize = 1 << 16;
const CLOSED: &str = "lost: the connection was closed";

fn four() -> Vec<Command> {
    let table = Command::table("SEQ1.TABLE", TableMode::Fixed, TableText::Numbers, &[1, 2, 3, 4]);
    let assigned = Command::assign("BITS.A", "1").unwrap();
    vec![query("*IDN"), assigned, query("*BLOCKS"), table.unwrap()]
}

fn four_replies() -> Vec<(&'static str, Reply)> {
    let lines = Reply::Lines(vec!["SEQ 2".to_owned(), "PCAP 1".to_owned()]);
    let refused = Reply::Error(ControlError::new("Table currently being written"));
    vec![
        ("OK =PandA\n", value("PandA")),
        ("OK\n", Reply::Ok),
        ("!SEQ 2\n!PCAP 1\n.\n", lines),
        ("ERR Table currently being written\n", refused),
    ]
}

async fn ask_all(
    control: &Control,
    commands: impl IntoIterator<Item = Command>,
) -> Vec<Result<Reply, String>> {
    let asked = commands.into_iter().map(|command| control.ask(command));
    join_all(asked).await.into_iter().map(outcome).collect()
}

/// The other end: reads all that is sent, and says `replies`.
async fn say(pipe: &mut DuplexStream, replies: &[u8]) {
    let num_bytes: usize = four().iter().map(|command| command.as_bytes().len()).sum();
    pipe.read_exact(&mut vec![0; num_bytes]).await.unwrap();
    pipe.write_all(replies).await.unwrap();
}

#[test]
fn replies_cut_off_anywhere_are_lost_from_there_on() {
    let all: Vec<u8> = four_replies().iter().flat_map(|(text, _)| text.bytes()).collect();
    for cut in 0..=all.len() {
        let replies = all[..cut].to_vec();
        let outcomes = simulate(async move {
            let clock = Clock::simulated();
            let (ours, mut theirs) = duplex(PIPE_BYTES);
            tokio::task::spawn_local(async move { say(&mut theirs, &replies).await });
            let (control, ended) = over(ours, LIMITS, &clock);
            let outcomes = ask_all(&control, four()).await;
            tokio::task::yield_now().await;
            assert_eq!(ended.take(), Some((Loss::Closed, Duration::ZERO)), "{cut}");
            let late = outcome(control.ask(query("*IDN")).await);
            assert_eq!(late, Err("not sent: the connection was closed".to_owned()));
            outcomes
        });
        let mut end = 0;
        let expected = four_replies().into_iter().map(|(text, reply)| {
            end += text.len();
            if end <= cut { Ok(reply) } else { Err(CLOSED.to_owned()) }
        });
        assert_eq!(outcomes, expected.collect::<Vec<_>>(), "cut after {cut} bytes");
    }
}

#[test]
fn commands_cut_off_anywhere_are_lost_if_any_of_them_was_sent() {
    let num_bytes: usize = four().iter().map(|command| command.as_bytes().len()).sum();
    for room in 1..=num_bytes {
        let outcomes = simulate(async move {
            let clock = Clock::simulated();
            // The other end takes so many bytes and dies.
            let (ours, theirs) = duplex(room);
            let (control, _) = over(ours, LIMITS, &clock);
            let dying = clock.clone();
            tokio::task::spawn_local(async move {
                dying.sleep(MS).await;
                drop(theirs);
            });
            let outcomes = ask_all(&control, four()).await;
            assert_eq!(since_start(&clock), MS);
            outcomes
        });
        let mut at = 0;
        let expected = four().into_iter().map(|command| {
            let was_sent = at < room;
            at += command.as_bytes().len();
            let how = if was_sent { "lost" } else { "not sent" };
            Err(format!("{how}: the connection was closed"))
        });
        assert_eq!(outcomes, expected.collect::<Vec<_>>(), "{room} bytes were taken");
    }
}

#[test]
fn a_server_that_stops_answering_is_silent_at_the_first_deadline() {
    simulate(async {
        let clock = Clock::simulated();
        let (ours, mut theirs) = duplex(PIPE_BYTES);
        tokio::task::spawn_local(async move {
            say(&mut theirs, b"OK =PandA\nOK\n!SEQ 2\n").await;
            pending::<()>().await;
        });
        let (control, ended) = over(ours, LIMITS, &clock);
        let silent = Err("lost: no reply within 5 s".to_owned());
        let expected = [Ok(value("PandA")), Ok(Reply::Ok), silent.clone(), silent];
        assert_eq!(ask_all(&control, four()).await, expected);
        assert_eq!(since_start(&clock), WITHIN);
        tokio::task::yield_now().await;
        assert_eq!(ended.take(), Some((Loss::Silent { within: WITHIN }, WITHIN)));
    });
}

#[test]
fn a_reply_is_not_due_before_those_to_earlier_commands() {
    simulate(async {
        let clock = Clock::simulated();
        let (ours, mut theirs) = duplex(PIPE_BYTES);
        let slow = clock.clone();
        tokio::task::spawn_local(async move {
            slow.sleep(2_000 * MS).await;
            theirs.write_all(b"OK =1\nOK =2\n").await.unwrap();
            pending::<()>().await;
        });
        let (control, _) = over(ours, LIMITS, &clock);
        let asked = [control.ask(query("A")), control.ask(query("B"))];
        let hasty = control.ask_within(100 * MS, query("C"));
        let (replies, hasty) = futures_util::join!(join_all(asked), hasty);
        assert!(replies.into_iter().all(|reply| reply.is_ok()));
        // The two before were due after 5 s.
        assert_eq!(outcome(hasty), Err("lost: no reply within 5 s".to_owned()));
        assert_eq!(since_start(&clock), WITHIN);
    });
}

#[test]
fn a_deadline_of_its_own_counts() {
    simulate(async {
        let clock = Clock::simulated();
        let (ours, _theirs) = duplex(PIPE_BYTES);
        let (control, _) = over(ours, LIMITS, &clock);
        let hasty = control.ask_within(100 * MS, query("A")).await;
        assert_eq!(outcome(hasty), Err("lost: no reply within 0.1 s".to_owned()));
        assert_eq!(since_start(&clock), 100 * MS);
    });
}

#[test]
fn an_end_that_falls_silent_while_nothing_is_asked_is_noticed_within_100_ms() {
    simulate(async {
        let clock = Clock::simulated();
        let (ours, mut theirs) = duplex(PIPE_BYTES);
        let alive = clock.clone();
        let asked = tokio::task::spawn_local(async move {
            let (mut asked, mut line) = (0_u32, [0; 6]);
            // It answers for a second.
            while alive.now().since_start() < 1_000 * MS {
                theirs.read_exact(&mut line).await.unwrap();
                assert_eq!(&line, b"*IDN?\n");
                theirs.write_all(b"OK =PandA\n").await.unwrap();
                asked += 1;
            }
            (asked, theirs)
        });
        let limits = Limits { watch: Some(Watch::PROMPT), ..LIMITS };
        let (_control, ended) = over(ours, limits, &clock);
        let asked = clock.timeout(2_000 * MS, asked).await.expect("it is asked for a second");
        let (asked, _theirs) = asked.unwrap();
        assert_eq!(asked, 34, "one each 30 ms");
        clock.sleep(91 * MS).await;
        let silent = Loss::Silent { within: 60 * MS };
        assert_eq!(ended.take(), Some((silent, (1_020 + 90) * MS)));
    });
}

#[test]
fn an_end_that_closes_while_nothing_is_asked_is_noticed_at_once() {
    simulate(async {
        let clock = Clock::simulated();
        let (ours, theirs) = duplex(PIPE_BYTES);
        let (_control, ended) = over(ours, LIMITS, &clock);
        clock.sleep(MS).await;
        assert_eq!(ended.take(), None);
        drop(theirs);
        tokio::task::yield_now().await;
        assert_eq!(ended.take(), Some((Loss::Closed, MS)));
    });
}

/// What ends a connection on which `said` comes after `num_asked` questions.
fn ended_by(num_asked: usize, said: &'static [u8]) -> Loss {
    simulate(async move {
        let clock = Clock::simulated();
        let (ours, mut theirs) = duplex(PIPE_BYTES);
        let (control, ended) = over(ours, LIMITS, &clock);
        let client = control.clone();
        let asked = tokio::task::spawn_local(async move {
            ask_all(&client, (0..num_asked).map(|_| query("A"))).await
        });
        clock.sleep(MS).await;
        theirs.write_all(said).await.unwrap();
        tokio::task::yield_now().await;
        tokio::task::yield_now().await;
        let (loss, at) = ended.take().unwrap();
        assert_eq!(at, MS);
        asked.await.unwrap();
        drop(control);
        loss
    })
}

#[test]
fn what_is_no_reply_ends_the_connection_at_once() {
    assert_eq!(ended_by(0, b"OK\n"), Loss::Unasked);
    assert_eq!(ended_by(0, b"OK"), Loss::Unasked);
    assert_eq!(ended_by(1, b"OK =1\nOK =2\n"), Loss::Unasked);
    assert_eq!(ended_by(1, b"OK =1\nOK"), Loss::Unasked);
    let line = "HTTP/1.1 400".to_owned();
    let malformed = Loss::Malformed(ReplyError::NoReply { at: 0, line });
    assert_eq!(ended_by(2, b"HTTP/1.1 400\nOK\n"), malformed);
}

#[test]
fn a_server_that_reads_and_never_answers_gets_no_more_than_the_bound() {
    simulate(async {
        let clock = Clock::simulated();
        let (ours, mut theirs) = duplex(PIPE_BYTES);
        let (control, _) = over(ours, LIMITS, &clock);
        let sent = tokio::task::spawn_local(async move {
            let mut sent = Vec::new();
            theirs.read_to_end(&mut sent).await.unwrap();
            sent
        });
        let outcomes = ask_all(&control, (0..2_000).map(|_| query("A"))).await;
        assert_eq!(since_start(&clock), WITHIN);
        let lost = outcomes.iter().filter(|o| **o == Err("lost: no reply within 5 s".to_owned()));
        assert_eq!(lost.count(), MAX_UNDER_WAY);
        let idle = "not sent: no reply within 5 s".to_owned();
        let not_sent = outcomes.iter().filter(|outcome| **outcome == Err(idle.clone()));
        assert_eq!(not_sent.count(), 2_000 - MAX_UNDER_WAY);
        assert_eq!(sent.await.unwrap().len(), MAX_UNDER_WAY * b"A?\n".len());
    });
}

#[test]
fn a_connection_that_its_owner_gives_up_tells_all_who_wait() {
    simulate(async {
        let clock = Clock::simulated();
        let (ours, _theirs) = duplex(PIPE_BYTES);
        let (control, connection) = Control::over(ours, LIMITS, clock.clone());
        let connection = tokio::task::spawn_local(connection);
        let client = control.clone();
        let asked = tokio::task::spawn_local(async move { ask_all(&client, four()).await });
        clock.sleep(MS).await;
        connection.abort();
        let given_up = Err("lost: the connection was given up".to_owned());
        assert_eq!(asked.await.unwrap(), vec![given_up; 4]);
        let late = outcome(control.ask(query("*IDN")).await);
        assert_eq!(late, Err("not sent: the connection was given up".to_owned()));
        assert_eq!(since_start(&clock), MS);
    });
}

#[test]
fn who_stops_waiting_leaves_the_reply_of_the_next_alone() {
    simulate(async {
        let clock = Clock::simulated();
        let (ours, mut theirs) = duplex(PIPE_BYTES);
        let (control, _) = over(ours, LIMITS, &clock);
        let slow = clock.clone();
        tokio::task::spawn_local(async move {
            slow.sleep(2 * MS).await;
            theirs.read_exact(&mut [0; 6]).await.unwrap();
            theirs.write_all(b"OK =1\nOK =2\n").await.unwrap();
            pending::<()>().await;
        });
        assert!(clock.timeout(MS, control.ask(query("A"))).await.is_err());
        assert_eq!(outcome(control.ask(query("B")).await), Ok(value("2")));
    });
}
