//! What follows from events, one after the other.
use super::{super::state::Pv, *};
use crate::backend::channel_access::Native;
use std::{sync::Arc, time::Duration};

const CHANNEL: ChannelId = ChannelId(1);

fn state() -> State {
    let mut state = State::default();
    assert_eq!(state.new_channel(), CHANNEL);
    state.pvs.insert(CHANNEL, Pv::new());
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
    state.silence(&"ioc".into());
    assert_eq!(told.try_recv(), Ok(()));
}

const CONFIG: WatchdogConfig =
    WatchdogConfig { period: Duration::from_millis(250), patience: Duration::from_millis(600) };

/// A PV that is connected.
fn connected() -> (State, ChannelId) {
    let mut state = State::default();
    let channel = state.new_channel();
    state.pvs.insert(channel, Pv::new());
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
    state.patrol(Instant::default(), CONFIG);
    state.patrol(Instant::default() + CONFIG.patience, CONFIG);
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
