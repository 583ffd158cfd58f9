//! Clients that are slow, dead, greedy or mad harm nobody but themselves.
use super::{
    client::{Client, DOUBLE, EVERYTHING, TIME_DOUBLE},
    rig::{serve, serve_with},
};
use bluefly_actors::signal::Value;
use bluefly_protocol::channel_access::{Access, Header, Reply, Request, command, mask, status};
use std::{fs, net::SocketAddr, time::Duration};

#[test]
fn a_client_that_never_reads_loses_events_and_nothing_else() {
    serve(async |rig| {
        let mut slow = rig.client().await;
        let trace = slow.open("cam:Trace").await;
        slow.subscribe(trace, DOUBLE, mask::VALUE).await;
        let mut quick = rig.client().await;
        let (y, trace) = (quick.open("y").await, quick.open("cam:Trace").await);
        quick.subscribe(trace, DOUBLE, mask::VALUE).await;
        assert_eq!(quick.next().await.header.count, 2);
        // 80 MB, which nothing between the two would hold.
        for round in 0..100 {
            rig.trace.post(Value::Floats(vec![f64::from(round); 100_000].into()));
            let told = quick.next().await;
            assert_eq!((told.header.count, told.number()), (100_000, f64::from(round)));
            assert_eq!(quick.read(y, DOUBLE, 1).await.number(), -2.0);
        }
        // What it reads after all ends with the last value.
        let (mut last, mut num_told) = (0.0, 0);
        while last < 99.0 {
            last = slow.next().await.number();
            num_told += 1;
        }
        assert_eq!(num_told + rig.num_dropped(), 101);
        assert!(rig.num_dropped() > 50, "only {} were dropped", rig.num_dropped());
    });
}

#[test]
fn a_client_that_asks_and_never_reads_is_not_heard_until_it_does() {
    serve(async |rig| {
        rig.trace.post(Value::Floats(vec![0.5; 100_000].into()));
        let mut greedy = rig.client().await;
        let trace = greedy.open("cam:Trace").await;
        let mut bytes = vec![];
        for request in 0..50 {
            let access = Access { channel: trace.server_id, request, data_type: 6, count: 0 };
            Request::Read(access).encode(&mut bytes);
        }
        greedy.send(&bytes).await;
        let mut other = rig.client().await;
        let x = other.open("x").await;
        assert_eq!(other.read(x, DOUBLE, 1).await.number(), 1.5);
        for request in 0..50 {
            let message = greedy.next().await;
            assert_eq!((message.header.parameter_2, message.header.count), (request, 100_000));
        }
    });
}

#[test]
fn a_client_that_takes_nothing_for_long_is_dropped_and_one_that_is_owed_nothing_is_not() {
    serve_with(
        |settings| settings.drop_after = Duration::from_millis(50),
        async |rig| {
            let mut idle = rig.client().await;
            let x = idle.open("x").await;
            let mut stuck = rig.client().await;
            let trace = stuck.open("cam:Trace").await;
            stuck.subscribe(trace, DOUBLE, mask::VALUE).await;
            assert_eq!(stuck.next().await.header.count, 2);
            rig.until_circuits(2).await;
            // More than lies between the two.
            rig.trace.post(Value::Floats(vec![0.5; 1_000_000].into()));
            idle.echo().await;
            rig.trace.post(Value::Floats(vec![1.5; 1_000_000].into()));
            rig.until_circuits(1).await;
            assert_eq!(rig.trace.num_observers(), 0);
            assert_eq!(idle.read(x, DOUBLE, 1).await.number(), 1.5);
        },
    );
}

/// The timer that runs of the connection of `from` to `to`, by the table of the system.
fn timer(from: SocketAddr, to: SocketAddr) -> String {
    let end = |address: SocketAddr| format!("0100007F:{:04X}", address.port());
    let table = fs::read_to_string("/proc/self/net/tcp").unwrap();
    let mut rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let row = rows.find(|row| row[1] == end(from) && row[2] == end(to));
    row.expect("they are connected")[5][..2].to_owned()
}

#[test]
fn circuits_are_kept_alive() {
    serve(async |rig| {
        let mut client = rig.client().await;
        client.echo().await;
        let (server, client) = (rig.addresses().circuits, client.address());
        let acknowledged = async {
            while timer(server, client) == "01" {
                tokio::task::yield_now().await;
            }
        };
        rig.clock.timeout(Duration::from_secs(20), acknowledged).await.expect("it is read");
        assert_eq!(timer(server, client), "02");
    });
}

async fn check_ended(rig: &super::rig::Rig, bytes: &[u8], error: Option<u32>) {
    let mut client = rig.client().await;
    client.send(bytes).await;
    if let Some(expected) = error {
        let message = client.next().await;
        let Reply::Error { status, .. } = message.reply() else { panic!("{message:?}") };
        assert_eq!(status, expected);
    }
    assert_eq!(client.hear().await, None, "{bytes:?}");
    rig.until_circuits(0).await;
}

#[test]
fn what_is_no_request_ends_the_circuit() {
    serve(async |rig| {
        let header = |command, payload_bytes, data_type, parameter_1| {
            let header =
                Header { command, payload_bytes, data_type, parameter_1, ..Header::default() };
            let mut bytes = vec![];
            header.encode(&mut bytes);
            bytes
        };
        check_ended(&rig, &header(99, 0, 0, 0), Some(status::INTERNAL)).await;
        check_ended(&rig, b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", None).await;
        check_ended(&rig, &header(command::WRITE, u32::MAX - 7, 6, 0), Some(status::TOO_LARGE))
            .await;
        check_ended(&rig, &header(command::WRITE, 9, 6, 0), None).await;
        check_ended(&rig, &header(command::READ_NOTIFY, 0, 6, 12_345), None).await;
        check_ended(&rig, &header(command::EVENT_CANCEL, 0, 6, 12_345), None).await;
        check_ended(&rig, &header(command::WRITE_NOTIFY, 0, 6, 12_345), None).await;
        check_ended(&rig, &header(command::CLEAR_CHANNEL, 0, 0, 12_345), None).await;
    });
}

#[test]
fn a_value_of_no_type_ends_the_circuit_and_too_many_elements_do_not() {
    serve(async |rig| {
        let mut client = rig.client().await;
        let x = client.open("x").await;
        let access = Access { channel: x.server_id, request: 1, data_type: 6, count: 2 };
        client.say(&Request::Read(access)).await;
        let message = client.next().await;
        let Reply::Error { status, text, .. } = message.reply() else { panic!("{message:?}") };
        assert_eq!((status, text), (status::BAD_COUNT, "x.VAL holds 1 elements, not 2"));
        client.say(&Request::Read(Access { count: u32::MAX, ..access })).await;
        let message = client.next().await;
        let Reply::Error { status, .. } = message.reply() else { panic!("{message:?}") };
        assert_eq!(status, status::BAD_COUNT);
        client.echo().await;
        client.say(&Request::Read(Access { data_type: 77, count: 1, ..access })).await;
        let message = client.next().await;
        let Reply::Error { status, .. } = message.reply() else { panic!("{message:?}") };
        assert_eq!(status, status::BAD_TYPE);
        assert_eq!(client.hear().await, None);
    });
}

#[test]
fn a_silent_device_fails_the_read_and_not_the_server() {
    serve_with(
        |settings| settings.answer_within = Duration::from_millis(20),
        async |rig| {
            rig.x.be_silent();
            let mut client = rig.client().await;
            let (x, y) = (client.open("x").await, client.open("y").await);
            let message = client.read(x, DOUBLE, 1).await;
            assert_eq!(message.header.parameter_1, status::GET_FAILED);
            assert_eq!(client.read(y, DOUBLE, 1).await.number(), -2.0);
        },
    );
}

#[test]
fn more_clients_than_there_is_room_for_are_turned_away() {
    serve(async |rig| {
        let mut clients = vec![];
        for _ in 0..256 {
            clients.push(rig.client().await);
        }
        let stream = tokio::net::TcpStream::connect(rig.addresses().circuits).await.unwrap();
        stream.readable().await.unwrap();
        assert_eq!(stream.try_read(&mut [0; 16]).unwrap(), 0);
        clients.pop();
        rig.until_circuits(255).await;
        let mut client: Client = rig.client().await;
        let x = client.open("x").await;
        assert_eq!(client.read(x, DOUBLE, 1).await.number(), 1.5);
    });
}

#[test]
fn nothing_is_left_of_a_client_that_is_gone() {
    serve(async |rig| {
        rig.y.hold_puts();
        let mut client = rig.client().await;
        let (x, y) = (client.open("x").await, client.open("y").await);
        client.subscribe(x, TIME_DOUBLE, EVERYTHING).await;
        client.next().await;
        client.say(&Request::EventsOff).await;
        client.echo().await;
        rig.x.post(Value::Float(2.0));
        client.write_notify(y, 1.0).await;
        client.echo().await;
        drop(client);
        rig.until_circuits(0).await;
        tokio::task::yield_now().await;
        assert_eq!(rig.x.num_observers(), 0);
    });
}
