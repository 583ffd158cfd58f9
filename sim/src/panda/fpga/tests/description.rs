use super::super::{KINDS, block::FieldKind};
use super::vectors::shared;
use std::{collections::BTreeMap, fs};

/// Block and field, the choices of the field, and the lines it drives.
#[derive(Debug, Default, PartialEq)]
struct Field {
    class: String,
    choices: Vec<String>,
    lines: Vec<u8>,
}

type Fields = BTreeMap<(String, String), Field>;

/// How many there are of every block, and all fields, as the configuration has them.
fn read_config() -> Option<(BTreeMap<String, usize>, Fields)> {
    let dir = shared("config_d")?;
    let mut counts = BTreeMap::new();
    let mut fields = Fields::new();
    let (mut block, mut field) = (String::new(), String::new());
    for line in fs::read_to_string(dir.join("config")).unwrap().lines() {
        let depth = line.len() - line.trim_start().len();
        let line = line.trim();
        match (depth, line.split_once(char::is_whitespace)) {
            (0, _) => {
                let (name, count) = line.split_once('[').unwrap_or((line, "0]"));
                block = name.to_owned();
                counts.insert(block.clone(), count.trim_end_matches(']').parse().unwrap());
            }
            (4, Some((name, class))) => {
                field = name.to_owned();
                let class = class.trim().to_owned();
                let found = Field { class, ..Field::default() };
                fields.insert((block.clone(), field.clone()), found);
            }
            (8, Some((_, choice))) => {
                let known = fields.get_mut(&(block.clone(), field.clone())).unwrap();
                if known.class.ends_with("enum") {
                    known.choices.push(choice.trim().to_owned());
                }
            }
            _ => {}
        }
    }
    for line in fs::read_to_string(dir.join("registers")).unwrap().lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        if !line.starts_with(' ') {
            block = words.first().copied().unwrap_or("").to_owned();
        } else if let Some(field) =
            words.first().and_then(|name| fields.get_mut(&(block.clone(), (*name).to_owned())))
            && field.class.contains("_out")
        {
            field.lines = words[1..].iter().filter_map(|word| word.parse().ok()).collect();
        }
    }
    Some((counts, fields))
}

#[test]
fn blocks_and_fields_are_those_of_the_configuration() {
    let Some((counts, mut fields)) = read_config() else { return };
    for kind in KINDS {
        assert_eq!(counts[kind.name], kind.count, "{}", kind.name);
        for FieldKind { name, class, choices, line } in kind.fields {
            let key = (kind.name.to_owned(), (*name).to_owned());
            let expected = fields.remove(&key).unwrap_or_else(|| panic!("{key:?} is unknown"));
            let is_shared = class.starts_with("ext_out timestamp");
            let count = if is_shared { 2 } else { kind.count as u8 };
            let lines = line.iter().flat_map(|first| *first..*first + count).collect();
            let choices = choices.iter().map(|choice| (*choice).to_owned()).collect();
            assert_eq!(Field { class: (*class).to_owned(), choices, lines }, expected, "{key:?}");
        }
    }
    fields.retain(|(block, _), _| block != "*METADATA");
    let mut missing: Vec<&str> = fields.keys().map(|(block, _)| &**block).collect();
    missing.dedup();
    assert_eq!(
        missing,
        [
            "FILTER",
            "INENC",
            "OUTENC",
            "SFP2_SYNC_IN",
            "SFP2_SYNC_OUT",
            "SFP3_SYNC_IN",
            "SFP3_SYNC_OUT",
            "SYSTEM"
        ]
    );
}
