//! What is written of the API is what is served.
use super::house::House;
use bluefly_actors::front::http::{PAGE, POLICY, openapi};
use std::{
    collections::BTreeSet,
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

/// To renew it: `RENEW=1 cargo test -p bluefly --test it -- api::openapi`.
const GOLDEN: &str = "docs/openapi.json";

#[test]
fn the_written_api_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(GOLDEN);
    if std::env::var_os("RENEW").is_some() {
        fs::write(&path, openapi()).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap();
    assert!(written == openapi(), "{GOLDEN} is not what the program serves: renew it");
}

#[test]
fn every_path_that_is_written_is_served() {
    let house = House::open();
    let mut client = house.client();
    let api = client.json("/openapi.json");
    assert_eq!(api, serde_json::from_str::<serde_json::Value>(&openapi()).unwrap());
    let mut names = BTreeSet::new();
    for (path, item) in api["paths"].as_object().unwrap() {
        let path = path.replace("{uid}", "nobody").replace("{name}", "x");
        for (method, way) in item.as_object().unwrap() {
            let answer = client.request(&method.to_uppercase(), &path, None);
            let is_served = answer.status < 400 || answer.error().2 != path;
            assert!(is_served && answer.status != 405, "{method} {path}: {answer:?}");
            let name = way["operationId"].as_str().unwrap();
            assert!(names.insert(name.to_owned()), "{name} is the name of two");
        }
    }
    assert_eq!(names.len(), 30, "{names:?}");
}

#[test]
fn the_page_runs_its_own_script_only() {
    let house = House::open();
    let answer = house.client().get("/");
    assert_eq!((answer.status, answer.text()), (200, PAGE));
    assert_eq!(answer.headers["content-security-policy"], POLICY);
    for tag in ["script", "style"] {
        let (_, behind) = PAGE.split_once(&format!("<{tag}>")).unwrap();
        let (inside, _) = behind.split_once(&format!("</{tag}>")).unwrap();
        let digest = base64(&sha256(inside));
        let allowed = format!("{tag}-src 'sha256-{digest}'");
        assert!(POLICY.contains(&allowed), "the {tag} of the page has the digest {digest}");
    }
    assert!(!PAGE.contains("//"), "the page is whole: nothing comes from elsewhere");
}

fn sha256(text: &str) -> Vec<u8> {
    let mut sum = Command::new("sha256sum");
    let mut sum = sum.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    sum.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = sum.wait_with_output().unwrap().stdout;
    let digits = std::str::from_utf8(&output[..64]).unwrap();
    (0..32).map(|i| u8::from_str_radix(&digits[2 * i..2 * i + 2], 16).unwrap()).collect()
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
        let bits = bits << (8 * (3 - chunk.len()));
        for i in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * i)) as usize & 63] as char;
            text.push(if i <= chunk.len() { letter } else { '=' });
        }
    }
    text
}
