//! A client that says and hears single messages, so that tests see the order of things.
use bluefly_actors::clock::Clock;
use bluefly_protocol::channel_access::{
    Access, Class, Data, Dbr, Decoder, Field, Header, Reply, Request, mask,
};
use std::{net::SocketAddr, time::Duration};
use tokio::{
    io::Interest,
    net::{TcpStream, UdpSocket},
};

/// A message that came.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Message {
    pub(super) header: Header,
    pub(super) payload: Vec<u8>,
}

impl Message {
    pub(super) fn reply(&self) -> Reply<'_> {
        Reply::decode(&self.header, &self.payload)
    }

    /// The elements of a plain value, or of one with a time.
    pub(super) fn data(&self) -> Data {
        let Reply::Value { data_type, count, payload, .. } = self.reply() else {
            panic!("no value: {self:?}")
        };
        let dbr = Dbr::from_code(data_type).unwrap();
        Data::decode(dbr.field(), count as usize, &payload[dbr.value_offset()..]).unwrap()
    }

    pub(super) fn number(&self) -> f64 {
        self.data().first_number().unwrap().unwrap()
    }

    /// Status and severity of a value that is not plain.
    pub(super) fn alarm(&self) -> (u16, u16) {
        let word = |at| u16::from_be_bytes([self.payload[at], self.payload[at + 1]]);
        (word(0), word(2))
    }
}

/// A channel that was opened.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Opened {
    pub(super) server_id: u32,
    pub(super) field: Field,
    pub(super) count: u32,
    pub(super) write: bool,
}

pub(super) struct Client {
    clock: Clock,
    stream: TcpStream,
    decoder: Decoder,
    next_id: u32,
}

/// No server that works takes so long.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) const TIME_DOUBLE: Dbr = Dbr::Value(Class::Time, Field::Double);
pub(super) const DOUBLE: Dbr = Dbr::Value(Class::Plain, Field::Double);
pub(super) const EVERYTHING: u16 = mask::VALUE | mask::ALARM;

impl Client {
    pub(super) async fn connect(clock: &Clock, server: SocketAddr) -> Self {
        let stream = TcpStream::connect(server).await.unwrap();
        let decoder = Decoder::new(64 << 20);
        let mut client = Self { clock: clock.clone(), stream, decoder, next_id: 100 };
        let hello = client.next().await;
        assert_eq!(hello.reply(), Reply::Version { minor: 13, sequence: None });
        client.say(&Request::Version { minor: 13, priority: 0, sequence: None }).await;
        client.say(&Request::ClientName(b"tester")).await;
        client.say(&Request::HostName(b"here")).await;
        client
    }

    /// Where it is, for the server.
    pub(super) fn address(&self) -> SocketAddr {
        self.stream.local_addr().unwrap()
    }

    pub(super) async fn say(&mut self, request: &Request<'_>) {
        let mut bytes = vec![];
        request.encode(&mut bytes);
        self.send(&bytes).await;
    }

    pub(super) async fn send(&mut self, mut bytes: &[u8]) {
        let sending = async {
            while !bytes.is_empty() {
                self.stream.ready(Interest::WRITABLE).await.unwrap();
                match self.stream.try_write(bytes) {
                    Ok(length) => bytes = &bytes[length..],
                    Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock),
                }
            }
        };
        self.clock.timeout(PATIENCE, sending).await.expect("the server takes what is sent");
    }

    /// The next message; `None` once the server has closed the circuit.
    pub(super) async fn hear(&mut self) -> Option<Message> {
        let hearing = async {
            let mut buffer = vec![0; 1 << 16];
            loop {
                if let Some((header, payload)) = self.decoder.next_message().unwrap() {
                    return Some(Message { header, payload: payload.to_vec() });
                }
                self.stream.readable().await.unwrap();
                match self.stream.try_read(&mut buffer) {
                    Ok(0) => return None,
                    Ok(length) => self.decoder.feed(&buffer[..length]),
                    Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                    Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {
                        return None;
                    }
                    Err(error) => panic!("{error}"),
                }
            }
        };
        self.clock.timeout(PATIENCE, hearing).await.expect("the server answers")
    }

    pub(super) async fn next(&mut self) -> Message {
        self.hear().await.expect("the circuit is open")
    }

    pub(super) fn id(&mut self) -> u32 {
        self.next_id += 1;
        self.next_id
    }

    /// Opens a channel, if there is one.
    pub(super) async fn try_open(&mut self, name: &str) -> Option<Opened> {
        let id = self.id();
        self.say(&Request::CreateChannel { id, name: name.as_bytes() }).await;
        let first = self.next().await;
        let write = match first.reply() {
            Reply::CreateFailed { id: other } => {
                assert_eq!(other, id);
                return None;
            }
            Reply::AccessRights { id: other, read: true, write } if other == id => write,
            other => panic!("{other:?}"),
        };
        let second = self.next().await;
        let Reply::Created { id: other, server_id, field, count } = second.reply() else {
            panic!("{second:?}")
        };
        assert_eq!(other, id);
        Some(Opened { server_id, field, count, write })
    }

    pub(super) async fn open(&mut self, name: &str) -> Opened {
        self.try_open(name).await.expect(name)
    }

    pub(super) fn access(&mut self, channel: Opened, dbr: Dbr, count: u32) -> Access {
        Access { channel: channel.server_id, request: self.id(), data_type: dbr.code(), count }
    }

    /// Asks for a value and hears it: nothing else may come before.
    pub(super) async fn read(&mut self, channel: Opened, dbr: Dbr, count: u32) -> Message {
        let access = self.access(channel, dbr, count);
        self.say(&Request::Read(access)).await;
        let message = self.next().await;
        let Reply::Value { is_event: false, request, .. } = message.reply() else {
            panic!("{message:?}")
        };
        assert_eq!(request, access.request);
        message
    }

    /// Puts a number without asking for an answer.
    pub(super) async fn write(&mut self, channel: Opened, number: f64) {
        let access = self.access(channel, DOUBLE, 1);
        self.say(&Request::Write(access, &number.to_be_bytes())).await;
    }

    /// Puts a number and asks to be told when it is done; what the request is called.
    pub(super) async fn write_notify(&mut self, channel: Opened, number: f64) -> u32 {
        let access = self.access(channel, DOUBLE, 1);
        self.say(&Request::WriteNotify(access, &number.to_be_bytes())).await;
        access.request
    }

    pub(super) async fn subscribe(&mut self, channel: Opened, dbr: Dbr, mask: u16) -> Access {
        let access = self.access(channel, dbr, 0);
        self.say(&Request::Subscribe(access, mask)).await;
        access
    }

    /// Hears an answer to an echo: all that was said before has been done.
    pub(super) async fn echo(&mut self) {
        self.say(&Request::Echo).await;
        let message = self.next().await;
        assert_eq!(message.reply(), Reply::Echo);
    }
}

/// Asks for names by UDP; the ids and ports that came back in one datagram.
pub(super) async fn search(clock: &Clock, server: SocketAddr, datagram: &[u8]) -> Vec<Message> {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.send_to(datagram, server).await.unwrap();
    let mut buffer = vec![0; 1 << 16];
    let answer = clock.timeout(PATIENCE, socket.recv(&mut buffer)).await;
    let length = answer.expect("the server answers").unwrap();
    let mut decoder = Decoder::new(1_000);
    decoder.feed(&buffer[..length]);
    let mut messages = vec![];
    while let Some((header, payload)) = decoder.next_message().unwrap() {
        messages.push(Message { header, payload: payload.to_vec() });
    }
    messages
}
