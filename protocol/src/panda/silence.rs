//! [`silence`]: why a bit of a PandA never goes high.
use super::describe::{BlockName, FieldName};

/// Where it ends that a bit goes high.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Silence {
    /// It is `ZERO` itself.
    Zero,
    /// An input that is `ZERO`, of the block that the bit is of or of one that leads to it.
    Input(FieldName),
}

/// Blocks none of whose bits goes high before all of these inputs of theirs do.
const NEEDED: [(&str, &[&str]); 7] = [
    ("CLOCK", &["ENABLE"]),
    ("COUNTER", &["ENABLE", "TRIG"]),
    ("DIV", &["ENABLE", "INP"]),
    ("PCOMP", &["ENABLE"]),
    ("PGEN", &["ENABLE"]),
    ("PULSE", &["ENABLE", "TRIG"]),
    ("SEQ", &["ENABLE"]),
];

/// Why `bit`, as an input is set to it, never goes high: none if it may. `set` tells what an input is
/// set to, as far as that is known; blocks that `are_run` do what they are there for.
pub fn silence(
    bit: &str,
    set: &impl Fn(&FieldName) -> Option<String>,
    are_run: &impl Fn(&BlockName) -> bool,
) -> Option<Silence> {
    if bit == ZERO {
        return Some(Silence::Zero);
    }
    let mut seen: Vec<BlockName> = Vec::new();
    let mut next: Vec<BlockName> = Vec::new();
    next.extend(bit.parse::<FieldName>().ok().map(|field| field.block));
    while let Some(block) = next.pop() {
        if are_run(&block) || seen.contains(&block) {
            continue;
        }
        let needed = NEEDED.iter().find(|(name, _)| *name == block.name());
        for input in needed.into_iter().flat_map(|(_, inputs)| *inputs) {
            let input = FieldName::of(&block, input);
            match set(&input) {
                Some(value) if value == ZERO => return Some(Silence::Input(input)),
                Some(value) => {
                    next.extend(value.parse::<FieldName>().ok().map(|field| field.block));
                }
                None => {}
            }
        }
        seen.push(block);
    }
    None
}

const ZERO: &str = "ZERO";

#[cfg(test)]
mod tests {
    use super::*;

    const SET: [(&str, &str); 7] = [
        ("SEQ2.ENABLE", "ZERO"),
        ("SEQ3.ENABLE", "SEQ2.ACTIVE"),
        ("PULSE1.ENABLE", "ONE"),
        ("PULSE1.TRIG", "SEQ3.OUTA"),
        ("PULSE2.TRIG", "TTLIN1.VAL"),
        ("DIV1.ENABLE", "PULSE3.OUT"),
        ("PULSE3.TRIG", "DIV1.OUTD"),
    ];

    fn check(bit: &str, expected: Option<&str>) {
        let set = |field: &FieldName| {
            let found = SET.iter().find(|(name, _)| *name == field.to_string());
            found.map(|(_, value)| (*value).to_owned())
        };
        let found = silence(bit, &set, &|block| block.to_string() == "SEQ1");
        let told = found.map(|silence| match silence {
            Silence::Zero => "ZERO".to_owned(),
            Silence::Input(input) => input.to_string(),
        });
        assert_eq!(told.as_deref(), expected, "{bit}");
    }

    #[test]
    fn a_bit_is_silent_if_something_on_the_way_to_it_is_zero() {
        check("ZERO", Some("ZERO"));
        check("SEQ2.OUTA", Some("SEQ2.ENABLE"));
        check("SEQ3.ACTIVE", Some("SEQ2.ENABLE"));
        check("PULSE1.OUT", Some("SEQ2.ENABLE"));
        for bit in ["ONE", "SEQ1.OUTA", "TTLIN1.VAL", "PULSE2.OUT", "SEQ4.OUTA", "BITS.OUTA"] {
            check(bit, None);
        }
        // What leads back to itself is left alone.
        check("DIV1.OUTN", None);
    }
}
