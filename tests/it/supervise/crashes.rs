//! Panics, wherever they happen, cost one actor and its messages.
use super::{Act, Flaw, Log, SECOND, at, brief, flawed, kill, ms, simulate, story, worker};
use bluefly_actors::supervise::{AskError, Exit, Strategy, Supervisor, TreeError};
use std::time::Duration;

/// The worker is told to `act`, answers `answer`, dies at `dies`, and is up again 100 ms later.
fn check_act(act: Act, answer: &Result<u32, AskError>, dies: Duration, exit: &str) {
    simulate(async |env| {
        let (log, mut events) = (Log::default(), env.events());
        let (spec, motor) = worker("motor", &log);
        let (neighbour_spec, neighbour) = worker("neighbour", &log);
        let plan = Supervisor::new(Strategy::OneForOne).child(spec).child(neighbour_spec);
        let tree = plan.spawn("root", &env);
        neighbour.up().await.unwrap();
        assert_eq!(motor.ask(Act::Count, SECOND).await, Ok(1));
        assert_eq!(motor.ask(act, SECOND).await, *answer);
        let mut deaths = env.events();
        while motor.is_up() {
            deaths.next().await.unwrap();
        }
        assert_eq!(at(&env), dies);
        log.take();
        motor.up().await.unwrap();
        assert_eq!(at(&env), dies + ms(100));
        assert_eq!(motor.ask(Act::Count, SECOND).await, Ok(1), "the state is fresh");
        assert_eq!(neighbour.ask(Act::Count, SECOND).await, Ok(1));
        let expected = format!("+motor1, +neighbour1, -motor1 {exit}, +motor2");
        assert_eq!(story(&mut events), expected);
        assert_eq!(log.take(), "motor.2 started", "nothing of the dead incarnation ran");
        assert_eq!(tree.shutdown().await, Exit::Shutdown);
    });
}

fn lost() -> Result<u32, AskError> {
    Err(AskError::Lost("motor".into()))
}

#[test]
fn panic_in_handler() {
    check_act(Act::PanicInHandler, &lost(), ms(0), "panicked: in handler");
}

#[test]
fn panic_in_asynchronous_answer() {
    check_act(Act::PanicInAnswer, &lost(), ms(0), "panicked: in answer");
}

#[test]
fn panic_in_spawned_future() {
    check_act(Act::PanicInSpawned, &lost(), ms(0), "panicked: in spawned");
}

#[test]
fn panic_in_timer() {
    check_act(Act::PanicInTimer, &Ok(2), SECOND, "panicked: in timer");
}

/// The first incarnation is flawed; the second comes up 100 ms after it died.
fn check_flaw(flaw: Flaw, told: &str) {
    simulate(async |env| {
        let (log, mut events) = (Log::default(), env.events());
        let (spec, motor) = flawed("motor", &log, flaw);
        let tree = Supervisor::new(Strategy::OneForOne).child(spec).spawn("root", &env);
        motor.up().await.unwrap();
        if at(&env).is_zero() {
            assert_eq!(motor.ask(Act::Finish, SECOND).await, lost());
            env.clock().sleep(ms(1)).await;
            motor.up().await.unwrap();
        }
        assert_eq!(at(&env), ms(100));
        assert_eq!(story(&mut events), told);
        assert_eq!(tree.shutdown().await, Exit::Shutdown);
    });
}

#[test]
fn panic_in_factory() {
    check_flaw(Flaw::Factory, "-motor1 panicked: flawed Factory, +motor2");
}

#[test]
fn panic_in_started() {
    check_flaw(Flaw::Started, "-motor1 panicked: flawed Started, +motor2");
}

#[test]
fn panic_in_stopping() {
    check_flaw(Flaw::Stopping, "+motor1, -motor1 panicked: flawed Stopping, +motor2");
}

#[test]
fn panic_in_stopped() {
    check_flaw(Flaw::Stopped, "+motor1, -motor1 panicked: flawed Stopped, +motor2");
}

#[test]
fn panic_in_drop() {
    check_flaw(Flaw::Drop, "+motor1, -motor1 panicked: flawed Drop, +motor2");
}

#[test]
fn no_flaw() {
    check_flaw(Flaw::None, "+motor1, -motor1 ended, +motor2");
}

#[test]
fn double_panic_in_a_handler_and_in_drop_does_not_abort() {
    simulate(async |env| {
        let mut events = env.events();
        let (spec, motor) = flawed("motor", &Log::default(), Flaw::Drop);
        let tree = Supervisor::new(Strategy::OneForOne).child(spec).spawn("root", &env);
        motor.up().await.unwrap();
        kill(&motor).await;
        motor.up().await.unwrap();
        assert_eq!(story(&mut events), "+motor1, -motor1 panicked: in handler, +motor2");
        tree.shutdown().await;
    });
}

#[test]
fn messages_in_flight_and_queued_are_lost_and_later_ones_refused() {
    simulate(async |env| {
        let (spec, motor) = worker("motor", &Log::default());
        let tree = Supervisor::new(Strategy::OneForOne).child(spec).spawn("root", &env);
        motor.up().await.unwrap();
        let (under_way, breaks, queued) = futures_util::join!(
            motor.ask(Act::Sleep(SECOND), 2 * SECOND),
            motor.ask(Act::PanicInHandler, SECOND),
            motor.ask(Act::Count, SECOND),
        );
        assert_eq!([under_way, breaks, queued], [lost(), lost(), lost()]);
        let down = AskError::Down("motor".into());
        assert_eq!(motor.ask(Act::Count, SECOND).await, Err(down.clone()));
        assert_eq!(motor.tell(Act::Count), Err(down));
        assert_eq!(at(&env), ms(0));
        motor.up().await.unwrap();
        assert_eq!((motor.ask(Act::Count, SECOND).await, at(&env)), (Ok(1), ms(100)));
        tree.shutdown().await;
    });
}

#[test]
fn an_actor_fails_for_its_reason() {
    check_act(Act::Fail, &lost(), ms(0), "failed: limit switch");
}

#[test]
fn an_injected_crash_is_a_panic_like_any_other() {
    simulate(async |env| {
        let mut events = env.events();
        let (spec, motor) = worker("motor", &Log::default());
        let tree = Supervisor::new(Strategy::OneForOne).child(spec).spawn("root", &env);
        motor.up().await.unwrap();
        env.clock().sleep(SECOND).await;
        tree.crash("motor", "cosmic ray").unwrap();
        let answer = motor.ask(Act::Count, SECOND).await;
        assert_eq!((answer, at(&env)), (lost(), SECOND));
        let down = tree.snapshot().children[0].last_exit.clone();
        assert!(brief(&down.unwrap()).starts_with("panicked: cosmic ray at "));
        assert_eq!(tree.crash("motor", "again"), Err(TreeError::NotRunning("motor".into())));
        assert_eq!(tree.crash("root", "why"), Err(TreeError::NotAnActor("root".into())));
        assert_eq!(tree.crash("rotor", "why"), Err(TreeError::Unknown("rotor".into())));
        motor.up().await.unwrap();
        assert_eq!(at(&env), SECOND + ms(100));
        assert!(story(&mut events).ends_with(", +motor2"));
        tree.shutdown().await;
    });
}

#[test]
fn an_injected_crash_reaches_an_actor_that_hangs() {
    simulate(async |env| {
        let (spec, motor) = worker("motor", &Log::default());
        let tree = Supervisor::new(Strategy::OneForOne).child(spec).spawn("root", &env);
        motor.up().await.unwrap();
        motor.tell(super::Hang).unwrap();
        env.clock().sleep(SECOND).await;
        tree.crash("motor", "stuck").unwrap();
        env.clock().sleep(ms(100)).await;
        motor.up().await.unwrap();
        assert_eq!((motor.ask(Act::Count, SECOND).await, at(&env)), (Ok(1), ms(1100)));
        tree.shutdown().await;
    });
}

#[test]
fn an_exit_tells_message_and_place() {
    simulate(async |env| {
        let (spec, motor) = worker("motor", &Log::default());
        let tree = Supervisor::new(Strategy::OneForOne).child(spec).spawn("root", &env);
        motor.up().await.unwrap();
        kill(&motor).await;
        env.clock().sleep(ms(1)).await;
        let exit = tree.snapshot().children[0].last_exit.clone().unwrap();
        let Exit::Panicked(text) = exit else { panic!("{exit:?}") };
        let place = text.strip_prefix("in handler at tests/it/supervise/mod.rs:").unwrap();
        assert!(place.split(':').all(|number| number.parse::<u32>().is_ok()), "{text}");
        tree.shutdown().await;
    });
}
