//! A box on sockets of this machine.
use bluefly_actors::{clock::Clock, system::real_system};
use bluefly_sim::panda::{Addresses, PandaServer, Waves};
use std::{net::SocketAddr, time::Duration};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

const PATIENCE: Duration = Duration::from_secs(30);

/// Runs `test` against a box; fails if it takes too long.
fn with_box(test: impl AsyncFnOnce(&Clock, PandaServer)) {
    real_system().block_on(async {
        let clock = Clock::real();
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let server = PandaServer::start(&clock, any, any, Waves::demonstration()).unwrap();
        clock.timeout(PATIENCE, test(&clock, server)).await.unwrap();
    });
}

async fn connect(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address).await.unwrap()
}

/// Sends, and reads until the reply ends so.
async fn exchange(stream: &mut TcpStream, sent: &str, end: &str) -> String {
    stream.write_all(sent.as_bytes()).await.unwrap();
    read_until(stream, end).await
}

async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut received = Vec::new();
    while !received.ends_with(end.as_bytes()) {
        let mut piece = [0; 4_096];
        let length = stream.read(&mut piece).await.unwrap();
        assert!(length > 0, "closed after {}", received.escape_ascii());
        received.extend(&piece[..length]);
    }
    String::from_utf8(received).unwrap()
}

#[test]
fn rows_of_a_moving_encoder_come_over_a_socket() {
    with_box(async |_, server| {
        let Addresses { control, data } = server.addresses();
        let mut control = connect(control).await;
        let mut data = connect(data).await;
        let setup = "CLOCK1.PERIOD=0.001\nCLOCK1.ENABLE=ONE\nPCAP.ENABLE=BITS.OUTA\nPCAP.TRIG=CLOCK1.OUT\n\
                     INENC1.VAL.CAPTURE=Value\n";
        exchange(&mut control, setup, "OK\nOK\nOK\nOK\nOK\n").await;
        exchange(&mut data, "XML ASCII\n", "OK\n").await;
        exchange(&mut control, "*PCAP.ARM=\nBITS.A=1\n", "OK\nOK\n").await;
        read_until(&mut data, "</header>\n\n").await;
        exchange(&mut control, "BITS.A=0\n", "OK\n").await;
        let rows = read_until(&mut data, " Ok\n").await;
        let (rows, end) = rows.trim_end().rsplit_once('\n').unwrap_or(("", rows.trim_end()));
        let rows: Vec<i32> = rows.lines().map(|row| row.trim().parse().unwrap()).collect();
        assert_eq!(end, format!("END {} Ok", rows.len()));
        assert!(rows.iter().all(|row| row.abs() <= 100_000), "{rows:?}");
        let first = exchange(&mut control, "INENC1.VAL?\n", "\n").await;
        while exchange(&mut control, "INENC1.VAL?\n", "\n").await == first {}
        server.stop().await;
        assert_eq!(data.read(&mut [0]).await.unwrap(), 0);
    });
}

#[test]
fn a_box_that_hangs_answers_when_it_goes_on() {
    with_box(async |clock, server| {
        let mut control = connect(server.addresses().control).await;
        exchange(&mut control, "*ECHO one?\n", "OK =one\n").await;
        server.hang();
        control.write_all(b"*ECHO two?\n").await.unwrap();
        let mut byte = [0];
        let silence = clock.timeout(Duration::from_millis(50), control.read(&mut byte)).await;
        assert!(silence.is_err());
        server.go_on();
        assert_eq!(exchange(&mut control, "", "OK =two\n").await, "OK =two\n");
    });
}

#[test]
fn a_line_that_is_too_long_closes_the_socket() {
    with_box(async |_, server| {
        let mut control = connect(server.addresses().control).await;
        control.write_all(&[b'x'; 1_023]).await.unwrap();
        assert_eq!(control.read(&mut [0]).await.unwrap(), 0);
    });
}
