//! Rules of the house that no compiler checks. A failure names file and rule; each rule is also
//! fed something bad, to show that it can fail.
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Which crates a crate may name; a new edge is a decision, so it is taken here.
const CRATE_EDGES: &[(&str, &[&str])] = &[
    ("protocol", &["serde", "serde_json", "serde_path_to_error", "thiserror", "utoipa"]),
    (
        "actors",
        &[
            "actix",
            "actix-rt",
            "actix-web",
            "actix-ws",
            "bluefly-protocol",
            "crossbeam-channel",
            "epics-ca-sys",
            "futures-util",
            "hdf5",
            "hdf5-sys",
            "humantime",
            "prometheus-client",
            "rand",
            "rand_chacha",
            "rustix",
            "rustls",
            "serde",
            "serde_json",
            "serde_path_to_error",
            "subtle",
            "thiserror",
            "tokio",
            "tokio-util",
            "tracing",
            "utoipa",
            "uuid",
        ],
    ),
    (
        "sim",
        &[
            "bluefly-actors",
            "bluefly-protocol",
            "futures-util",
            "rand",
            "thiserror",
            "tokio",
            "tracing",
            "tracing-subscriber",
        ],
    ),
];

/// Modules of `actors`, top to bottom: a module may use what is below it.
const LAYERS: &[&str] = &["front", "queue", "coordinator", "device", "logic", "signal", "backend"];

/// Modules that stand beside the layers, top to bottom: any layer may use them, they use no layer.
const BESIDE: &[&str] =
    &["archive", "feed", "storage", "system", "supervise", "status", "watch", "random", "clock"];

/// What values and pure functions have no use for.
const NOT_IN_PROTOCOL: &[&str] =
    &["std::fs", "std::env", "std::io", "std::process", "std::thread", "std::sync::Mutex"];

const MAX_FILE_LINES: usize = 500;
const MAX_FUNCTION_LINES: usize = 70;

#[test]
fn crates_depend_downwards() {
    let read = |name| fs::read_to_string(root().join(name).join("Cargo.toml")).unwrap();
    let found = CRATE_EDGES.iter().flat_map(|(name, _)| forbidden_crates(name, &read(name)));
    assert_eq!(found.collect::<Vec<_>>(), [""; 0]);

    let bad = "[dependencies]\nserde = \"1\"\ntokio = \"1\"\n[dev-dependencies]\nbluefly-sim = \"1\"\nrand = \"1\"";
    assert_eq!(
        forbidden_crates("protocol", bad),
        ["protocol may not use bluefly-sim", "protocol may not use tokio"]
    );
}

#[test]
fn modules_depend_downwards() {
    let src = root().join("actors/src");
    let found = rust_files(&src).into_iter().filter(|file| *file != src.join("lib.rs"));
    let found = found.flat_map(|file| {
        let inside = file.strip_prefix(&src).unwrap();
        let first = inside.components().next().unwrap().as_os_str().to_str().unwrap();
        let module = first.strip_suffix(".rs").unwrap_or(first).to_owned();
        let text = fs::read_to_string(&file).unwrap();
        let reasons = forbidden_modules(&module, &text).into_iter();
        reasons.map(|reason| format!("{}: {reason}", file.display())).collect::<Vec<_>>()
    });
    assert_eq!(found.collect::<Vec<_>>(), [""; 0]);

    let bad = |module, text| forbidden_modules(module, text);
    assert_eq!(bad("logic", "use crate::device::Motor;"), ["logic may not use device"]);
    assert_eq!(bad("clock", "use crate::signal::Signal;"), ["clock may not use signal"]);
    assert_eq!(bad("supervise", "crate::storage::open()"), ["supervise may not use storage"]);
    assert_eq!(
        bad("signal", "use crate::{clock::{Clock, Instant}, front, logic::Logic};"),
        ["signal may not use front", "signal may not use logic"]
    );
    assert_eq!(bad("device", "bluefly_sim::Beamline"), ["actors may not name bluefly_sim"]);
    assert_eq!(bad("util", ""), ["util has no place: give it one in tests/it/tidy.rs"]);
    assert_eq!(bad("device", "use crate::{clock::Clock, signal::{self, Signal}};"), [""; 0]);
    assert_eq!(bad("device", "// not crate::front"), [""; 0]);
}

#[test]
fn protocol_does_nothing() {
    let found = rust_files(&root().join("protocol/src")).into_iter().flat_map(|file| {
        let text = fs::read_to_string(&file).unwrap();
        let reasons = actions(&text).into_iter();
        reasons.map(|reason| format!("{}: {reason}", file.display())).collect::<Vec<_>>()
    });
    assert_eq!(found.collect::<Vec<_>>(), [""; 0]);

    assert_eq!(actions("let x = std::fs::read(path);"), ["protocol may not use std::fs"]);
    assert_eq!(actions("use std::{fmt, thread};"), ["protocol may not use std::thread"]);
    assert_eq!(actions("use std::{fmt, net::SocketAddr};"), [""; 0]);
}

#[test]
fn files_are_short() {
    let long = |text: &str| text.lines().count() > MAX_FILE_LINES;
    let found: Vec<_> = every_rust_file().into_iter().filter(|(_, text)| long(text)).collect();
    assert_eq!(found.iter().map(|(file, _)| file).collect::<Vec<_>>(), [""; 0]);

    assert!(long(&"\n".repeat(501)));
    assert!(!long(&"\n".repeat(500)));
}

#[test]
fn functions_are_short() {
    let found = every_rust_file().into_iter().flat_map(|(file, text)| {
        let named = |(name, lines)| format!("{file}: {name} has {lines} lines");
        long_functions(&text).into_iter().map(named).collect::<Vec<_>>()
    });
    assert_eq!(found.collect::<Vec<_>>(), [""; 0]);

    let function = |body: usize| {
        let body = "        work();\n".repeat(body);
        format!("    fn short() {{}}\n    pub(crate) async fn long(\n    ) {{\n{body}    }}\n")
    };
    assert_eq!(long_functions(&function(68)), [("long".to_owned(), 71)]);
    assert_eq!(long_functions(&function(67)), []);
    assert_eq!(long_functions(&format!("    fn declared();\n{}", "\n".repeat(80))), []);
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf()
}

/// Every source file of the project with its text; the file relative to the root.
fn every_rust_file() -> Vec<(String, String)> {
    let dirs = ["protocol", "actors", "sim", "src", "tests", "benches"].map(|dir| root().join(dir));
    let files = dirs.iter().filter(|dir| dir.is_dir()).flat_map(|dir| rust_files(dir));
    let named = files.map(|file| {
        let text = fs::read_to_string(&file).unwrap();
        (file.strip_prefix(root()).unwrap().display().to_string(), text)
    });
    named.collect()
}

fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let mut found = vec![];
    for path in fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            found.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Which edges of the manifest of `name` are forbidden. Tests may use what they like of others, but
/// of ours no more than the crate does.
fn forbidden_crates(name: &str, manifest: &str) -> Vec<String> {
    let allowed = CRATE_EDGES.iter().find(|(from, _)| *from == name).unwrap().1;
    let manifest: toml::Table = manifest.parse().unwrap();
    let used = |table: &str| {
        let table = manifest.get(table).and_then(toml::Value::as_table);
        table.into_iter().flat_map(toml::Table::keys).cloned().collect::<Vec<_>>()
    };
    let is_ours = |used: &String| used.starts_with("bluefly");
    let in_tests = used("dev-dependencies").into_iter().filter(is_ours);
    let mut found: Vec<String> = used("dependencies")
        .into_iter()
        .chain(used("build-dependencies"))
        .chain(in_tests)
        .collect();
    found.retain(|used| !allowed.contains(&used.as_str()));
    found.sort();
    found.into_iter().map(|used| format!("{name} may not use {used}")).collect()
}

/// Which other modules of `actors` the text of `module` names although it may not.
fn forbidden_modules(module: &str, text: &str) -> Vec<String> {
    let place = |name: &str| {
        let layer = LAYERS.iter().position(|layer| *layer == name);
        layer.or_else(|| Some(LAYERS.len() + BESIDE.iter().position(|beside| *beside == name)?))
    };
    let Some(own) = place(module) else {
        return vec![format!("{module} has no place: give it one in tests/it/tidy.rs")];
    };
    // The modules beside come after the layers, so that one order serves both.
    let is_forbidden = |used: &String| place(used).is_some_and(|used| used < own);
    let used = names_after("crate::", text).into_iter().filter(is_forbidden);
    let mut found: Vec<String> = used.map(|used| format!("{module} may not use {used}")).collect();
    if without_comments(text).contains("bluefly_sim") {
        found.push("actors may not name bluefly_sim".into());
    }
    found
}

/// What the text names of [`NOT_IN_PROTOCOL`].
fn actions(text: &str) -> Vec<String> {
    let used: Vec<String> =
        names_after("std::", text).into_iter().map(|name| format!("std::{name}")).collect();
    let code = without_comments(text);
    let is_used = |path: &&&str| used.iter().any(|used| used == **path) || code.contains(**path);
    let found = NOT_IN_PROTOCOL.iter().filter(is_used);
    found.map(|path| format!("protocol may not use {path}")).collect()
}

/// The names that stand behind `prefix` in code, alone or first in the branches of a `use` group.
fn names_after(prefix: &str, text: &str) -> Vec<String> {
    let code = without_comments(text);
    let mut names: Vec<String> = vec![];
    for behind in code.split(prefix).skip(1) {
        let Some(group) = behind.strip_prefix('{') else {
            names.push(first_word(behind));
            continue;
        };
        let mut depth = 1;
        let mut branch_starts = true;
        for (i, c) in group.char_indices() {
            if branch_starts && !c.is_whitespace() {
                names.push(first_word(&group[i..]));
                branch_starts = false;
            }
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 1 => branch_starts = true,
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
    }
    names.sort();
    names.dedup();
    names.retain(|name| !name.is_empty());
    names
}

fn first_word(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

fn without_comments(text: &str) -> String {
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// The functions that are too long, with their lines; relies on the layout of rustfmt.
fn long_functions(text: &str) -> Vec<(String, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = vec![];
    for (start, line) in lines.iter().enumerate() {
        let indent = &line[..line.len() - line.trim_start().len()];
        let Some(name) = function_name(line.trim_start()) else { continue };
        let head_end = lines[start..].iter().position(|line| line.ends_with(['{', ';', '}']));
        let head_end = start + head_end.unwrap_or(0);
        if !lines[head_end].ends_with('{') {
            continue;
        }
        let close = format!("{indent}}}");
        let body = lines[head_end..].iter().position(|line| *line == close).unwrap_or(0);
        let length = head_end + body + 1 - start;
        if length > MAX_FUNCTION_LINES {
            found.push((name, length));
        }
    }
    found
}

/// The name of the function whose first line this is.
fn function_name(line: &str) -> Option<String> {
    let (before, behind) = line.split_once("fn ")?;
    let is_prefix = |word: &str| {
        word.starts_with("pub") || matches!(word, "async" | "const" | "unsafe" | "extern" | "\"C\"")
    };
    before.split_whitespace().all(is_prefix).then(|| first_word(behind))
}
