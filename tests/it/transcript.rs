//! Guides are done as they are written: what their console blocks say is typed, in order, and what
//! they show is what comes.
//!
//! A block that stands after `<!-- file: NAME -->` is a file. `…` in a line that is shown stands
//! for anything, and a line of nothing else for any number of lines. The name of a run stands for
//! that of the run that is there, wherever it is shown or typed. `bluefly serve` goes on until the
//! guide ends or says `kill`, and `bluefly ioc` until the guide ends, each on a port of its own.
use crate::cli::ROOT;
use rustix::process::{Pid, Signal, kill_process};
use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead as _, BufReader},
    net::UdpSocket,
    path::Path,
    process::{Child, Command, Stdio},
};
use tempfile::TempDir;

/// Where guides say that a process listens.
const USUAL: &str = "127.0.0.1:8470";
/// Where they say that PVs are served.
const USUAL_PVS: &str = "127.0.0.1:5064";

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
    ioc: Option<(Child, String)>,
    /// The repeater of the machine is for others.
    repeater_port: String,
    uids: Uids,
}

/// The runs of a guide, and which they are this time.
type Uids = BTreeMap<String, String>;

impl Terminal {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let etc = Path::new(ROOT).join("etc");
        std::os::unix::fs::symlink(etc, directory.path().join("etc")).unwrap();
        let repeater = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let repeater_port = repeater.port().to_string();
        Self { directory, server: None, ioc: None, repeater_port, uids: Uids::new() }
    }

    fn shell(&self, typed: &str) -> Command {
        let program = Path::new(env!("CARGO_BIN_EXE_bluefly")).parent().unwrap();
        let path = std::env::var("PATH").unwrap();
        let mut shell = Command::new("sh");
        shell.args(["-c", typed]).current_dir(self.directory.path());
        shell.env("PATH", format!("{}:{path}", program.display()));
        for variable in ["BLUEFLY_LOG", "BLUEFLY_TOKEN_FILE", "BLUEFLY_CA_FILE", "NOTIFY_SOCKET"] {
            shell.env_remove(variable);
        }
        // Disks of machines that test are small.
        shell.env("BLUEFLY__DATA__MIN_FREE", "1 MiB").stdin(Stdio::null());
        if let Some((_, address)) = &self.server {
            shell.env("BLUEFLY_URL", format!("http://{address}"));
        }
        shell.env("EPICS_CA_REPEATER_PORT", &self.repeater_port);
        if let Some((_, address)) = &self.ioc {
            shell.env("EPICS_CA_SERVER_PORT", address.rsplit(':').next().unwrap());
        }
        shell
    }

    /// What comes after a line is typed.
    fn enter(&mut self, typed: &str) -> Vec<String> {
        if is_server(typed) {
            return vec![self.serve(typed)];
        }
        if typed.starts_with("bluefly ioc ") {
            return vec![self.serve_pvs(typed)];
        }
        let address = self.server.as_ref().map_or(USUAL, |(_, address)| address).to_owned();
        let typed = with(&self.uids, typed).replace(USUAL, &address);
        // In the order in which a terminal shows it.
        let output = self.shell(&format!("exec 2>&1; {typed}")).output().unwrap();
        if typed.starts_with("kill ") {
            let (mut server, _) = self.server.take().expect("there is a server");
            server.wait().unwrap();
        }
        let text = String::from_utf8(output.stdout).unwrap();
        text.replace(&address, USUAL).lines().map(str::to_owned).collect()
    }

    fn serve(&mut self, typed: &str) -> String {
        assert!(self.server.is_none(), "one server at a time");
        let (child, line) = self.launch(&format!("{typed} --listen 127.0.0.1:0"));
        let address = line.rsplit('/').next().unwrap().to_owned();
        let shown = line.replace(&address, USUAL);
        self.server = Some((child, address));
        shown
    }

    fn serve_pvs(&mut self, typed: &str) -> String {
        assert!(self.ioc.is_none(), "one IOC at a time");
        let (child, line) = self.launch(&format!("{typed} --port 0"));
        let address = line.rsplit(' ').next().unwrap().to_owned();
        let shown = line.replace(&address, USUAL_PVS);
        self.ioc = Some((child, address));
        shown
    }

    /// A program that goes on, and the first line that it says.
    fn launch(&self, typed: &str) -> (Child, String) {
        let mut shell = self.shell(&format!("exec env {typed}"));
        let mut child = shell.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        (child, line.trim().to_owned())
    }
}

/// Whether a line puts a beamline into operation, with settings before it or not.
fn is_server(typed: &str) -> bool {
    let (before, _) = typed.split_once("bluefly serve ").unwrap_or(("-", ""));
    before.is_empty() || (before.starts_with("BLUEFLY__") && before.ends_with(' '))
}

impl Drop for Terminal {
    fn drop(&mut self) {
        for (mut child, _) in [self.server.take(), self.ioc.take()].into_iter().flatten() {
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

/// Whether what came is what is shown; takes note of runs that are named for the first time.
fn is_shown(came: &[String], shown: &[String], uids: &mut Uids) -> bool {
    let (came_first, shown_first) = (came.split_first(), shown.split_first());
    let Some((pattern, rest)) = shown_first else { return came.is_empty() };
    if pattern.trim() == "…" {
        return (0..=came.len())
            .any(|skipped| attempt(uids, |uids| is_shown(&came[skipped..], rest, uids)));
    }
    let Some((line, more)) = came_first else { return false };
    is_said(line.trim_end(), pattern.trim_end(), uids) && is_shown(more, rest, uids)
}

/// Takes note of runs only if all is alike.
fn attempt(uids: &mut Uids, alike: impl FnOnce(&mut Uids) -> bool) -> bool {
    let mut then = uids.clone();
    let is_alike = alike(&mut then);
    if is_alike {
        *uids = then;
    }
    is_alike
}

/// Whether a line is what is shown, where a run that is named for the first time is any new one.
fn is_said(line: &str, pattern: &str, uids: &mut Uids) -> bool {
    let Some(new) = names(pattern).into_iter().find(|name| !uids.contains_key(*name)) else {
        return is_alike(line, &with(uids, pattern));
    };
    let is_known = |real: &&str| uids.values().any(|known| known == real);
    let candidates: Vec<&str> = names(line).into_iter().filter(|real| !is_known(real)).collect();
    candidates.into_iter().any(|real| {
        attempt(uids, |uids| {
            uids.insert(new.to_owned(), real.to_owned());
            is_said(line, pattern, uids)
        })
    })
}

/// A text with the runs that are there.
fn with(uids: &Uids, text: &str) -> String {
    uids.iter().fold(text.to_owned(), |text, (told, real)| text.replace(told, real))
}

/// Names of runs in a text.
fn names(text: &str) -> Vec<&str> {
    let words = text.split(|c: char| !c.is_ascii_hexdigit() && c != '-');
    words.filter(|word| word.len() == 36 && word.matches('-').count() == 4).collect()
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

/// The file that a guide says to write.
pub(crate) fn file(guide: &str, wanted: &str) -> String {
    let text = fs::read_to_string(Path::new(ROOT).join(guide)).unwrap();
    let mut texts = steps(&text).into_iter().filter_map(|step| match step {
        Step::File { name, text } if name == wanted => Some(text),
        Step::File { .. } | Step::Command { .. } => None,
    });
    texts.next_back().unwrap_or_else(|| panic!("{guide} has no file {wanted}"))
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
                    is_shown(&came, &shown, &mut terminal.uids),
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
fn a_beamline_is_operated_as_the_guide_says() {
    follow("docs/operate.md");
}

#[cfg(feature = "ca")]
#[test]
fn devices_of_epics_are_described_as_the_guide_says() {
    follow("docs/epics.md");
}

#[test]
fn what_is_shown_must_come() {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let check = |came: &str, shown: &str, expected| {
        let found = is_shown(&lines(came), &lines(shown), &mut Uids::new());
        assert_eq!(found, expected, "{came:?} {shown:?}");
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
    let (one, other) =
        ("1d0a4b0e-94b5-4b6c-8d54-0d6f5e5c8d11", "80f1d1a0-6ee4-4a1b-9a0b-1f0f5f0f5c22");
    check(&format!("run {other} done"), &format!("run {one} done"), true);
    check(&format!("{other}\n{other}"), &format!("{one}\n…{one}"), true);
    check(&format!("{other}\n{one}"), &format!("{one}\n{one}"), false);
    check(&format!("{other} {one}\n{other}"), &format!("… {one}\n{one}"), false);
    check(&format!("{other}\n{one}\na"), &format!("…\n{one}\na"), true);
}

#[test]
fn a_server_is_known_by_its_command() {
    assert!(is_server("bluefly serve etc/sim.toml --sim"));
    assert!(is_server("BLUEFLY__A=\"[1, 2]\" bluefly serve etc/sim.toml"));
    assert!(!is_server("bluefly ctl status"));
    assert!(!is_server("cat 'of bluefly serve it'"));
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
