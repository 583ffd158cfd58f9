//! A server that says what a test tells it to: right answers, wrong ones, half of one, or none.
use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex, mpsc},
    thread,
};

/// What was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    /// Such as `GET /api/v1/status?since=1`.
    pub(super) line: String,
    /// One on a line, names in lower case.
    pub(super) headers: String,
    pub(super) body: String,
}

/// What is to be said.
pub(super) enum Say {
    /// Status and JSON.
    Json(u16, String),
    /// These bytes, and the connection is closed.
    Raw(String),
    /// These bytes, and nothing more until whoever asked goes.
    RawThenHang(String),
    /// Nothing, until whoever asked goes.
    Hang,
    /// These events, and nothing more until whoever asked goes.
    Events(Vec<String>),
    /// These events, and the connection breaks.
    Broken(Vec<String>),
}

/// A server on a port of its own, for as long as the test lasts.
pub(super) struct Server {
    pub(super) url: String,
    asked: mpsc::Receiver<Asked>,
}

impl Server {
    /// Answers every request with what `say` says, on one thread for each connection.
    pub(super) fn new(say: impl FnMut(&Asked) -> Say + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (tell, asked) = mpsc::channel();
        let say = Arc::new(Mutex::new(say));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (say, tell) = (Arc::clone(&say), tell.clone());
                thread::spawn(move || {
                    let mut stream = stream.unwrap();
                    let Some(asked) = request(&stream) else { return };
                    let said = (say.lock().unwrap())(&asked);
                    // A test that has ended listens no more.
                    drop(tell.send(asked.clone()));
                    answer(&mut stream, &asked, said);
                });
            }
        });
        Self { url, asked }
    }

    /// Answers every request alike.
    pub(super) fn json(status: u16, body: impl Into<String>) -> Self {
        let body = body.into();
        Self::new(move |_| Say::Json(status, body.clone()))
    }

    /// What was asked next; waits for it.
    pub(super) fn asked(&self) -> Asked {
        self.asked.recv().unwrap()
    }
}

fn request(stream: &TcpStream) -> Option<Asked> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let mut headers = vec![];
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).unwrap();
        let Some((name, value)) = header.trim_end().split_once(": ") else { break };
        let name = name.to_lowercase();
        if name == "content-length" {
            length = value.parse().unwrap();
        }
        headers.push(format!("{name}: {value}\n"));
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let line = line.trim_end().trim_end_matches(" HTTP/1.1").to_owned();
    let headers = headers.concat();
    Some(Asked { line, headers, body: String::from_utf8(body).unwrap() })
}

/// Whoever asked may have gone meanwhile, so that no write has to succeed.
fn answer(stream: &mut TcpStream, asked: &Asked, say: Say) {
    match say {
        Say::Json(status, body) => {
            let length = body.len();
            let head = format!(
                "HTTP/1.1 {status} Said\r\ncontent-type: application/json\r\n\
                 content-length: {length}\r\nconnection: close\r\n\r\n"
            );
            drop(stream.write_all(format!("{head}{body}").as_bytes()));
        }
        Say::Raw(text) => drop(stream.write_all(text.as_bytes())),
        Say::RawThenHang(text) => {
            drop(stream.write_all(text.as_bytes()));
            wait_until_gone(stream);
        }
        Say::Hang => wait_until_gone(stream),
        Say::Events(texts) => {
            say_events(stream, asked, &texts);
            wait_until_gone(stream);
        }
        Say::Broken(texts) => say_events(stream, asked, &texts),
    }
}

fn wait_until_gone(stream: &mut TcpStream) {
    let mut ignored = [0; 1_024];
    while stream.read(&mut ignored).is_ok_and(|read| read > 0) {}
}

/// A WebSocket on which `texts` are said.
fn say_events(stream: &mut TcpStream, asked: &Asked, texts: &[String]) {
    let key = asked.headers.lines().find_map(|line| line.strip_prefix("sec-websocket-key: "));
    let key = format!("{}258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key.unwrap());
    let accept = base64(&sha1(key.as_bytes()));
    let head = format!(
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
         sec-websocket-accept: {accept}\r\n\r\n"
    );
    drop(stream.write_all(head.as_bytes()));
    for text in texts {
        let length = u16::try_from(text.len()).unwrap();
        let mut frame = vec![0x81, 126];
        frame.extend(length.to_be_bytes());
        frame.extend(text.as_bytes());
        drop(stream.write_all(&frame));
    }
}

/// As RFC 3174 has it: the answer to a WebSocket's key is made with it.
fn sha1(message: &[u8]) -> [u8; 20] {
    let mut padded = message.to_vec();
    padded.push(0x80);
    padded.resize(padded.len().next_multiple_of(64), 0);
    if padded.len() - message.len() < 9 {
        padded.resize(padded.len() + 64, 0);
    }
    let end = padded.len();
    padded[end - 8..].copy_from_slice(&(message.len() as u64 * 8).to_be_bytes());
    let mut state: [u32; 5] = [0x6745_2301, 0xEFCD_AB89, 0x98BA_DCFE, 0x1032_5476, 0xC3D2_E1F0];
    for block in padded.chunks_exact(64) {
        let mut words = [0_u32; 80];
        for (word, bytes) in words.iter_mut().zip(block.chunks_exact(4)) {
            *word = u32::from_be_bytes(bytes.try_into().unwrap());
        }
        for i in 16..80 {
            let mixed = words[i - 3] ^ words[i - 8] ^ words[i - 14] ^ words[i - 16];
            words[i] = mixed.rotate_left(1);
        }
        let mut parts = state;
        for (i, word) in words.iter().enumerate() {
            let [first, x, y, z, last] = parts;
            let (mix, add) = match i {
                0..20 => ((x & y) | (!x & z), 0x5A82_7999),
                20..40 => (x ^ y ^ z, 0x6ED9_EBA1),
                40..60 => ((x & y) | (x & z) | (y & z), 0x8F1B_BCDC),
                _ => (x ^ y ^ z, 0xCA62_C1D6_u32),
            };
            let sum = [first.rotate_left(5), mix, last, add, *word];
            let sum = sum.into_iter().fold(0, u32::wrapping_add);
            parts = [sum, first, x.rotate_left(30), y, z];
        }
        for (sum, part) in state.iter_mut().zip(parts) {
            *sum = sum.wrapping_add(part);
        }
    }
    let mut digest = [0; 20];
    for (bytes, word) in digest.chunks_exact_mut(4).zip(state) {
        bytes.copy_from_slice(&word.to_be_bytes());
    }
    digest
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for part in bytes.chunks(3) {
        let number = part.iter().fold(0_u32, |number, byte| number << 8 | u32::from(*byte));
        let number = number << (8 * (3 - part.len()));
        for i in 0..4 {
            let digit = DIGITS[(number >> (18 - 6 * i) & 63) as usize];
            text.push(if i <= part.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

#[test]
fn the_key_of_a_web_socket_is_answered_as_in_its_standard() {
    let key = b"dGhlIHNhbXBsZSBub25jZQ==258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    assert_eq!(base64(&sha1(key)), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}
