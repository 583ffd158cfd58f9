//! Puts with and without an answer: what waits for what.
use super::{
    client::{Client, DOUBLE, Opened},
    rig::{serve, serve_with},
};
use bluefly_actors::signal::{SignalError, Value};
use bluefly_protocol::channel_access::{Access, Class, Dbr, Field, Reply, Request, status};
use std::time::Duration;

async fn hear_written(client: &mut Client, expected: u32, expected_status: u32) {
    let message = client.next().await;
    let Reply::Written { request, status, .. } = message.reply() else { panic!("{message:?}") };
    assert_eq!((request, status), (expected, expected_status));
}

async fn hear_error(client: &mut Client, expected_status: u32, expected: &str) {
    let message = client.next().await;
    let Reply::Error { status, text, .. } = message.reply() else { panic!("{message:?}") };
    assert_eq!((status, text), (expected_status, expected));
}

#[test]
fn a_put_callback_is_answered_when_it_is_complete() {
    serve(async |rig| {
        rig.x.hold_puts();
        let mut client = rig.client().await;
        let x = client.open("x").await;
        let put = client.write_notify(x, 5.0).await;
        // The circuit goes on meanwhile.
        assert_eq!(client.read(x, DOUBLE, 1).await.number(), 5.0);
        client.echo().await;
        rig.x.complete(Ok(()));
        hear_written(&mut client, put, status::NORMAL).await;
    });
}

#[test]
fn a_put_without_callback_does_not_wait() {
    serve(async |rig| {
        rig.x.hold_puts();
        let mut client = rig.client().await;
        let x = client.open("x").await;
        client.write(x, 5.0).await;
        assert_eq!(client.read(x, DOUBLE, 1).await.number(), 5.0);
        assert_eq!(rig.x.puts(), [Value::Float(5.0)]);
    });
}

#[test]
fn puts_begin_in_the_order_in_which_they_were_said() {
    serve(async |rig| {
        rig.x.hold_puts();
        let mut client = rig.client().await;
        let x = client.open("x").await;
        let mut bytes = vec![];
        let access = Access { channel: x.server_id, request: 1, data_type: 6, count: 1 };
        Request::WriteNotify(access, &5.0_f64.to_be_bytes()).encode(&mut bytes);
        Request::Write(access, &6.0_f64.to_be_bytes()).encode(&mut bytes);
        client.send(&bytes).await;
        client.echo().await;
        assert_eq!(rig.x.puts(), [Value::Float(5.0), Value::Float(6.0)]);
        rig.x.complete(Ok(()));
        hear_written(&mut client, 1, status::NORMAL).await;
    });
}

#[test]
fn a_second_put_callback_on_the_same_channel_holds_up_the_circuit() {
    serve(async |rig| {
        rig.x.hold_puts();
        let mut client = rig.client().await;
        let (x, y) = (client.open("x").await, client.open("y").await);
        let first = client.write_notify(x, 20.0).await;
        let second = client.write_notify(x, 1.0).await;
        let read = client.access(y, DOUBLE, 1);
        client.say(&Request::Read(read)).await;
        // Another client sees that nothing of this one was done, but is not held up itself.
        let mut other = rig.client().await;
        let x_of_other = other.open("x").await;
        other.write(x_of_other, 7.0).await;
        assert_eq!(other.read(x_of_other, DOUBLE, 1).await.number(), 7.0);
        assert_eq!(rig.x.puts(), [Value::Float(20.0), Value::Float(7.0)]);
        rig.x.complete(Ok(()));
        hear_written(&mut client, first, status::NORMAL).await;
        let message = client.next().await;
        let Reply::Value { request, .. } = message.reply() else { panic!("{message:?}") };
        assert_eq!(request, read.request);
        rig.x.complete(Ok(()));
        hear_written(&mut client, second, status::NORMAL).await;
        assert_eq!(rig.x.puts().last(), Some(&Value::Float(1.0)));
    });
}

#[test]
fn put_callbacks_of_one_record_follow_one_another() {
    serve(async |rig| {
        rig.x.hold_puts();
        let (mut one, mut other) = (rig.client().await, rig.client().await);
        let x = one.open("x").await;
        let first = one.write_notify(x, 20.0).await;
        one.echo().await;
        let stop = other.open("x.STOP").await;
        let stopping = other.write_notify(stop, 1.0).await;
        let y = other.open("y").await;
        let free = other.write_notify(y, 3.0).await;
        hear_written(&mut other, free, status::NORMAL).await;
        rig.x.complete(Ok(()));
        hear_written(&mut one, first, status::NORMAL).await;
        hear_written(&mut other, stopping, status::NORMAL).await;
    });
}

#[test]
fn a_put_callback_that_never_ends_is_given_up() {
    serve_with(
        |settings| settings.give_up_after = Duration::from_millis(20),
        async |rig| {
            rig.x.hold_puts();
            let mut client = rig.client().await;
            let x = client.open("x").await;
            let first = client.write_notify(x, 20.0).await;
            let second = client.write_notify(x, 1.0).await;
            hear_written(&mut client, first, status::PUT_IN_PROGRESS).await;
            client.echo().await;
            assert_eq!(rig.x.puts(), [Value::Float(20.0), Value::Float(1.0)]);
            let third = client.write_notify(x, 2.0).await;
            hear_written(&mut client, second, status::PUT_IN_PROGRESS).await;
            client.echo().await;
            assert_eq!(rig.x.puts().len(), 3);
            assert_ne!(third, second);
        },
    );
}

#[test]
fn a_client_that_leaves_lets_go_of_its_put_callback() {
    serve(async |rig| {
        rig.x.hold_puts();
        let mut one = rig.client().await;
        let x = one.open("x").await;
        one.write_notify(x, 20.0).await;
        one.echo().await;
        drop(one);
        rig.until_circuits(0).await;
        let mut other = rig.client().await;
        let stop = other.open("x.STOP").await;
        let stopping = other.write_notify(stop, 1.0).await;
        hear_written(&mut other, stopping, status::NORMAL).await;
    });
}

#[test]
fn what_is_refused_is_told_and_harms_nothing() {
    serve(async |rig| {
        let mut client = rig.client().await;
        let (x, readback) = (client.open("x").await, client.open("x.RBV").await);
        let put = client.write_notify(x, 666.0).await;
        hear_written(&mut client, put, status::PUT_FAILED).await;
        client.write(x, 666.0).await;
        let reason = "x.VAL refused 666: it is a bad number";
        hear_error(&mut client, status::PUT_FAILED, reason).await;
        let put = client.write_notify(readback, 1.0).await;
        hear_written(&mut client, put, status::NO_WRITE_ACCESS).await;
        client.write(readback, 1.0).await;
        let reason = "x.RBV: it is read-only";
        hear_error(&mut client, status::NO_WRITE_ACCESS, reason).await;
        let access = client.access(x, Dbr::Value(Class::Time, Field::Double), 1);
        client.say(&Request::WriteNotify(access, &[0; 24])).await;
        hear_written(&mut client, access.request, status::BAD_TYPE).await;
        let access = client.access(x, DOUBLE, 4);
        client.say(&Request::WriteNotify(access, &[0; 8])).await;
        hear_written(&mut client, access.request, status::PUT_FAILED).await;
        rig.x.hold_puts();
        let put = client.write_notify(x, 4.0).await;
        client.echo().await;
        rig.x.complete(Err(SignalError::disconnected("x")));
        hear_written(&mut client, put, status::PUT_FAILED).await;
        assert_eq!(rig.x.puts(), [Value::Float(4.0)]);
        client.echo().await;
    });
}

async fn put(client: &mut Client, channel: Opened, field: Field, count: u32, bytes: &[u8]) -> u32 {
    let access = client.access(channel, Dbr::Value(Class::Plain, field), count);
    client.say(&Request::WriteNotify(access, bytes)).await;
    let message = client.next().await;
    let Reply::Written { request, status, .. } = message.reply() else { panic!("{message:?}") };
    assert_eq!(request, access.request);
    status
}

#[test]
fn what_is_put_becomes_what_the_signal_takes() {
    serve(async |rig| {
        let mut client = rig.client().await;
        let (x, mode) = (client.open("x").await, client.open("cam:Mode").await);
        let (path, label) = (client.open("cam:Path").await, client.open("cam:Label").await);
        let (long, trace) = (client.open("cam:Label$").await, client.open("cam:Trace").await);
        let check = async |client: &mut Client, channel, field, count, bytes: &[u8], expected| {
            assert_eq!(put(client, channel, field, count, bytes).await, expected, "{bytes:?}");
        };
        let (ok, refused) = (status::NORMAL, status::PUT_FAILED);
        check(&mut client, x, Field::String, 1, b"2.5\0\0\0\0\0", ok).await;
        check(&mut client, x, Field::Short, 1, &[0, 3], ok).await;
        check(&mut client, x, Field::String, 1, b"two\0\0\0\0\0", refused).await;
        assert_eq!(rig.x.puts(), [Value::Float(2.5), Value::Float(3.0)]);
        check(&mut client, mode, Field::String, 1, b"Gate\0\0\0\0", ok).await;
        check(&mut client, mode, Field::String, 1, b"0\0\0\0\0\0\0\0", ok).await;
        check(&mut client, mode, Field::Enum, 1, &[0, 1], ok).await;
        check(&mut client, mode, Field::Enum, 1, &[0, 3], refused).await;
        check(&mut client, mode, Field::String, 1, b"gate\0\0\0\0", refused).await;
        let words = ["Gate", "Internal", "External"];
        assert_eq!(rig.mode.puts(), words.map(|word| Value::Text(word.into())));
        check(&mut client, path, Field::Char, 5, b"/tmp\0", ok).await;
        check(&mut client, path, Field::Char, 4, b"/tmp", ok).await;
        check(&mut client, path, Field::Char, 2, &[0xff, 0], refused).await;
        check(&mut client, path, Field::String, 1, b"/tmp\0\0\0\0", refused).await;
        assert_eq!(rig.path.puts(), ["/tmp", "/tmp"].map(|path| Value::Text(path.into())));
        check(&mut client, label, Field::String, 1, b"red\0\0\0\0\0", ok).await;
        check(&mut client, long, Field::Char, 6, b"green\0", ok).await;
        let words = ["red", "green"];
        assert_eq!(rig.label.puts(), words.map(|word| Value::Text(word.into())));
        check(&mut client, trace, Field::Short, 3, &[0, 1, 0, 2, 0, 3], ok).await;
        check(&mut client, trace, Field::Double, 0, &[], ok).await;
        let arrays: [&[f64]; 2] = [&[1.0, 2.0, 3.0], &[]];
        assert_eq!(rig.trace.puts(), arrays.map(|array| Value::Floats(array.into())));
        let many = vec![0; 8_000_000];
        check(&mut client, trace, Field::Double, 1_000_000, &many, ok).await;
        assert_eq!(rig.trace.puts().last(), Some(&Value::Floats(vec![0.0; 1_000_000].into())));
    });
}
