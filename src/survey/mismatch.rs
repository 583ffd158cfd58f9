//! What a record asks of a signal, and what its IOC has.
use bluefly_actors::signal::{Found, Kind, NativeType, Usage, Value, Wanted};

/// What a record of type string has room for.
const STRING_CHARACTERS: usize = 39;

/// Why the record could not work with what was found; empty if it can. `num_segments`: the elements
/// that a written array must have room for.
pub(crate) fn mismatch(wanted: &Wanted, found: &Found, num_segments: usize) -> Vec<String> {
    let access = found.metadata.access;
    let mut reasons = Vec::new();
    if wanted.usage.reads() && !access.read {
        reasons.push("may not be read by us".to_owned());
    }
    if wanted.usage.writes() && !access.write {
        reasons.push("may not be written by us".to_owned());
    }
    let least = if wanted.usage.writes() { num_segments.max(2) } else { 2 };
    let room = found.metadata.max_count;
    if wanted.kind == Kind::Floats && room < least {
        reasons.push(format!("has room for {room} elements: expected {least} or more"));
    }
    reasons.extend(short_text(wanted, found));
    reasons.extend(wrong_choices(wanted, found));
    reasons
}

/// What to do about signals that are not there, if that is to be done in the file: a real areaDetector
/// has none of them.
pub(crate) fn remedy(missing: &[&str], num_signals: usize) -> Option<&'static str> {
    let lacks = |part: &str| missing.iter().any(|signal| signal.contains(part));
    let (statistics, positions) = (lacks(":STAT1:"), lacks(":HDF1:Positions_RBV"));
    match (statistics, positions) {
        // It is not there at all.
        _ if missing.len() == num_signals => None,
        (true, true) => Some("set statistics = false and positions = false"),
        (true, false) => Some("set statistics = false"),
        (false, true) => Some("set positions = false"),
        (false, false) => None,
    }
}

/// A text that is cut short names another file.
fn short_text(wanted: &Wanted, found: &Found) -> Option<String> {
    let expected = wanted.characters;
    let room = match found.metadata.native {
        NativeType::String => STRING_CHARACTERS,
        // The end of the text is one.
        NativeType::Char => found.metadata.max_count.saturating_sub(1),
        NativeType::Short
        | NativeType::Float
        | NativeType::Enum
        | NativeType::Long
        | NativeType::Double => return None,
    };
    let is_short = wanted.kind == Kind::Text && room < expected;
    is_short.then(|| format!("has room for {room} characters: expected {expected} or more"))
}

fn wrong_choices(wanted: &Wanted, found: &Found) -> Option<String> {
    let has = &found.metadata.choices;
    let is_enum = found.metadata.native == NativeType::Enum;
    if wanted.choices.is_empty() || !is_enum {
        return None;
    }
    let lacks: Vec<&str> =
        wanted.choices.iter().filter(|word| !has.contains(word)).map(String::as_str).collect();
    let lists = format!("it has {}", has.join(", "));
    match wanted.usage {
        Usage::Write | Usage::ReadWrite | Usage::Trigger => {
            (!lacks.is_empty()).then(|| format!("lacks the choices {}: {lists}", lacks.join(", ")))
        }
        Usage::Read => match &found.value {
            Some(Value::Text(word)) if !wanted.choices.contains(word) => {
                Some(format!("is {word:?}, which is none of {}", wanted.choices.join(", ")))
            }
            Some(_) | None => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bluefly_actors::signal::Metadata;

    fn check(kind: Kind, usage: Usage, metadata: Metadata, expected: &[&str]) {
        let choices = match kind {
            Kind::Text => ["Single", "Multiple"].map(str::to_owned).to_vec(),
            Kind::Bool | Kind::Int | Kind::Float | Kind::Floats => Vec::new(),
        };
        let value = metadata.choices.first().cloned().map(Value::Text);
        let wanted = Wanted { address: "ca://X".to_owned(), kind, usage, choices, characters: 0 };
        assert_eq!(mismatch(&wanted, &Found { metadata, value }, 10), expected);
    }

    #[test]
    fn what_a_record_cannot_work_with_is_told() {
        let double = || Metadata::scalar(NativeType::Double);
        check(Kind::Float, Usage::ReadWrite, double(), &[]);
        check(Kind::Float, Usage::Read, double().read_only(), &[]);
        let not_written = ["may not be written by us"];
        for usage in [Usage::ReadWrite, Usage::Write, Usage::Trigger] {
            check(Kind::Float, usage, double().read_only(), &not_written);
        }
        let mut hidden = double();
        hidden.access.read = false;
        check(Kind::Float, Usage::Read, hidden.clone(), &["may not be read by us"]);
        check(Kind::Float, Usage::Write, hidden, &[]);
        let array = |room| Metadata::array(NativeType::Double, room);
        let one = ["has room for 1 elements: expected 2 or more"];
        check(Kind::Floats, Usage::Read, double(), &one);
        check(Kind::Floats, Usage::Read, array(2), &[]);
        check(Kind::Floats, Usage::ReadWrite, array(10), &[]);
        let short = ["has room for 9 elements: expected 10 or more"];
        check(Kind::Floats, Usage::ReadWrite, array(9), &short);
    }

    #[test]
    fn what_only_a_simulated_ioc_has_is_said_to_be_left_out() {
        let check = |missing: &[&str], expected: Option<&str>| {
            assert_eq!(remedy(missing, 3), expected, "{missing:?}");
        };
        let [index, total, positions] =
            ["ca://C:STAT1:TSIndex", "ca://C:STAT1:TSTotal", "ca://C:HDF1:Positions_RBV"];
        check(&[], None);
        check(&["ca://C:cam1:Acquire"], None);
        check(&[index, total], Some("set statistics = false"));
        check(&[positions], Some("set positions = false"));
        check(&[positions, total], Some("set statistics = false and positions = false"));
        check(&[index, total, positions], None);
    }

    #[test]
    fn a_text_that_would_be_cut_short_is_told() {
        let check = |characters: usize, metadata: Metadata, expected: &[&str]| {
            let (address, choices) = ("ca://X".to_owned(), Vec::new());
            let (kind, usage) = (Kind::Text, Usage::Read);
            let wanted = Wanted { address, kind, usage, choices, characters };
            assert_eq!(mismatch(&wanted, &Found { metadata, value: None }, 0), expected);
        };
        check(255, Metadata::text(256), &[]);
        check(256, Metadata::text(256), &["has room for 255 characters: expected 256 or more"]);
        let string = || Metadata::scalar(NativeType::String);
        check(39, string(), &[]);
        check(40, string(), &["has room for 39 characters: expected 40 or more"]);
        check(0, string(), &[]);
    }

    #[test]
    fn choices_are_those_that_the_record_writes_or_reads() {
        let both = || Metadata::choices(&["Single", "Multiple", "Continuous"]);
        let other = || Metadata::choices(&["Continuous", "Multiple"]);
        check(Kind::Text, Usage::ReadWrite, both(), &[]);
        check(Kind::Text, Usage::Read, both(), &[]);
        let lacks = ["lacks the choices Single: it has Continuous, Multiple"];
        check(Kind::Text, Usage::ReadWrite, other(), &lacks);
        let is_other = ["is \"Continuous\", which is none of Single, Multiple"];
        check(Kind::Text, Usage::Read, other(), &is_other);
        check(Kind::Text, Usage::ReadWrite, Metadata::scalar(NativeType::String), &[]);
    }
}
