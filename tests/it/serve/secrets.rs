//! Tokens and certificates.
use super::{
    rig::{Ask, Out, Server, exchange, serve},
    start::write_secret,
};
use crate::cli::ended;
use serde_json::Value;
use std::{fs, net::TcpStream, path::Path};

const TOKEN: &str = "0123456789abcdef";

#[test]
fn a_token_is_asked_for() {
    let out = Out::new();
    let token = out.path().join("token");
    write_secret(&token, &format!("{TOKEN}\n"));
    let server = Server::of(serve(out.path(), &[]).env("BLUEFLY__API__TOKEN_FILE", &token));
    let get = |path, headers: &str| {
        let mut stream = TcpStream::connect(server.address).unwrap();
        exchange(&mut stream, &Ask { method: "GET", path, body: "", headers })
    };
    assert_eq!(get("/healthz", "").0, 200);
    assert_eq!(get("/readyz", "").0, 200);
    let (status, body) = get("/api/v1/status", "");
    assert_eq!((status, body["error"]["code"].as_str()), (401, Some("unauthorized")), "{body}");
    assert_eq!(get("/api/v1/status", "Authorization: Bearer 0123456789abcdeg\r\n").0, 401);
    assert_eq!(get("/api/v1/status", &format!("Authorization: Bearer {TOKEN}\r\n")).0, 200);
    let log = server.terminated().log;
    assert!(!log.iter().any(|line| line.contains(TOKEN)), "the log tells the token");
}

#[test]
fn a_token_file_that_cannot_be_used_is_named() {
    let check = |file: &Path, expected: &str| {
        let out = Out::new();
        let ended = ended(serve(out.path(), &[]).env("BLUEFLY__API__TOKEN_FILE", file));
        let file = file.display();
        assert_eq!(ended.err, format!("error: api.token_file: {file}: {expected}\n"));
        assert_eq!((ended.status, ended.out.as_str()), (2, ""));
    };
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("token");
    check(&file, "No such file or directory (os error 2)");
    write_secret(&file, "short\n");
    check(
        &file,
        "the token has 5 characters: expected 16 or more, such as from openssl rand -hex 32",
    );
    let open = dir.path().join("open");
    fs::write(&open, TOKEN).unwrap();
    assert!(std::process::Command::new("chmod").arg("644").arg(&open).status().unwrap().success());
    let path = open.display();
    check(&open, &format!("everybody may read or change it (mode 644): chmod o-rw {path}"));
}

#[cfg(feature = "tls")]
mod tls {
    use super::*;
    use rustls::{
        ClientConfig, ClientConnection, RootCertStore, StreamOwned,
        crypto::ring,
        pki_types::{CertificateDer, pem::PemObject as _},
    };
    use std::{
        io::{self, Read, Write},
        path::PathBuf,
        process::Command,
        sync::Arc,
    };

    /// A certificate for the loopback address, signed by itself, and its key.
    fn certificate(dir: &Path, name: &str) -> (PathBuf, PathBuf) {
        let (certificate, key) = (dir.join(format!("{name}.pem")), dir.join(format!("{name}.key")));
        let mut openssl = Command::new("openssl");
        openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]);
        openssl.args(["-nodes", "-days", "2", "-subj", "/CN=bluefly"]);
        openssl.args(["-addext", "subjectAltName=IP:127.0.0.1"]);
        openssl.args(["-addext", "basicConstraints=critical,CA:FALSE"]);
        let made = openssl.arg("-out").arg(&certificate).arg("-keyout").arg(&key).output();
        let made = made.expect("openssl is installed");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        (certificate, key)
    }

    fn with_tls(out: &Path, certificate: &Path, key: &Path) -> Command {
        let mut command = serve(out, &[]);
        command.env("BLUEFLY__API__TLS_CERTIFICATE", certificate);
        command.env("BLUEFLY__API__TLS_KEY", key);
        command
    }

    /// The end of an answer is the end of the connection, also if nobody says so.
    struct Lenient<S>(S);

    impl<S: Read> Read for Lenient<S> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            match self.0.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(0),
                read => read,
            }
        }
    }

    impl<S: Write> Write for Lenient<S> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            self.0.flush()
        }
    }

    fn get(server: &Server, trusted: &Path, path: &str) -> (u16, Value) {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(trusted).unwrap()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = server.address.ip().into();
        let connection = ClientConnection::new(Arc::new(config), name).unwrap();
        let stream = TcpStream::connect(server.address).unwrap();
        let mut stream = Lenient(StreamOwned::new(connection, stream));
        exchange(&mut stream, &Ask { method: "GET", path, body: "", headers: "" })
    }

    #[test]
    fn with_a_certificate_it_serves_https() {
        let out = Out::new();
        let (certificate, key) = certificate(out.path(), "server");
        let server = Server::of(&mut with_tls(out.path(), &certificate, &key));
        assert_eq!(server.line, format!("listening on https://{}\n", server.address));
        assert_eq!(get(&server, &certificate, "/healthz").0, 200);
        assert_eq!(get(&server, &certificate, "/api/v1/status").0, 200);
        // Who speaks no TLS is not answered, and does no harm.
        let mut plain = TcpStream::connect(server.address).unwrap();
        plain.write_all(b"GET /healthz HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = vec![];
        plain.read_to_end(&mut answer).unwrap_or_default();
        assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
        assert_eq!(get(&server, &certificate, "/healthz").0, 200);
        assert_eq!(server.terminated().status, Some(0));
    }

    #[test]
    fn a_certificate_that_cannot_be_used_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let (right, right_key) = certificate(dir.path(), "right");
        let (_, wrong_key) = certificate(dir.path(), "wrong");
        let empty = dir.path().join("empty.pem");
        write_secret(&empty, "nothing\n");
        let check = |certificate: &Path, key: &Path, expected: &str| {
            let out = Out::new();
            let ended = ended(&mut with_tls(out.path(), certificate, key));
            let error = ended.err.replace(dir.path().to_str().unwrap(), "DIR");
            assert_eq!(error, format!("error: {expected}\n"));
            assert_eq!((ended.status, ended.out.as_str()), (2, ""));
        };
        let none = dir.path().join("none.pem");
        let gone = "DIR/none.pem: No such file or directory (os error 2)";
        check(&none, &right_key, &format!("api.tls_certificate: {gone}"));
        check(&right, &none, &format!("api.tls_key: {gone}"));
        let no_certificate = "api.tls_certificate: DIR/empty.pem: has no certificate in PEM";
        check(&empty, &right_key, no_certificate);
        check(&right, &empty, "api.tls_key: DIR/empty.pem: has no private key in PEM");
        check(
            &right,
            &wrong_key,
            "api.tls_key: DIR/wrong.key: is no key of DIR/right.pem: keys may not be consistent: \
             KeyMismatch",
        );
        let mode = Command::new("chmod").arg("644").arg(&right_key).status().unwrap();
        assert!(mode.success());
        check(
            &right,
            &right_key,
            "api.tls_key: DIR/right.key: everybody may read or change it (mode 644): chmod o-rw \
             DIR/right.key",
        );
    }
}
