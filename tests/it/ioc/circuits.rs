//! Channels and their values: opening, reading, closing.
use super::{
    client::{DOUBLE, Opened, TIME_DOUBLE},
    rig::{TIMESTAMP_S, serve},
};
use bluefly_actors::signal::{Alarm, Range, Severity, Value};
use bluefly_protocol::channel_access::{Class, Data, Dbr, Field, Reply, Request, Stamp, status};

const STRING: Dbr = Dbr::Value(Class::Plain, Field::String);

fn plain(field: Field) -> Dbr {
    Dbr::Value(Class::Plain, field)
}

fn text(text: &str) -> Data {
    Data::Strings(vec![text.to_owned()])
}

#[test]
fn a_channel_has_its_type_count_and_access() {
    serve(async |rig| {
        let mut client = rig.client().await;
        let check = async |client: &mut super::client::Client, name: &str, field, count, write| {
            let opened = client.open(name).await;
            let server_id = opened.server_id;
            assert_eq!(opened, Opened { server_id, field, count, write }, "{name}");
        };
        check(&mut client, "x.VAL", Field::Double, 1, true).await;
        check(&mut client, "x", Field::Double, 1, true).await;
        check(&mut client, "x.RBV", Field::Double, 1, false).await;
        check(&mut client, "x.STOP", Field::Short, 1, true).await;
        check(&mut client, "y.VAL", Field::Double, 1, true).await;
        check(&mut client, "cam:Mode", Field::Enum, 1, true).await;
        check(&mut client, "cam:Path", Field::Char, 64, true).await;
        check(&mut client, "cam:Label", Field::String, 1, true).await;
        check(&mut client, "cam:Label$", Field::Char, 40, true).await;
        check(&mut client, "cam:Label.VAL$", Field::Char, 40, true).await;
        check(&mut client, "cam:Trace", Field::Double, 1_000_000, true).await;
        check(&mut client, "cam:Trace.NORD", Field::Long, 1, false).await;
        check(&mut client, "x.SEVR", Field::Enum, 1, false).await;
        check(&mut client, "x.EGU", Field::String, 1, false).await;
        check(&mut client, "x.EGU$", Field::Char, 40, false).await;
    });
}

#[test]
fn what_is_not_there_is_said_not_to_be() {
    serve(async |rig| {
        let mut client = rig.client().await;
        for name in ["nobody", "x.", "x.NOPE", "x$", "cam:Mode$", "x.PREC$", "", ".VAL", "$"] {
            assert_eq!(client.try_open(name).await, None, "{name}");
        }
        let long = "x".repeat(501);
        assert_eq!(client.try_open(&long).await, None);
        client.say(&Request::Search { id: 5, name: b"x", must_reply: true }).await;
        let port = rig.addresses().circuits.port();
        assert_eq!(client.next().await.reply(), Reply::Found { id: 5, port });
        client.say(&Request::Search { id: 6, name: b"z", must_reply: true }).await;
        assert_eq!(client.next().await.reply(), Reply::NotFound { id: 6 });
    });
}

#[test]
fn fields_of_every_record_can_be_read() {
    serve(async |rig| {
        let mut client = rig.client().await;
        let check = async |client: &mut super::client::Client, name: &str, expected: &str| {
            let channel = client.open(name).await;
            let message = client.read(channel, STRING, 1).await;
            assert_eq!(message.data(), text(expected), "{name}");
        };
        check(&mut client, "x.NAME", "x").await;
        check(&mut client, "x.RTYP", "motor").await;
        check(&mut client, "y.RTYP", "ao").await;
        check(&mut client, "cam:Mode.RTYP", "mbbo").await;
        check(&mut client, "cam:Trace.RTYP", "waveform").await;
        check(&mut client, "x.EGU", "mm").await;
        check(&mut client, "x.PREC", "3").await;
        check(&mut client, "x.DESC", "").await;
        check(&mut client, "cam:Trace.NELM", "1000000").await;
        check(&mut client, "cam:Trace.NORD", "2").await;
        check(&mut client, "cam:Path.NORD", "6").await;
        check(&mut client, "x.SEVR", "NO_ALARM").await;
        rig.x.post_alarm(Alarm { severity: Severity::Major, text: "HWLIMIT".into() });
        check(&mut client, "x.SEVR", "MAJOR").await;
        let channel = client.open("x").await;
        let message = client.read(channel, Dbr::RecordType, 1).await;
        assert_eq!(message.data(), text("motor"));
    });
}

#[test]
fn values_come_in_every_form() {
    serve(async |rig| {
        let mut client = rig.client().await;
        let x = client.open("x").await;
        assert_eq!(client.read(x, plain(Field::Double), 0).await.number(), 1.5);
        assert_eq!(client.read(x, STRING, 1).await.data(), text("1.500"));
        assert_eq!(client.read(x, plain(Field::Long), 1).await.data(), Data::Longs(vec![1]));
        let mode = client.open("cam:Mode").await;
        assert_eq!(client.read(mode, STRING, 1).await.data(), text("External"));
        assert_eq!(client.read(mode, plain(Field::Enum), 1).await.data(), Data::Enums(vec![1]));
        let path = client.open("cam:Path").await;
        let characters = Data::Chars(b"/data\0".to_vec());
        assert_eq!(client.read(path, plain(Field::Char), 0).await.data(), characters);
        let filled = client.read(path, plain(Field::Char), 64).await;
        assert_eq!(filled.payload[..6], *b"/data\0");
        assert_eq!(filled.payload[6..], [0; 58]);
        let label = client.open("cam:Label$").await;
        let characters = Data::Chars(b"blue\0".to_vec());
        assert_eq!(client.read(label, plain(Field::Char), 0).await.data(), characters);
        let trace = client.open("cam:Trace").await;
        let two = Data::Doubles([1.0, 2.0].into());
        assert_eq!(client.read(trace, plain(Field::Double), 0).await.data(), two);
        rig.trace.post(Value::Floats([].into()));
        let none = client.read(trace, plain(Field::Double), 0).await;
        assert_eq!((none.header.count, none.data()), (0, Data::Doubles([].into())));
        rig.trace.post(Value::Floats(vec![0.5; 1_000_000].into()));
        let many = client.read(trace, plain(Field::Double), 0).await;
        assert_eq!((many.header.count, many.payload.len()), (1_000_000, 8_000_000));
        assert_eq!(many.data(), Data::Doubles(vec![0.5; 1_000_000].into()));
    });
}

#[test]
fn a_value_has_its_time_and_its_alarm() {
    serve(async |rig| {
        let mut client = rig.client().await;
        let x = client.open("x").await;
        let calm = client.read(x, TIME_DOUBLE, 1).await;
        let stamp = Stamp::default().at_unix_s(TIMESTAMP_S);
        assert_eq!(calm.payload[4..8], stamp.seconds.to_be_bytes());
        assert_eq!(calm.payload[8..12], 250_000_000_u32.to_be_bytes());
        assert_eq!(calm.alarm(), (0, 0));
        rig.x.post_alarm(Alarm { severity: Severity::Minor, text: "HIGH".into() });
        assert_eq!(client.read(x, TIME_DOUBLE, 1).await.alarm(), (4, 1));
        rig.x.post_alarm(Alarm { severity: Severity::Major, text: "following error".into() });
        assert_eq!(client.read(x, TIME_DOUBLE, 1).await.alarm(), (7, 2));
    });
}

#[test]
fn limits_that_changed_are_told() {
    serve(async |rig| {
        let mut client = rig.client().await;
        let x = client.open("x").await;
        let control = Dbr::Value(Class::Control, Field::Double);
        let limit = |payload: &[u8], i: usize| {
            f64::from_be_bytes(payload[16 + 8 * i..24 + 8 * i].try_into().unwrap())
        };
        let first = client.read(x, control, 1).await.payload;
        assert_eq!(&first[4..10], b"\0\x03\0\0mm");
        assert_eq!((limit(&first, 6), limit(&first, 7)), (0.0, 0.0));
        assert!(limit(&first, 2).is_nan());
        rig.x.change(|metadata| {
            metadata.control = Range { low: -5.0, high: 7.0 };
            metadata.units = "um".into();
        });
        let second = client.read(x, control, 1).await.payload;
        assert_eq!(&second[8..10], b"um");
        assert_eq!((limit(&second, 6), limit(&second, 7)), (7.0, -5.0));
    });
}

#[test]
fn a_device_that_is_gone_is_an_alarm_or_a_failure() {
    serve(async |rig| {
        let mut client = rig.client().await;
        let (x, y) = (client.open("x").await, client.open("y").await);
        let first = client.subscribe(x, TIME_DOUBLE, 1).await;
        let Reply::Value { request, .. } = client.next().await.reply() else { panic!() };
        assert_eq!(request, first.request);
        rig.x.lose();
        rig.y.lose();
        client.say(&Request::Unsubscribe(first)).await;
        client.next().await;
        let last = client.read(x, TIME_DOUBLE, 1).await;
        assert_eq!((last.number(), last.alarm()), (1.5, (9, 3)));
        let never = client.read(y, DOUBLE, 1).await;
        assert_eq!(never.header.parameter_1, status::GET_FAILED);
    });
}

#[test]
fn a_channel_can_be_closed_and_opened_again() {
    serve(async |rig| {
        let mut client = rig.client().await;
        let x = client.open("x").await;
        client.subscribe(x, TIME_DOUBLE, 1).await;
        client.next().await;
        assert_eq!(rig.x.num_observers(), 1);
        let server_id = x.server_id;
        client.say(&Request::ClearChannel { server_id, id: 7 }).await;
        assert_eq!(client.next().await.reply(), Reply::Cleared { server_id, id: 7 });
        let again = client.open("y").await;
        assert_eq!(client.read(again, DOUBLE, 1).await.number(), -2.0);
        assert_eq!(rig.x.num_observers(), 0);
        client.say(&Request::ReadSync).await;
        assert_eq!(client.next().await.reply(), Reply::ReadSync);
        let server_id = again.server_id;
        client.say(&Request::ClearChannel { server_id, id: 8 }).await;
        client.next().await;
        client.say(&Request::ClearChannel { server_id, id: 8 }).await;
        assert_eq!(client.hear().await, None);
    });
}

#[test]
fn a_server_is_killed_and_comes_back_where_it_was() {
    serve(async |rig| {
        let mut client = rig.client().await;
        let x = client.open("x").await;
        client.write(x, 3.0).await;
        client.echo().await;
        rig.stop().await;
        assert_eq!(client.hear().await, None);
        rig.start();
        let mut client = rig.client().await;
        let x = client.open("x").await;
        assert_eq!(client.read(x, DOUBLE, 1).await.number(), 3.0);
    });
}
