//! Guides are done as they are written: what their console blocks say is typed, in order, and what
//! they show is what comes.
//!
//! A block that stands after `<!-- file: NAME -->` is a file. `…` in a line that is shown stands
//! for anything, and a line of nothing else for any number of lines. `bluefly serve` goes on until
//! the guide ends, on a port of its own.
use crate::cli::ROOT;
use rustix::process::{Pid, Signal, kill_process};
use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};
use tempfile::TempDir;

/// Where guides say that a process listens.
const USUAL: &str = "127.0.0.1:8470";

/// Something that a guide says to do.
#[derive(Debug, PartialEq)]
enum Step {
    File { name: String, text: String },
    Command { typed: String, shown: Vec<String> },
}

/// A terminal in a directory of its own, in which a guide is followed.
struct Terminal {
    directory: TempDir,
    server: Option<(Child, String)>,
}

impl Terminal {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let etc = Path::new(ROOT).join("etc");
        std::os::unix::fs::symlink(etc, directory.path().join("etc")).unwrap();
        Self { directory, server: None }
    }

    fn shell(&self, typed: &str) -> Command {
        let program = Path::new(env!("CARGO_BIN_EXE_bluefly")).parent().unwrap();
        let path = std::env::var("PATH").unwrap();
        let mut shell = Command::new("sh");
        shell.args(["-c", typed]).current_dir(self.directory.path());
        shell.env("PATH", format!("{}:{path}", program.display()));
        if let Some((_, address)) = &self.server {
            shell.env("BLUEFLY_URL", format!("http://{address}"));
        }
        shell
    }

    /// What comes after a line is typed.
    fn enter(&mut self, typed: &str) -> Vec<String> {
        if typed.starts_with("bluefly serve") {
            return vec![self.serve(typed)];
        }
        let address = self.server.as_ref().map_or(USUAL, |(_, address)| address).to_owned();
        let output = self.shell(&typed.replace(USUAL, &address)).output().unwrap();
        let text = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
        text.concat().replace(&address, USUAL).lines().map(str::to_owned).collect()
    }

    fn serve(&mut self, typed: &str) -> String {
        assert!(self.server.is_none(), "one server in a guide");
        let mut shell = self.shell(&format!("exec {typed} --listen 127.0.0.1:0"));
        let mut child = shell.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().rsplit('/').next().unwrap().to_owned();
        let shown = line.trim().replace(&address, USUAL);
        self.server = Some((child, address));
        shown
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if let Some((mut child, _)) = self.server.take() {
            kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
            assert!(child.wait().unwrap().success(), "the server ended in order");
        }
    }
}

fn steps(guide: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut lines = guide.lines();
    let mut file: Option<String> = None;
    while let Some(line) = lines.next() {
        if let Some(name) = line.strip_prefix("<!-- file: ") {
            file = Some(name.trim_end_matches(" -->").to_owned());
        }
        let Some(kind) = line.strip_prefix("```") else { continue };
        let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        match (file.take(), kind) {
            (Some(name), _) => steps.push(Step::File { name, text: block.join("\n") + "\n" }),
            (None, "console") => {
                for line in block {
                    match (line.strip_prefix("$ "), steps.last_mut()) {
                        (Some(typed), _) => {
                            let (typed, shown) = (typed.to_owned(), Vec::new());
                            steps.push(Step::Command { typed, shown });
                        }
                        (None, Some(Step::Command { shown, .. })) => shown.push(line.to_owned()),
                        (None, _) => panic!("{line:?} comes before any command"),
                    }
                }
            }
            (None, _) => {}
        }
    }
    steps
}

/// Whether what came is what is shown.
fn is_shown(came: &[String], shown: &[String]) -> bool {
    match (came, shown) {
        ([], []) => true,
        (_, [any, rest @ ..]) if any.trim() == "…" => {
            (0..=came.len()).any(|skipped| is_shown(&came[skipped..], rest))
        }
        ([line, more @ ..], [pattern, rest @ ..]) => {
            is_alike(line.trim_end(), pattern.trim_end()) && is_shown(more, rest)
        }
        _ => false,
    }
}

fn is_alike(line: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('…');
    let Some(mut rest) = parts.next().and_then(|first| line.strip_prefix(first)) else {
        return false;
    };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

/// Does what a guide says.
pub(crate) fn follow(guide: &str) {
    let text = fs::read_to_string(Path::new(ROOT).join(guide)).unwrap();
    let mut terminal = Terminal::new();
    let mut commands = 0;
    for step in steps(&text) {
        match step {
            Step::File { name, text } => {
                fs::write(terminal.directory.path().join(name), text).unwrap();
            }
            Step::Command { typed, shown } => {
                let came = terminal.enter(&typed);
                let (found, expected) = (came.join("\n"), shown.join("\n"));
                assert!(
                    is_shown(&came, &shown),
                    "{guide}: $ {typed}\n{found}\n-- shown:\n{expected}"
                );
                commands += 1;
            }
        }
    }
    assert!(commands > 2, "{guide} has {commands} commands");
}

#[test]
fn the_first_scan_is_flown_as_the_guide_says() {
    follow("docs/first-scan.md");
}

#[test]
fn a_beamline_is_described_as_the_guide_says() {
    follow("docs/beamline.md");
}

#[test]
fn what_is_shown_must_come() {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let check = |came: &str, shown: &str, expected| {
        assert_eq!(is_shown(&lines(came), &lines(shown)), expected, "{came:?} {shown:?}");
    };
    check("", "", true);
    check("a\nb", "a\nb", true);
    check("a\nb", "a", false);
    check("a", "a\nb", false);
    check("run 12 of 30", "run … of …", true);
    check("run 12 of 30", "run … of 3", false);
    check("run 12 of 30", "…0", true);
    check("a\nb\nc", "…\nc", true);
    check("a\nb\nc", "a\n…", true);
    check("a\nb\nc", "a\n…\nb", false);
    check("", "…", true);
}

#[test]
fn a_guide_is_taken_apart() {
    let guide = "<!-- file: a.toml -->\n```toml\nx = 1\n```\ntext\n```console\n$ one\nout\n$ two\n```\n```sh\n$ no\n```\n";
    let command = |typed: &str, shown: &[&str]| Step::Command {
        typed: typed.to_owned(),
        shown: shown.iter().map(|line| (*line).to_owned()).collect(),
    };
    let file = Step::File { name: "a.toml".to_owned(), text: "x = 1\n".to_owned() };
    assert_eq!(steps(guide), [file, command("one", &["out"]), command("two", &[])]);
}
