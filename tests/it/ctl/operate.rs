//! The guide to operation shows what happens: its transcripts are typed again.
use crate::cli::ROOT;
use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

/// A server of etc/sim.toml whose camera misses two triggers. Killed when dropped.
struct Served {
    child: Child,
    url: String,
    _out: tempfile::TempDir,
}

impl Served {
    fn start() -> Self {
        let out = tempfile::tempdir().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_bluefly"));
        command.args(["serve", "etc/sim.toml", "--sim", "--listen", "127.0.0.1:0", "--out"]);
        command.arg(out.path()).current_dir(ROOT).stdout(Stdio::piped()).stderr(Stdio::null());
        command.env("BLUEFLY__SIM__DEVICE__CAMERA__LOSE_FRAMES", "[40, 2000]");
        command.env("BLUEFLY__DATA__MIN_FREE", "1 MiB").env_remove("NOTIFY_SOCKET");
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim_end().strip_prefix("listening on ").map(str::to_owned);
        Self { child, url: url.unwrap_or_else(|| panic!("{line:?}")), _out: out }
    }

    /// What `command` prints, on either output.
    fn typed(&self, command: &str) -> String {
        let programs = Path::new(env!("CARGO_BIN_EXE_bluefly")).parent().unwrap();
        let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("exec 2>&1; {command}")]).current_dir(ROOT).env("PATH", path);
        shell.env("BLUEFLY_URL", &self.url).env_remove("BLUEFLY_LOG").stdin(Stdio::null());
        shell.env_remove("BLUEFLY_TOKEN_FILE").env_remove("BLUEFLY_CA_FILE");
        String::from_utf8(shell.output().unwrap().stdout).unwrap()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// Commands and what they print, in order.
fn transcripts(guide: &str) -> Vec<(String, Vec<String>)> {
    let blocks = guide.split("```console\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let mut typed: Vec<(String, Vec<String>)> = vec![];
    for line in blocks.flat_map(str::lines) {
        match line.strip_prefix("$ ") {
            Some(command) => typed.push((command.to_owned(), vec![])),
            None => typed.last_mut().unwrap().1.push(line.to_owned()),
        }
    }
    typed
}

/// The runs of the guide, and which they are this time.
type Uids = BTreeMap<String, String>;

/// Whether `found` says what `expected` does, but for numbers and names of runs.
fn is_alike(expected: &str, found: &str, uids: &mut Uids) -> bool {
    let (expected, found) = (words(expected), words(found));
    let alike = |(expected, found): (&String, &String)| {
        if is_uid(expected) && is_uid(found) {
            return uids.entry(expected.clone()).or_insert_with(|| found.clone()) == found;
        }
        without_numbers(expected) == without_numbers(found)
    };
    expected.len() == found.len() && expected.iter().zip(&found).all(alike)
}

fn words(line: &str) -> Vec<String> {
    line.replace("less than 1 s", "1 s").split_whitespace().map(str::to_owned).collect()
}

fn is_uid(word: &str) -> bool {
    word.len() == 36 && word.chars().all(|c| c.is_ascii_hexdigit() || c == '-')
}

/// Every number is `#`, with its point and what is behind it.
fn without_numbers(word: &str) -> String {
    let mut text = String::new();
    let mut chars = word.chars().peekable();
    while let Some(c) = chars.next() {
        if !c.is_ascii_digit() {
            text.push(c);
            continue;
        }
        text.push('#');
        while chars.next_if(|c| c.is_ascii_digit() || *c == '.').is_some() {}
    }
    text
}

/// Whether the lines are alike; `...` stands for any number of them.
fn are_alike(expected: &[String], found: &[&str], uids: &mut Uids) -> bool {
    match expected {
        [] => found.is_empty(),
        [dots, rest @ ..] if dots == "..." => (0..=found.len()).any(|skipped| {
            let mut then = uids.clone();
            let alike = are_alike(rest, &found[skipped..], &mut then);
            if alike {
                *uids = then;
            }
            alike
        }),
        [line, rest @ ..] => found.split_first().is_some_and(|(first, others)| {
            is_alike(line, first, uids) && are_alike(rest, others, uids)
        }),
    }
}

#[test]
fn the_transcripts_of_the_guide_are_what_happens() {
    let guide = fs::read_to_string(Path::new(ROOT).join("docs/operate.md")).unwrap();
    let served = Served::start();
    let mut uids = Uids::new();
    let typed = transcripts(&guide);
    assert!(typed.len() > 30, "{} commands are not all", typed.len());
    for (command, expected) in typed {
        let command = uids.iter().fold(command, |text, (told, real)| text.replace(told, real));
        let found = served.typed(&command);
        let lines: Vec<&str> = found.lines().collect();
        let alike = are_alike(&expected, &lines, &mut uids);
        assert!(alike, "$ {command}\n{found}-- but the guide has\n{}", expected.join("\n"));
    }
}

#[test]
fn lines_are_alike_but_for_numbers_and_runs() {
    let (one, other) =
        ("1d0a4b0e-94b5-4b6c-8d54-0d6f5e5c8d11", "80f1d1a0-6ee4-4a1b-9a0b-1f0f5f0f5c22");
    let check = |expected: &[&str], found: &[&str], alike: bool| {
        let expected: Vec<String> = expected.iter().map(|line| (*line).to_owned()).collect();
        assert_eq!(are_alike(&expected, found, &mut Uids::new()), alike, "{found:?}");
    };
    check(&["frames  4 of 16, 1.5 mm"], &["frames 300 of 16, 20 mm"], true);
    check(&["frames  4 of 16"], &["frames 4 of"], false);
    check(&["a", "...", "c"], &["a", "b", "b", "c"], true);
    check(&["a", "...", "c"], &["a", "b", "b"], false);
    check(&["a", "..."], &["a"], true);
    check(&["2 s ago"], &["less than 1 s ago"], true);
    check(&[one, one], &[other, other], true);
    check(&[one, one], &[other, one], false);
}
