//! What others wrote and we build upon: where it comes from, under which licence, how often. The
//! lists are those of deny.toml.
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::Command,
};

#[test]
fn every_dependency_is_allowed() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deny.toml");
    let rules = Rules::read(&fs::read_to_string(path).unwrap());
    let packages = packages();
    assert!(packages.len() > 50, "{} packages are not all", packages.len());
    assert_eq!(rules.broken_by(&packages), [""; 0]);
}

#[test]
fn each_rule_can_be_broken() {
    let rules = Rules {
        licences: vec!["MIT".into(), "ISC".into()],
        registries: Some(vec!["registry+https://r".into()]),
        twice: vec!["syn".into()],
    };
    let package = |name: &str, licence: &str, source: &str| Package {
        name: name.into(),
        licence: licence.into(),
        source: Some(source.into()),
    };
    let registry = "registry+https://r";
    let check = |packages: &[Package], expected: &[&str]| {
        assert_eq!(rules.broken_by(packages), expected);
    };
    check(&[package("a", "Apache-2.0 OR MIT", registry)], &[]);
    check(&[package("a", "GPL-3.0", registry)], &["a: licence \"GPL-3.0\" is not allowed"]);
    check(&[package("a", "", registry)], &["a: licence \"\" is not allowed"]);
    check(&[package("a", "MIT", "git+https://r")], &["a: \"git+https://r\" is no allowed source"]);
    let twice = |name| [package(name, "MIT", registry), package(name, "MIT", registry)];
    check(&twice("syn"), &[]);
    check(&twice("a"), &["a: in 2 versions"]);
}

#[test]
fn licence_expressions_are_understood() {
    let allowed = ["MIT".to_owned(), "Unicode-3.0".to_owned(), "A WITH E".to_owned()];
    let check = |expression, expected| assert_eq!(permits(expression, &allowed), expected);
    check("MIT", true);
    check("GPL-3.0 OR MIT", true);
    check("GPL-3.0/MIT", true);
    check("GPL-3.0 AND MIT", false);
    check("(GPL-3.0 OR MIT) AND Unicode-3.0", true);
    check("(GPL-3.0 OR MIT) AND OpenSSL", false);
    check("MIT AND OpenSSL OR GPL-3.0", false);
    check("MIT OR OpenSSL AND GPL-3.0", true);
    check("A WITH E", true);
    check("A", false);
    check("MIT MIT", false);
    check("(MIT", false);
}

struct Package {
    name: String,
    licence: String,
    /// Absent for the crates of this workspace.
    source: Option<String>,
}

struct Rules {
    licences: Vec<String>,
    /// None: any one registry, but no other kind of source.
    registries: Option<Vec<String>>,
    /// What may be there in two versions.
    twice: Vec<String>,
}

impl Rules {
    fn read(deny: &str) -> Self {
        let deny: toml::Table = deny.parse().unwrap();
        let list = |table: &str, key: &str| -> Vec<String> {
            let list = deny[table][key].as_array().unwrap().iter();
            list.map(|text| text.as_str().unwrap().to_owned()).collect()
        };
        // What the file does not list is cargo's own registry, which cargo-deny allows by itself.
        let registries =
            deny["sources"].get("allow-registry").map(|_| list("sources", "allow-registry"));
        let name = |skipped: String| skipped.split('@').next().unwrap_or_default().to_owned();
        Self {
            licences: list("licenses", "allow"),
            registries: registries
                .map(|urls| urls.iter().map(|url| format!("registry+{url}")).collect()),
            twice: list("bans", "skip").into_iter().map(name).collect(),
        }
    }

    fn broken_by(&self, packages: &[Package]) -> Vec<String> {
        let mut broken = vec![];
        let sources: BTreeSet<&String> =
            packages.iter().filter_map(|p| p.source.as_ref()).collect();
        let mut versions: BTreeMap<&str, usize> = BTreeMap::new();
        for Package { name, licence, source } in packages {
            let Some(source) = source else { continue };
            *versions.entry(name).or_default() += 1;
            if !permits(licence, &self.licences) {
                broken.push(format!("{name}: licence {licence:?} is not allowed"));
            }
            let is_allowed = match &self.registries {
                Some(registries) => registries.contains(source),
                None => source.starts_with("registry+") && sources.len() == 1,
            };
            if !is_allowed {
                broken.push(format!("{name}: {source:?} is no allowed source"));
            }
        }
        let again = versions.into_iter().filter(|(_, count)| *count > 1);
        let again = again.filter(|(name, _)| !self.twice.iter().any(|twice| twice == name));
        broken.extend(again.map(|(name, count)| format!("{name}: in {count} versions")));
        broken
    }
}

/// What is built for the platform of this test.
fn packages() -> Vec<Package> {
    let version = Command::new("rustc").arg("-vV").output().unwrap().stdout;
    let version = String::from_utf8(version).unwrap();
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let mut metadata = Command::new(env!("CARGO"));
    metadata.args(["metadata", "--locked", "--format-version", "1", "--filter-platform", host]);
    let output = metadata.current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let package = |package: &Value| Package {
        name: text(&package["name"]).unwrap(),
        licence: text(&package["license"]).unwrap_or_default(),
        source: text(&package["source"]),
    };
    metadata["packages"].as_array().unwrap().iter().map(package).collect()
}

/// Whether an SPDX expression can be met with the `allowed` licences alone.
fn permits(expression: &str, allowed: &[String]) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let mut words: Vec<&str> = spaced.split_whitespace().rev().collect();
    let met = any(&mut words, allowed);
    met && words.is_empty()
}

fn any(words: &mut Vec<&str>, allowed: &[String]) -> bool {
    let mut met = all(words, allowed);
    while words.last() == Some(&"OR") {
        words.pop();
        met |= all(words, allowed);
    }
    met
}

fn all(words: &mut Vec<&str>, allowed: &[String]) -> bool {
    let mut met = one(words, allowed);
    while words.last() == Some(&"AND") {
        words.pop();
        met &= one(words, allowed);
    }
    met
}

fn one(words: &mut Vec<&str>, allowed: &[String]) -> bool {
    let Some(word) = words.pop() else { return false };
    if word == "(" {
        let met = any(words, allowed);
        return words.pop() == Some(")") && met;
    }
    let mut licence = word.to_owned();
    if words.last() == Some(&"WITH") {
        let exception = [words.pop(), words.pop()].into_iter().flatten();
        exception.for_each(|word| licence = format!("{licence} {word}"));
    }
    allowed.contains(&licence)
}
