//! Stopping: in reverse order, out of band, and by force after a time.
use super::{Act, Hang, Log, SECOND, at, ms, simulate, slow_to_stop, story, worker};
use bluefly_actors::supervise::{
    AskError, Backoff, ChildSpec, Event, Exit, Ref, Strategy, Supervisor,
};
use std::time::Duration;

#[test]
fn shutdown_is_in_reverse_order_with_a_limit_for_each() {
    simulate(async |env| {
        let (log, mut events) = (Log::default(), env.events());
        let slow = |id: &str, time| {
            let (spec, reference) = slow_to_stop(id, &log, time);
            (spec.shutdown(SECOND), reference)
        };
        let ((a, _), (b, _), (c, last)) =
            (slow("a", ms(100)), slow("b", 5 * SECOND), slow("c", ms(200)));
        let plan = Supervisor::new(Strategy::OneForOne).child(a).child(b).child(c);
        let tree = plan.spawn("root", &env);
        last.up().await.unwrap();
        log.take();
        assert_eq!((tree.shutdown().await, at(&env)), (Exit::Shutdown, ms(1300)));
        let told = "+a1, +b1, +c1, -c1 shut down, -b1 killed: did not stop in time, -a1 shut down";
        assert_eq!(story(&mut events), told);
        let said = "c.1 stopping, c.1 stopping, c.1 stopped, b.1 stopping, \
                    a.1 stopping, a.1 stopping, a.1 stopped";
        assert_eq!(log.take(), said);
        assert_eq!((tree.shutdown().await, at(&env)), (Exit::Shutdown, ms(1300)), "twice");
    });
}

/// The tree stops at once, whatever its worker was told before.
fn check_stop(prepare: impl AsyncFnOnce(&Ref<super::Worker>)) {
    simulate(async |env| {
        let (log, mut events) = (Log::default(), env.events());
        let (spec, child) = worker("child", &log);
        let tree = Supervisor::new(Strategy::OneForOne).child(spec).spawn("root", &env);
        child.up().await.unwrap();
        prepare(&child).await;
        assert_eq!((tree.shutdown().await, at(&env)), (Exit::Shutdown, ms(0)));
        assert_eq!(story(&mut events), "+child1, -child1 shut down");
        assert_eq!(log.take(), "child.1 started, child.1 stopping, child.1 stopped");
        assert_eq!(child.ask(Act::Count, SECOND).await, Err(AskError::Down("child".into())));
        assert_eq!(child.up().await, Err(AskError::Down("child".into())));
    });
}

#[test]
fn stop_needs_no_message() {
    check_stop(async |_| ());
}

#[test]
fn stop_reaches_an_actor_inside_an_atomic_response() {
    check_stop(async |child| {
        child.tell(Hang).unwrap();
        tokio::task::yield_now().await;
    });
}

#[test]
fn stop_reaches_an_actor_behind_a_full_mailbox() {
    check_stop(async |child| {
        child.tell(Hang).unwrap();
        while child.tell(Act::Count).is_ok() {}
    });
}

#[test]
fn stop_reaches_an_actor_that_works() {
    check_stop(async |child| child.tell(Act::Sleep(SECOND)).unwrap());
}

/// A worker that is probed every 500 ms with a deadline of 200 ms.
fn probed(log: &Log) -> (ChildSpec, Ref<super::Worker>) {
    let (spec, child) = worker("child", log);
    let backoff = Backoff { first: ms(10), ..Backoff::default() };
    (spec.probe(&child, ms(500), ms(200)).backoff(backoff), child)
}

#[test]
fn an_actor_that_hangs_is_found_by_its_probe() {
    simulate(async |env| {
        let mut events = env.events();
        let (spec, child) = probed(&Log::default());
        let tree = Supervisor::new(Strategy::OneForOne).child(spec).spawn("root", &env);
        child.up().await.unwrap();
        let answer = child.ask(Hang, 10 * SECOND).await;
        assert_eq!((answer, at(&env)), (Err(AskError::Lost("child".into())), ms(700)));
        child.up().await.unwrap();
        assert_eq!((child.ask(Act::Count, SECOND).await, at(&env)), (Ok(1), ms(710)));
        let told = "+child1, -child1 killed: did not answer its health probe, +child2";
        assert_eq!(story(&mut events), told);
        tree.shutdown().await;
    });
}

#[test]
fn an_actor_that_hangs_behind_a_full_mailbox_is_found_too() {
    simulate(async |env| {
        let (spec, child) = probed(&Log::default());
        let tree = Supervisor::new(Strategy::OneForOne).child(spec).spawn("root", &env);
        child.up().await.unwrap();
        child.tell(Hang).unwrap();
        while child.tell(Act::Count).is_ok() {}
        let mut deaths = env.events();
        assert!(matches!(deaths.next().await, Some(Event::Down { .. })));
        assert_eq!(at(&env), ms(700));
        tree.shutdown().await;
    });
}

#[test]
fn probes_leave_a_busy_actor_alone() {
    simulate(async |env| {
        let mut events = env.events();
        let (spec, child) = probed(&Log::default());
        let tree = Supervisor::new(Strategy::OneForOne).child(spec).spawn("root", &env);
        child.up().await.unwrap();
        let answer = child.ask(Act::Sleep(Duration::from_mins(1)), Duration::from_mins(2)).await;
        assert_eq!((answer, at(&env)), (Ok(1), Duration::from_mins(1)));
        assert_eq!(story(&mut events), "+child1");
        tree.shutdown().await;
    });
}

#[test]
fn probes_go_on_after_an_answer() {
    simulate(async |env| {
        let (spec, child) = probed(&Log::default());
        let tree = Supervisor::new(Strategy::OneForOne).child(spec).spawn("root", &env);
        child.up().await.unwrap();
        env.clock().sleep(ms(2_100)).await;
        let answer = child.ask(Hang, 10 * SECOND).await;
        assert_eq!((answer, at(&env)), (Err(AskError::Lost("child".into())), ms(2_700)));
        tree.shutdown().await;
    });
}
