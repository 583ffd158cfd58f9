//! A control connection to a simulated box.
use super::{LIMITS, MS, outcome, query, since_start, value};
use crate::{beam::simulate, panda_server::new_server};
use bluefly_actors::{
    backend::panda::control::{Control, Dial as _, Limits, Loss, Watch},
    clock::Clock,
};
use bluefly_protocol::panda::control::{Command, ControlError, Refusal, Reply};
use bluefly_sim::panda::MemoryPanda;
use futures_util::future::join_all;

/// A connection to a box, which lives on its own.
pub(super) async fn connected(panda: &MemoryPanda, limits: Limits, clock: &Clock) -> Control {
    let wire = panda.dial().await.unwrap();
    let (control, connection) = Control::over(wire, limits, clock.clone());
    tokio::task::spawn_local(connection);
    control
}

fn refused(text: &str, class: Refusal) -> Reply {
    let error = ControlError::new(text);
    assert_eq!(error.class, class);
    Reply::Error(error)
}

#[test]
fn pipelined_commands_and_refusals_are_answered_in_order() {
    simulate(async {
        let clock = Clock::simulated();
        let panda = MemoryPanda::new(new_server(), &clock);
        let control = connected(&panda, LIMITS, &clock).await;
        let assign = |name: &str, value: &str| Command::assign(name, value).unwrap();
        let commands = [
            assign("BITS.A", "1"),
            query("BITS.A"),
            query("NONE.A"),
            assign("BITS.A", "2"),
            assign("BITS.OUTA", "1"),
            query("BITS.OUTA"),
        ];
        let asked = commands.into_iter().map(|command| control.ask(command));
        let replies: Vec<_> = join_all(asked).await.into_iter().map(outcome).collect();
        let expected = [
            Ok(Reply::Ok),
            Ok(value("1")),
            Ok(refused("No such block", Refusal::UnknownName)),
            Ok(refused("Invalid bit value", Refusal::OutOfRange)),
            Ok(refused("Field not writeable", Refusal::NotSupported)),
            Ok(value("1")),
        ];
        assert_eq!(replies, expected);
    });
}

#[test]
fn a_box_that_hangs_is_noticed_within_100_ms() {
    simulate(async {
        let clock = Clock::simulated();
        let panda = MemoryPanda::new(new_server(), &clock);
        let wire = panda.dial().await.unwrap();
        let limits = Limits { watch: Some(Watch::PROMPT), ..LIMITS };
        let (control, connection) = Control::over(wire, limits, clock.clone());
        let connection = tokio::task::spawn_local(connection);
        clock.sleep(1_000 * MS).await;
        panda.hang();
        let loss = connection.await.unwrap();
        assert_eq!(loss, Loss::Silent { within: 60 * MS });
        // It was heard last at 990 ms, and asked again at 1,020 ms.
        assert_eq!(since_start(&clock), 1_080 * MS);
        panda.go_on();
        let late = outcome(control.ask(query("*IDN")).await);
        assert_eq!(late, Err("not sent: no reply within 0.06 s".to_owned()));
    });
}
