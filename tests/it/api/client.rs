//! [`Client`]: HTTP and WebSocket, byte by byte.
use serde_json::Value;
use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

/// How long anything is waited for before a test fails.
const PATIENCE: Duration = Duration::from_mins(1);

/// A connection.
pub(crate) struct Client {
    stream: BufReader<TcpStream>,
    address: SocketAddr,
    /// Sent with every request.
    pub(crate) headers: String,
}

/// An answer, all of it.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

/// A frame of a WebSocket.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    Text(String),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    /// With its code.
    Close(Option<u16>),
}

impl Answer {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Status, code, place and message of an error.
    pub(crate) fn error(&self) -> (u16, String, String, String) {
        let error = &self.json()["error"];
        let text = |key: &str| error[key].as_str().unwrap_or_default().to_owned();
        (self.status, text("code"), text("where"), text("message"))
    }
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream: BufReader::new(stream), address, headers: String::new() }
    }

    pub(crate) fn get(&mut self, path: &str) -> Answer {
        self.request("GET", path, None)
    }

    /// The JSON that `path` leads to.
    pub(crate) fn json(&mut self, path: &str) -> Value {
        let answer = self.get(path);
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer.json()
    }

    pub(crate) fn post(&mut self, path: &str, body: Option<&str>) -> Answer {
        self.request("POST", path, body)
    }

    /// Asks for a step of the API and waits for its end.
    pub(crate) fn step(&mut self, step: &str, body: Option<&str>) -> Value {
        let answer = self.post(&format!("/api/v1/{step}?wait=60"), body);
        assert_eq!(answer.status, 202, "{step}: {answer:?}");
        answer.json()
    }

    pub(crate) fn request(&mut self, method: &str, path: &str, body: Option<&str>) -> Answer {
        let body = body.map_or(String::from("\r\n"), |body| {
            let length = body.len();
            format!("content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}")
        });
        let (host, headers) = (self.address, &self.headers);
        self.send(format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\n{headers}{body}"));
        self.answer(method)
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.get_mut().write_all(bytes.as_ref()).unwrap();
    }

    /// Sends as much as is taken before the other end closes.
    pub(crate) fn try_send(&mut self, bytes: &[u8]) -> bool {
        self.stream.get_mut().write_all(bytes).is_ok()
    }

    /// What comes next, as the answer to a request of `method`.
    pub(crate) fn answer(&mut self, method: &str) -> Answer {
        let status = self.line();
        let status = status.split(' ').nth(1).unwrap_or_else(|| panic!("{status:?}"));
        let status = status.parse().unwrap();
        let mut headers = BTreeMap::new();
        loop {
            let line = self.line();
            let Some((name, value)) = line.split_once(": ") else { break };
            headers.insert(name.to_ascii_lowercase(), value.to_owned());
        }
        let mut body = vec![];
        if headers.get("transfer-encoding").is_some_and(|encoding| encoding == "chunked") {
            loop {
                let length = usize::from_str_radix(&self.line(), 16).unwrap();
                body.extend(self.exactly(length));
                self.line();
                if length == 0 {
                    break;
                }
            }
        } else if let Some(length) = headers.get("content-length").filter(|_| method != "HEAD") {
            body = self.exactly(length.parse().unwrap());
        }
        Answer { status, headers, body }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn exactly(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.stream.read_exact(&mut bytes).unwrap();
        bytes
    }

    /// Waits until the other end has closed the connection; what came before that.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        let mut rest = vec![];
        match self.stream.read_to_end(&mut rest) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
            Err(error) => panic!("it was not closed: {error}"),
        }
        rest
    }

    /// The JSON that `path` leads to, unless the connection is dropped before it is there.
    pub(crate) fn try_json(address: SocketAddr, path: &str) -> Option<Value> {
        let mut client = Self::connect(address);
        client.send(format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n"));
        let answer = client.rest();
        let (_, body) = std::str::from_utf8(&answer).unwrap().split_once("\r\n\r\n")?;
        serde_json::from_str(body).ok()
    }

    /// Lets a little time pass, on the server.
    pub(crate) fn pause(&mut self) {
        let revision = &self.json("/api/v1/status")["revision"];
        self.json(&format!("/api/v1/status?timeout=0.05&since={revision}"));
    }

    /// Makes a WebSocket of the connection; the status that is told first.
    pub(crate) fn listen(&mut self, path: &str) -> Value {
        let (host, headers) = (self.address, &self.headers);
        let upgrade = "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
            sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        self.send(format!("GET {path} HTTP/1.1\r\nhost: {host}\r\n{headers}{upgrade}"));
        let answer = self.answer("GET");
        let key = answer.headers.get("sec-websocket-accept").map(String::as_str);
        assert_eq!((answer.status, key), (101, Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")));
        let first = self.event();
        assert_eq!(first["event"], "progress");
        first["status"].clone()
    }

    pub(crate) fn frame(&mut self) -> Frame {
        let head = self.exactly(2);
        let length = match head[1] {
            126 => u16::from_be_bytes(self.exactly(2).try_into().unwrap()).into(),
            127 => u64::from_be_bytes(self.exactly(8).try_into().unwrap()) as usize,
            length => usize::from(length),
        };
        let payload = self.exactly(length);
        match head[0] {
            0x81 => Frame::Text(String::from_utf8(payload).unwrap()),
            0x88 => Frame::Close(payload.first_chunk().map(|code| u16::from_be_bytes(*code))),
            0x89 => Frame::Ping(payload),
            0x8A => Frame::Pong(payload),
            other => panic!("a frame of kind {other:x}"),
        }
    }

    /// The next event.
    pub(crate) fn event(&mut self) -> Value {
        loop {
            match self.frame() {
                Frame::Text(text) => return serde_json::from_str(&text).unwrap(),
                Frame::Ping(_) => self.send_frame(0xA, b""),
                other => panic!("{other:?} instead of an event"),
            }
        }
    }

    /// Sends a frame with a mask of zeros.
    pub(crate) fn send_frame(&mut self, opcode: u8, payload: &[u8]) {
        let mut frame = vec![0x80 | opcode];
        match u16::try_from(payload.len()).unwrap() {
            length @ 0..126 => frame.push(0x80 | length as u8),
            length => frame.extend([&[0xFE][..], &length.to_be_bytes()].concat()),
        }
        frame.extend([0; 4]);
        frame.extend(payload);
        self.send(frame);
    }
}
