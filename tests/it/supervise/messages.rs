//! What a caller is told: an answer, or which of four errors.
use super::{Act, Hang, Log, SECOND, Worker, at, kill, ms, simulate, worker};
use bluefly_actors::{
    clock::Clock,
    random::Seed,
    supervise::{AskError, Env, Ref, Strategy, Supervisor, Tree},
};
use std::{collections::BTreeSet, time::Duration};

async fn one_child(env: &Env, mailbox: usize) -> (Tree, Ref<Worker>) {
    let (spec, child) = worker("child", &Log::default());
    let plan = Supervisor::new(Strategy::OneForOne).child(spec.mailbox(mailbox));
    let tree = plan.spawn("root", env);
    child.up().await.unwrap();
    (tree, child)
}

/// A mailbox of `room` refuses the message after that many, from every clone of the reference.
fn check_room(room: usize) {
    simulate(async |env| {
        let (tree, child) = one_child(&env, room).await;
        child.tell(Hang).unwrap();
        tokio::task::yield_now().await;
        let told = (0..100).filter(|_| child.clone().tell(Act::Count).is_ok()).count();
        assert_eq!(told, room);
        let full = AskError::Overloaded("child".into());
        assert_eq!(child.tell(Act::Count), Err(full.clone()));
        assert_eq!(child.ask(Act::Count, SECOND).await, Err(full));
        assert_eq!(at(&env), ms(0));
        tree.shutdown().await;
    });
}

#[test]
fn a_full_mailbox_refuses_at_once() {
    check_room(1);
    check_room(16);
    check_room(64);
}

#[test]
fn a_mailbox_has_room_again_once_it_is_read() {
    simulate(async |env| {
        let (tree, child) = one_child(&env, 2).await;
        assert_eq!(child.tell(Act::Count), Ok(()));
        assert_eq!(child.tell(Act::Count), Ok(()));
        assert_eq!(child.tell(Act::Count), Err(AskError::Overloaded("child".into())));
        tokio::task::yield_now().await;
        assert_eq!(child.ask(Act::Count, SECOND).await, Ok(3));
        tree.shutdown().await;
    });
}

#[test]
fn an_answer_is_awaited_for_so_long_and_no_longer() {
    simulate(async |env| {
        let (tree, child) = one_child(&env, 16).await;
        let late = child.ask(Act::Sleep(ms(300)), ms(299)).await;
        assert_eq!((late, at(&env)), (Err(AskError::Timeout("child".into())), ms(299)));
        let in_time = child.ask(Act::Sleep(ms(300)), ms(301)).await;
        assert_eq!((in_time, at(&env)), (Ok(2), ms(599)));
        tree.shutdown().await;
    });
}

#[test]
fn microseconds_are_kept_apart() {
    simulate(async |env| {
        let (tree, child) = one_child(&env, 16).await;
        let microsecond = Duration::from_micros(1);
        let late = child.ask(Act::Sleep(9 * microsecond), 8 * microsecond).await;
        assert_eq!((late, at(&env)), (Err(AskError::Timeout("child".into())), 8 * microsecond));
        tree.shutdown().await;
    });
}

#[test]
fn a_question_that_is_dropped_in_the_mailbox_is_taken_back() {
    simulate(async |env| {
        let (tree, child) = one_child(&env, 16).await;
        let mut question = Box::pin(child.ask(Act::Count, SECOND));
        assert!(futures_util::poll!(&mut question).is_pending());
        drop(question);
        assert_eq!(child.ask(Act::Count, SECOND).await, Ok(1));
        tree.shutdown().await;
    });
}

#[test]
fn an_actor_is_down_before_it_starts() {
    simulate(async |env| {
        let (spec, child) = worker("child", &Log::default());
        assert!(!child.is_up());
        assert_eq!(child.tell(Act::Count), Err(AskError::Down("child".into())));
        let plan = Supervisor::new(Strategy::OneForOne).child(spec);
        let (up, tree) = futures_util::join!(child.up(), async { plan.spawn("root", &env) });
        assert_eq!((up, child.is_up()), (Ok(()), true));
        tree.shutdown().await;
        assert!(!child.is_up());
    });
}

#[test]
fn an_actor_whose_spec_was_dropped_will_never_be_up() {
    simulate(async |_| {
        let (spec, child) = worker("child", &Log::default());
        drop(spec);
        assert_eq!(child.up().await, Err(AskError::Down("child".into())));
    });
}

#[test]
fn errors_name_the_actor() {
    let name = |error: fn(std::sync::Arc<str>) -> AskError| error("x_stage".into()).to_string();
    assert_eq!(name(AskError::Down), "x_stage: is not running");
    assert_eq!(name(AskError::Overloaded), "x_stage: mailbox is full");
    assert_eq!(name(AskError::Timeout), "x_stage: did not answer in time");
    assert_eq!(name(AskError::Lost), "x_stage: died before it answered");
    assert_eq!(AskError::Lost("x_stage".into()).id(), "x_stage");
}

#[test]
fn references_and_trees_go_to_other_threads() {
    fn check<T: Send + Sync + Clone>() {}
    check::<Ref<Worker>>();
    check::<Tree>();
    check::<Env>();
}

/// Random numbers of three incarnations of two actors.
fn draws(seed: u64) -> Vec<u64> {
    simulate(async |_| {
        let env = Env::new(Clock::simulated(), Seed(seed));
        let log = Log::default();
        let drawn = log.clone();
        let draw = |id: &str| {
            let drawn = drawn.clone();
            bluefly_actors::supervise::ChildSpec::new(id, move |_, lifeline| {
                drawn.say(lifeline.stream().next_u64().to_string());
                Worker {
                    lifeline,
                    log: Log::default(),
                    count: 0,
                    flaw: super::Flaw::None,
                    stops_after: None,
                }
            })
        };
        let ((a, first), (b, second)) = (draw("a"), draw("b"));
        let plan = Supervisor::new(Strategy::OneForOne).intensity(4, SECOND).child(a).child(b);
        let tree = plan.spawn("root", &env);
        for child in [&first, &second, &first, &second] {
            child.up().await.unwrap();
            kill(child).await;
        }
        env.clock().sleep(SECOND).await;
        tree.shutdown().await;
        log.take().split(", ").map(|number| number.parse().unwrap()).collect()
    })
}

#[test]
fn every_incarnation_has_random_numbers_of_its_own() {
    let drawn = draws(7);
    assert_eq!(drawn.len(), 6);
    assert_eq!(drawn.iter().collect::<BTreeSet<_>>().len(), 6);
    assert_eq!(draws(7), drawn);
    assert!(draws(8).iter().all(|number| !drawn.contains(number)));
}
