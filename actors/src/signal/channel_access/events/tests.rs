//! What follows from events, one after the other.
use super::{
    super::state::{Pv, Waiter},
    *,
};
use crate::{
    backend::channel_access::{ChannelAccessConfig, Native, Task, WatchdogConfig},
    signal::{Kind, Monitor, monitor},
};
use std::{sync::Arc, time::Duration};

const CHANNEL: ChannelId = ChannelId(1);

fn state() -> State {
    let mut state = State::default();
    assert_eq!(state.new_channel(), CHANNEL);
    state.pvs.insert(CHANNEL, Pv::new(Instant::default()));
    state
}

fn up(native: Native, read: bool) -> Event {
    let rights = Rights { read, write: true };
    Event::Up { channel: CHANNEL, native, max_count: 1, rights, server: "ioc".into() }
}

fn properties() -> Event {
    Event::Properties { channel: CHANNEL, properties: None }
}

/// What is asked for then, and whether the PV can be used.
fn check(state: &mut State, event: Event, expected: &[Command], is_up: bool) {
    state.happen(event, Instant::default());
    assert_eq!(mem::take(&mut state.commands), expected);
    assert_eq!(matches!(state.pvs[&CHANNEL].link, Link::Up(_)), is_up);
}

#[test]
fn a_number_says_what_it_is_to_who_asks_and_when_it_is_back() {
    let mut state = state();
    check(&mut state, up(Native::Double, true), &[], true);
    assert!(!state.pvs[&CHANNEL].is_described);
    state.describe(CHANNEL);
    state.describe(CHANNEL);
    let describe = Command::Describe { channel: CHANNEL, native: Native::Double };
    assert_eq!(mem::take(&mut state.commands), [describe]);
    check(&mut state, properties(), &[], true);
    assert!(state.pvs[&CHANNEL].is_described);
    state.describe(CHANNEL);
    check(&mut state, Event::Down { channel: CHANNEL }, &[], false);
    check(&mut state, up(Native::Double, true), &[], false);
    check(&mut state, properties(), &[], true);
    check(&mut state, Event::Down { channel: CHANNEL }, &[], false);
    let describe = Command::Describe { channel: CHANNEL, native: Native::Long };
    check(&mut state, up(Native::Long, true), &[describe], false);
}

#[test]
fn an_enum_is_used_once_it_has_said_its_choices() {
    let mut state = state();
    let describe = Command::Describe { channel: CHANNEL, native: Native::Enum };
    check(&mut state, up(Native::Enum, true), &[describe], false);
    check(&mut state, properties(), &[], true);
}

#[test]
fn what_may_be_read_later_is_asked_later() {
    let rights = || Event::Rights { channel: CHANNEL, rights: Rights { read: true, write: true } };
    let mut number = state();
    check(&mut number, up(Native::Double, false), &[], true);
    assert!(number.pvs[&CHANNEL].is_described);
    check(&mut number, rights(), &[], true);
    assert!(!number.pvs[&CHANNEL].is_described);
    let mut choice = state();
    check(&mut choice, up(Native::Enum, false), &[], true);
    let describe = Command::Describe { channel: CHANNEL, native: Native::Enum };
    check(&mut choice, rights(), &[describe], true);
}

#[test]
fn who_waits_for_what_a_pv_says_is_told_of_its_loss() {
    let mut state = state();
    check(&mut state, up(Native::Double, true), &[], true);
    let wait = |state: &mut State| {
        let (tell, told) = oneshot::channel();
        state.pvs.entry(CHANNEL).and_modify(|pv| pv.waiting.push(tell));
        told
    };
    let mut told = wait(&mut state);
    check(&mut state, Event::Down { channel: CHANNEL }, &[], false);
    assert_eq!(told.try_recv(), Ok(()));
    check(&mut state, up(Native::Double, true), &[], true);
    told = wait(&mut state);
    state.silence(&"ioc".into(), CONFIG.patience, Instant::default());
    assert_eq!(told.try_recv(), Ok(()));
}

const CONFIG: WatchdogConfig =
    WatchdogConfig { period: Duration::from_millis(250), patience: Duration::from_millis(600) };

fn at(ms: u64) -> Instant {
    Instant::default() + Duration::from_millis(ms)
}

fn patrol(state: &mut State, rounds_ms: &[u64]) {
    for ms in rounds_ms {
        state.patrol(at(*ms), CONFIG);
    }
}

/// The question of the watchdog leaves.
fn has_asked(state: &mut State, at_ms: u64) {
    let asked = mem::take(&mut state.commands).into_iter().find_map(|command| match command {
        Command::Ask { request, .. } => Some(request),
        _ => None,
    });
    state.happen(Event::Asked { request: asked.expect("it asks") }, at(at_ms));
}

fn observe(state: &mut State, channel: ChannelId) -> Monitor {
    let (feed, monitor) = monitor("ca://a", Backlog::Latest);
    let (address, kind, backlog) = (Rc::from("ca://a"), Kind::Float, Backlog::Latest);
    let (held, heard, plan) = (Vec::new(), None, None);
    state.subscribe(Observed { channel, address, kind, backlog, feed, plan, held, heard });
    monitor
}

fn is_silent(state: &State, channel: ChannelId) -> bool {
    matches!(state.pvs[&channel].link, Link::Silent(_))
}

#[test]
fn a_held_up_question_was_once_held_against_a_healthy_server() {
    let (mut state, channel) = connected();
    let _monitor = observe(&mut state, channel);
    patrol(&mut state, &[0, 250, 500, 750, 1_000, 1_250]);
    assert!(!is_silent(&state, channel));
    has_asked(&mut state, 1_260);
    patrol(&mut state, &[1_500, 1_750, 1_859]);
    assert!(!is_silent(&state, channel));
    patrol(&mut state, &[1_860]);
    assert!(is_silent(&state, channel));
}

#[test]
fn who_holds_up_the_question_is_silent() {
    let (mut state, channel) = connected();
    let _monitor = observe(&mut state, channel);
    let looks = |state: &mut State, task: Option<Task>, ms: u64| {
        state.sender_is_at(task, at(ms));
        state.patrol(at(ms), CONFIG);
    };
    let put = |number| Some(Task { channel, number });
    looks(&mut state, put(1), 0);
    // It went on in between.
    looks(&mut state, put(2), 250);
    looks(&mut state, put(2), 500);
    looks(&mut state, put(2), 750);
    looks(&mut state, put(2), 849);
    assert!(!is_silent(&state, channel));
    looks(&mut state, put(2), 850);
    assert!(is_silent(&state, channel));
}

/// A server that takes nothing holds up the thread that sends, which is at what is made of the state.
fn held_up_by(leave: impl FnOnce(&mut State, ChannelId)) {
    let (mut state, channel) = connected();
    let _monitor = observe(&mut state, channel);
    let other = state.new_channel();
    state.pvs.insert(other, Pv::new(at(0)));
    let (rights, server) = (Rights { read: true, write: true }, "server".into());
    let (native, max_count) = (Native::Double, 1);
    state.happen(Event::Up { channel: other, native, max_count, rights, server }, at(0));
    let (feed, _observer) = monitor("ca://b", Backlog::Latest);
    let (address, kind, backlog) = (Rc::from("ca://b"), Kind::Float, Backlog::Latest);
    let plan = convert::plan(&address, kind, &convert::undescribed(native, 1, rights));
    let plan = Some(plan.expect("a number is read as one"));
    let (held, heard) = (Vec::new(), None);
    state.subscribe(Observed { channel: other, address, kind, backlog, feed, plan, held, heard });
    state.commands.clear();
    leave(&mut state, other);
    let task = match state.commands.remove(0) {
        Command::Unsubscribe { channel, .. } | Command::Clear { channel } => {
            Some(Task { channel, number: 1 })
        }
        command => unreachable!("{command:?}"),
    };
    for (ms, silent) in [(0, false), (250, false), (500, false), (599, false), (600, true)] {
        state.sender_is_at(task, at(ms));
        state.patrol(at(ms), CONFIG);
        assert_eq!(is_silent(&state, channel), silent, "{task:?} at {ms} ms");
    }
    state.happen(Event::Cleared { channel: other }, at(900));
    assert!(state.leaving.is_empty());
}

#[test]
fn who_held_up_what_lets_go_of_a_pv_was_not_found_silent() {
    held_up_by(|state, channel| {
        let subscription = *state.pvs[&channel].subscriptions.first().expect("there is one");
        state.unsubscribe(subscription);
    });
    held_up_by(State::clear);
    // All its subscriptions are gone by then.
    held_up_by(|state, channel| {
        state.clear(channel);
        state.commands.remove(0);
    });
}

#[test]
fn our_own_sleep_was_once_held_against_servers() {
    let (mut state, channel) = connected();
    let _monitor = observe(&mut state, channel);
    state.patrol(at(0), CONFIG);
    has_asked(&mut state, 1);
    patrol(&mut state, &[3_000, 3_249]);
    assert!(!is_silent(&state, channel));
    patrol(&mut state, &[3_250]);
    assert!(is_silent(&state, channel));
}

#[test]
fn a_large_array_was_once_taken_for_silence() {
    let mut state = State::default();
    let channel = state.new_channel();
    state.pvs.insert(channel, Pv::new(at(0)));
    let (rights, server) = (Rights { read: true, write: true }, "server".into());
    let (native, max_count) = (Native::Double, 500_000);
    state.happen(Event::Up { channel, native, max_count, rights, server }, at(0));
    let (reply, _answer) = oneshot::channel();
    state.request(channel, Waiter::Get(reply), Vec::new());
    state.patrol(at(0), CONFIG);
    has_asked(&mut state, 0);
    // Its 4 MB have a second more.
    patrol(&mut state, &[250, 500, 750, 1_000, 1_250, 1_500, 1_599]);
    assert!(!is_silent(&state, channel));
    patrol(&mut state, &[1_600]);
    assert!(is_silent(&state, channel));
}

#[test]
fn a_loss_tells_its_cause() {
    let (mut state, channel) = connected();
    let server = || "server".to_owned();
    state.happen(Event::Down { channel }, at(5));
    assert_eq!(state.pvs[&channel].absence(at(9)), Absence::Closed { server: server() });
    let mut state = State::default();
    let channel = state.new_channel();
    state.pvs.insert(channel, Pv::new(at(5)));
    let never = state.pvs[&channel].absence(at(3_005));
    let searched_at = ChannelAccessConfig::searched();
    let searched_for = Duration::from_secs(3);
    assert_eq!(never, Absence::NeverFound { searched_for, searched_at });
    let (mut state, channel) = connected();
    state.silence(&"server".into(), CONFIG.patience, at(9));
    let silent = Absence::Silent { server: server(), after: CONFIG.patience };
    assert_eq!(state.pvs[&channel].absence(at(9)), silent);
    // libca closes it in its own time.
    state.happen(Event::Down { channel }, at(10_000));
    assert_eq!(state.pvs[&channel].absence(at(10_000)), silent);
}

/// A PV that is connected.
fn connected() -> (State, ChannelId) {
    let mut state = State::default();
    let channel = state.new_channel();
    state.pvs.insert(channel, Pv::new(Instant::default()));
    let (rights, server) = (Rights { read: true, write: true }, "server".into());
    let up = Event::Up { channel, native: Native::Double, max_count: 1, rights, server };
    state.happen(up, Instant::default());
    (state, channel)
}

#[test]
fn a_put_that_is_told_lost_keeps_its_turn_until_its_end() {
    let (mut state, channel) = connected();
    let turn = Arc::clone(&state.pvs[&channel].turn);
    let permit = Arc::clone(&turn).try_acquire_owned().unwrap();
    let (reply, mut answer) = oneshot::channel();
    let waiter = Waiter::Put { reply, is_plain: false, refusal: None };
    let request = state.request(channel, waiter, vec![permit]);
    state.patrol(at(0), CONFIG);
    has_asked(&mut state, 0);
    patrol(&mut state, &[250, 500, 600]);
    assert_eq!(answer.try_recv(), Ok(Err(Status::DISCONNECTED)));
    assert_eq!(turn.available_permits(), 0);
    state.happen(Event::Put { request, outcome: Ok(()) }, Instant::default());
    assert_eq!(turn.available_permits(), 1);
}

#[test]
fn a_get_whose_caller_gave_up_was_once_watched_for_ever() {
    let (mut state, channel) = connected();
    let permits = Arc::new(tokio::sync::Semaphore::new(1));
    let permit = Arc::clone(&permits).try_acquire_owned().unwrap();
    let (reply, answer) = oneshot::channel();
    state.request(channel, Waiter::Get(reply), vec![permit]);
    assert!(state.patrol(Instant::default(), CONFIG).is_some());
    drop(answer);
    assert_eq!(state.patrol(Instant::default(), CONFIG), None);
    assert_eq!(permits.available_permits(), 1);
}

#[test]
fn a_put_whose_caller_gave_up_is_watched_for_who_is_behind_it() {
    let (mut state, channel) = connected();
    let (reply, answer) = oneshot::channel();
    let waiter = Waiter::Put { reply, is_plain: false, refusal: None };
    state.request(channel, waiter, Vec::new());
    let behind = Rc::clone(&state.pvs[&channel].lost);
    drop(answer);
    assert!(state.patrol(Instant::default(), CONFIG).is_some());
    drop(behind);
    assert_eq!(state.patrol(Instant::default(), CONFIG), None);
}
