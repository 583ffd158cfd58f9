//! Subscriptions: what is told, when, and what becomes of those who are slow.
use super::{
    client::{Client, EVERYTHING, TIME_DOUBLE},
    rig::serve,
};
use bluefly_actors::signal::{Alarm, Severity, Value};
use bluefly_protocol::channel_access::{Class, Dbr, Field, Reply, Request, mask};

async fn event(client: &mut Client, subscription: u32) -> f64 {
    let message = client.next().await;
    let Reply::Value { is_event: true, request, .. } = message.reply() else {
        panic!("{message:?}")
    };
    assert_eq!(request, subscription);
    message.number()
}

fn alarm(text: &str) -> Alarm {
    Alarm { severity: Severity::Major, text: text.to_owned() }
}

#[test]
fn the_present_value_and_every_change_are_told() {
    serve(async |rig| {
        let mut client = rig.client().await;
        let x = client.open("x").await;
        let access = client.subscribe(x, TIME_DOUBLE, EVERYTHING).await;
        assert_eq!(event(&mut client, access.request).await, 1.5);
        for value in [2.0, 3.0, 3.0, 4.0] {
            rig.x.post(Value::Float(value));
            assert_eq!(event(&mut client, access.request).await, value);
        }
        client.say(&Request::Unsubscribe(access)).await;
        let (request, server_id, data_type) = (access.request, x.server_id, access.data_type);
        let ended = Reply::Unsubscribed { request, server_id, data_type, count: 0 };
        assert_eq!(client.next().await.reply(), ended);
        rig.x.post(Value::Float(5.0));
        client.echo().await;
        assert_eq!(rig.x.num_observers(), 0);
        client.say(&Request::Unsubscribe(access)).await;
        let Reply::Error { status, .. } = client.next().await.reply() else { panic!() };
        assert_eq!(status, bluefly_protocol::channel_access::status::BAD_SUBSCRIPTION);
        assert_eq!(client.hear().await, None);
    });
}

#[test]
fn only_what_was_asked_for_is_told() {
    serve(async |rig| {
        let mut client = rig.client().await;
        let x = client.open("x").await;
        let values = client.subscribe(x, TIME_DOUBLE, mask::VALUE).await;
        assert_eq!(event(&mut client, values.request).await, 1.5);
        let alarms = client.subscribe(x, TIME_DOUBLE, mask::ALARM).await;
        assert_eq!(event(&mut client, alarms.request).await, 1.5);
        let properties = client.subscribe(x, TIME_DOUBLE, mask::PROPERTY).await;
        assert_eq!(event(&mut client, properties.request).await, 1.5);
        rig.x.post_alarm(alarm("HIHI"));
        let told = client.next().await;
        assert_eq!((told.header.parameter_2, told.alarm()), (alarms.request, (3, 2)));
        rig.x.post(Value::Float(2.0));
        assert_eq!(event(&mut client, values.request).await, 2.0);
        client.echo().await;
    });
}

#[test]
fn a_record_that_describes_itself_anew_is_told_to_those_who_asked() {
    serve(async |rig| {
        let mut client = rig.client().await;
        let x = client.open("x").await;
        let values = client.subscribe(x, TIME_DOUBLE, mask::VALUE).await;
        assert_eq!(event(&mut client, values.request).await, 1.5);
        let control = Dbr::Value(Class::Control, Field::Double);
        let properties = client.subscribe(x, control, mask::PROPERTY).await;
        let told = client.next().await;
        assert_eq!(
            (told.header.parameter_2, &told.payload[8..12]),
            (properties.request, &b"mm\0\0"[..])
        );
        rig.x.post(Value::Float(2.0));
        assert_eq!(event(&mut client, values.request).await, 2.0);
        client.echo().await;
        rig.x.change(|metadata| metadata.units = "um".to_owned());
        rig.x.post(Value::Float(3.0));
        assert_eq!(event(&mut client, values.request).await, 3.0);
        let told = client.next().await;
        assert_eq!((told.header.parameter_2, told.number()), (properties.request, 3.0));
        assert_eq!(&told.payload[8..12], b"um\0\0");
        rig.x.change(|metadata| metadata.control.high = 12.5);
        rig.x.post_alarm(alarm("HIHI"));
        let told = client.next().await;
        assert_eq!((told.header.parameter_2, told.alarm()), (properties.request, (3, 2)));
        rig.x.post(Value::Float(4.0));
        assert_eq!(event(&mut client, values.request).await, 4.0);
        client.echo().await;
    });
}

#[test]
fn a_lost_device_is_told_as_an_invalid_value() {
    serve(async |rig| {
        let mut client = rig.client().await;
        let x = client.open("x").await;
        let access = client.subscribe(x, TIME_DOUBLE, EVERYTHING).await;
        event(&mut client, access.request).await;
        rig.x.lose();
        let told = client.next().await;
        assert_eq!((told.number(), told.alarm()), (1.5, (9, 3)));
    });
}

#[test]
fn arrays_are_told_as_long_as_they_are() {
    serve(async |rig| {
        let mut client = rig.client().await;
        let trace = client.open("cam:Trace").await;
        let dbr = Dbr::Value(Class::Plain, Field::Double);
        client.subscribe(trace, dbr, mask::VALUE).await;
        assert_eq!(client.next().await.header.count, 2);
        for count in [0, 7, 100_000] {
            rig.trace.post(Value::Floats(vec![1.0; count].into()));
            let told = client.next().await;
            assert_eq!(told.header.count as usize, count);
            assert_eq!(told.data().len(), count);
        }
        let fixed = client.access(trace, dbr, 3);
        client.say(&Request::Subscribe(fixed, mask::VALUE)).await;
        let told = client.next().await;
        assert_eq!((told.header.count, told.payload.len()), (3, 24));
    });
}

#[test]
fn who_switched_events_off_gets_the_last_of_them() {
    serve(async |rig| {
        let mut client = rig.client().await;
        let x = client.open("x").await;
        let access = client.subscribe(x, TIME_DOUBLE, EVERYTHING).await;
        event(&mut client, access.request).await;
        client.say(&Request::EventsOff).await;
        client.echo().await;
        for value in 0..100 {
            rig.x.post(Value::Float(value.into()));
        }
        client.echo().await;
        client.say(&Request::EventsOn).await;
        assert_eq!(event(&mut client, access.request).await, 99.0);
        assert_eq!(rig.num_dropped(), 99);
        rig.x.post(Value::Float(100.0));
        assert_eq!(event(&mut client, access.request).await, 100.0);
        client.echo().await;
    });
}

#[test]
fn every_client_is_told() {
    serve(async |rig| {
        let mut clients = vec![];
        for _ in 0..5 {
            let mut client = rig.client().await;
            let x = client.open("x").await;
            let access = client.subscribe(x, TIME_DOUBLE, EVERYTHING).await;
            assert_eq!(event(&mut client, access.request).await, 1.5);
            clients.push((client, access.request));
        }
        let (mut first, _) = clients.remove(0);
        let x = first.open("x").await;
        first.write(x, 8.0).await;
        for (client, request) in &mut clients {
            assert_eq!(event(client, *request).await, 8.0);
        }
    });
}
