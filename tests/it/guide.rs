//! The guide to scanning shows what the program does: its examples are files, and its pictures are
//! those that the program draws of them.
use crate::cli::{ROOT, bluefly, ended};
use std::{collections::BTreeSet, fs, path::Path};

/// Pictures are part of every clone.
const MOST_BYTES: usize = 20_000;

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(ROOT).join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn names(folder: &str, ending: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(Path::new(ROOT).join(folder)).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter_map(|name| name.strip_suffix(ending).map(str::to_owned)).collect()
}

/// What the program prints for the picture of a name: `snake`, or `snake.profile`.
fn drawn(name: &str) -> String {
    let example = |name: &str| format!("docs/examples/{name}.json");
    let ended = match name.strip_suffix(".profile") {
        Some(name) => ended(&mut bluefly(&[
            "profile",
            &example(name),
            "--beamline",
            "etc/sim.toml",
            "--format",
            "svg",
        ])),
        None => ended(&mut bluefly(&["points", &example(name), "--format", "svg"])),
    };
    assert_eq!((ended.status, ended.err.as_str()), (0, ""), "{name}");
    ended.out
}

#[test]
fn pictures_are_those_that_the_program_draws() {
    let pictures = names("docs/pictures", ".svg");
    let profiles = pictures.iter().filter(|name| name.ends_with(".profile")).cloned();
    let expected = names("docs/examples", ".json").into_iter().chain(profiles).collect();
    assert_eq!(pictures, expected, "one picture for each example: make pictures");
    for name in pictures {
        let kept = read(&format!("docs/pictures/{name}.svg"));
        assert!(kept == drawn(&name), "{name}.svg is not what the program draws: make pictures");
        assert!(kept.len() <= MOST_BYTES, "{name}.svg has {} bytes", kept.len());
    }
}

#[test]
fn the_guide_shows_every_example_and_every_picture() {
    let guide = read("docs/scanning.md");
    for name in names("docs/examples", ".json") {
        let text = read(&format!("docs/examples/{name}.json"));
        assert!(guide.contains(&format!("```json\n{text}```\n")), "{name}.json is not shown");
    }
    for name in names("docs/pictures", ".svg") {
        assert!(guide.contains(&format!("](pictures/{name}.svg)")), "{name}.svg is not shown");
    }
}

#[test]
fn every_type_of_node_has_an_example() {
    let texts: Vec<String> = names("docs/examples", ".json")
        .iter()
        .map(|name| read(&format!("docs/examples/{name}.json")))
        .collect();
    let types = "Product Zip Snake Concat Squash Linspace Range Fly ConstantDuration Static Spiral \
                 Ellipse Polygon Mask";
    for kind in types.split(' ') {
        let node = format!("\"type\": \"{kind}\"");
        assert!(texts.iter().any(|text| text.contains(&node)), "{kind} has no example");
    }
}
