//! What crate epics-ca does wrong: these tests are why it is not used (docs/decisions/0013).
use crate::{
    alone::{DEADLINE, alone},
    ioc::Ioc,
};
use bluefly_actors::{
    backend::channel_access::{
        ChannelId, Client, Command, Data, Event, Native, RequestId, Shape, SubscriptionId, Wakes,
    },
    signal::Backlog,
};
use std::{future::poll_fn, sync::Arc};

/// There, a subscription of a PV that changes could not be dropped without a deadlock, after some
/// hundred times.
#[test]
fn ten_thousand_subscriptions_of_a_fast_record_once_hung() {
    alone(
        "regressions::ten_thousand_subscriptions_of_a_fast_record_once_hung",
        |world| async move {
            let ioc = Ioc::softioc(&["REF:"]);
            let counter = world.connector.r::<f64>("ca://REF:fast").await.unwrap();
            let cycles = async {
                for _ in 0..10_000 {
                    counter.observe(Backlog::Latest).next().await.unwrap();
                }
            };
            world.clock.timeout(5 * DEADLINE, cycles).await.unwrap();
            counter.get().await.unwrap();
            drop(ioc);
        },
    );
}

/// The same at the calls of libca: the subscription is cleared while its callbacks run.
#[test]
fn ten_thousand_subscriptions_at_the_library_once_hung() {
    alone("regressions::ten_thousand_subscriptions_at_the_library_once_hung", |world| async move {
        let ioc = Ioc::softioc(&["REF:"]);
        let client = Client::start().unwrap();
        let (channel, native, shape) = (ChannelId(1), Native::Double, Shape::One);
        let name = c"REF:fast".to_owned();
        client.send(vec![Command::Create { channel, name }]).unwrap();
        let mut events = Vec::new();
        take(&client, &mut events, |event| matches!(event, Event::Up { .. })).await;
        let cycles = async {
            for i in 1..=10_000 {
                let subscription = SubscriptionId(i);
                let subscribe =
                    Command::Subscribe { channel, subscription, native, shape, bound: 1 };
                client.send(vec![subscribe]).unwrap();
                let is_ours = |event: &Event| matches!(event, Event::Sample { subscription: of, .. } if *of == subscription);
                take(&client, &mut events, is_ours).await;
                client.send(vec![Command::Unsubscribe { channel, subscription }]).unwrap();
            }
        };
        world.clock.timeout(5 * DEADLINE, cycles).await.unwrap();
        drop(ioc);
    });
}

/// There, an empty array was written behind a buffer of no bytes.
#[test]
fn an_empty_array_once_overran_its_buffer() {
    alone("regressions::an_empty_array_once_overran_its_buffer", |_world| async move {
        let ioc = Ioc::softioc(&["REF:"]);
        let client = Client::start().unwrap();
        let mut events = Vec::new();
        for (i, (name, native)) in
            [(c"REF:empty", Native::Double), (c"REF:path", Native::Char)].into_iter().enumerate()
        {
            let channel = ChannelId(i as u64 + 1);
            let name = name.to_owned();
            client.send(vec![Command::Create { channel, name }]).unwrap();
            take(&client, &mut events, |event| matches!(event, Event::Up { .. })).await;
            let shapes = [
                (Shape::Numbers, Data::Numbers(Arc::new([]))),
                (Shape::Bytes, Data::Text(String::new())),
                // The server fills up what it is asked for.
                (Shape::One, Data::Number(0.0)),
            ];
            for (shape, expected) in shapes {
                let request = RequestId(7);
                client.send(vec![Command::Get { channel, request, native, shape }]).unwrap();
                let is_got = |event: &Event| matches!(event, Event::Got { .. });
                let Event::Got { sample, .. } = take(&client, &mut events, is_got).await else {
                    unreachable!("it was looked for")
                };
                assert_eq!(sample.unwrap().data, expected, "{native:?} {shape:?}");
                let subscription = SubscriptionId(9);
                let subscribe =
                    Command::Subscribe { channel, subscription, native, shape, bound: 1 };
                client.send(vec![subscribe]).unwrap();
                let is_sample = |event: &Event| matches!(event, Event::Sample { .. });
                let Event::Sample { sample, .. } = take(&client, &mut events, is_sample).await
                else {
                    unreachable!("it was looked for")
                };
                assert_eq!(sample.unwrap().data, expected, "{native:?} {shape:?}");
                client.send(vec![Command::Unsubscribe { channel, subscription }]).unwrap();
            }
        }
        drop(ioc);
    });
}

/// The first event that `is_wanted`; those before it are dropped.
async fn take(
    client: &Client,
    events: &mut Vec<Event>,
    is_wanted: impl Fn(&Event) -> bool,
) -> Event {
    loop {
        events.clear();
        poll_fn(|context| client.inbox().poll_take(context, events, Wakes::ForAll)).await;
        if let Some(i) = events.iter().position(&is_wanted) {
            return events.swap_remove(i);
        }
    }
}
