//! [`JournalPlan`]: a small table beside the rows of a stream, which grows by an entry now and then.
use super::plan::ColumnPlan;

/// What a stream tells of itself as it goes on: one dataset for each field, entry `i` of all of them
/// is one [`Entry`]. It is there from the beginning, so that readers can follow it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalPlan {
    /// `/entry/NAME`, an `NXcollection` that holds no column.
    pub group: String,
    /// Name and kind of each field, at least one.
    pub fields: Vec<(String, Kind)>,
}

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Integer,
    /// Text in UTF-8, of a fixed room: other texts cannot be followed by readers.
    Text {
        max_bytes: usize,
    },
}

/// One value of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    Integer(i64),
    Text(String),
}

/// One value for each field of a journal, in the order of its plan.
pub type Entry = Vec<Cell>;

/// Most room for a text.
const MAX_TEXT_BYTES: usize = 1 << 16;

impl JournalPlan {
    pub(super) fn check(&self, columns: &[ColumnPlan]) -> Result<(), String> {
        let group = &self.group;
        let name = group.strip_prefix("/entry/").filter(|name| is_name(name) && *name != "bluefly");
        if name.is_none() {
            return Err(format!("journal {group:?} is not of the form /entry/group"));
        }
        let is_inside = |column: &&ColumnPlan| {
            column.dataset.strip_prefix(group.as_str()).is_some_and(|rest| rest.starts_with('/'))
        };
        if let Some(column) = columns.iter().find(is_inside) {
            return Err(format!("dataset {} is in the journal", column.dataset));
        }
        if self.fields.is_empty() {
            return Err(format!("journal {group}: it has at least one field"));
        }
        for (i, (name, kind)) in self.fields.iter().enumerate() {
            if !is_name(name) || self.fields[..i].iter().any(|(earlier, _)| earlier == name) {
                return Err(format!("journal {group}: field {name:?} is no name, or there twice"));
            }
            let Kind::Text { max_bytes } = kind else { continue };
            if !(1..=MAX_TEXT_BYTES).contains(max_bytes) {
                return Err(format!(
                    "journal {group}: {name}: room for 1 to {MAX_TEXT_BYTES} bytes"
                ));
            }
        }
        Ok(())
    }

    /// Why `entry` is none of this journal.
    pub(super) fn check_entry(&self, entry: &Entry) -> Result<(), String> {
        let (wanted, given) = (self.fields.len(), entry.len());
        if wanted != given {
            return Err(format!("journal: {given} values given, {wanted} planned"));
        }
        for ((name, kind), cell) in self.fields.iter().zip(entry) {
            match (kind, cell) {
                (Kind::Integer, Cell::Integer(_)) => {}
                (Kind::Text { max_bytes }, Cell::Text(text)) if text.len() <= *max_bytes => {}
                (kind, cell) => {
                    return Err(format!("journal: {name}: {cell:?} given, {kind:?} planned"));
                }
            }
        }
        Ok(())
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(['/', '\0']) && name != "." && name != ".."
}

#[cfg(test)]
mod tests {
    use super::*;

    fn journal(group: &str, fields: &[(&str, Kind)]) -> JournalPlan {
        let fields = fields.iter().map(|(name, kind)| ((*name).to_owned(), *kind)).collect();
        JournalPlan { group: group.to_owned(), fields }
    }

    const ROWS: (&str, Kind) = ("rows", Kind::Integer);
    const TEXT: (&str, Kind) = ("text", Kind::Text { max_bytes: 4 });

    #[test]
    fn unusable_journals_are_refused() {
        let columns = [ColumnPlan::number("/entry/data/x")];
        let check = |group, fields: &[_], expected: Result<(), &str>| {
            let found = journal(group, fields).check(&columns);
            assert_eq!(found, expected.map_err(str::to_owned));
        };
        check("/entry/arms", &[ROWS, TEXT], Ok(()));
        for group in ["", "/entry", "/entry/", "/entry/a/b", "/entry/..", "/entry/bluefly"] {
            let error = format!("journal {group:?} is not of the form /entry/group");
            check(group, &[ROWS], Err(&error));
        }
        check("/entry/data", &[ROWS], Err("dataset /entry/data/x is in the journal"));
        check("/entry/dat", &[ROWS], Ok(()));
        check("/entry/arms", &[], Err("journal /entry/arms: it has at least one field"));
        let twice = "journal /entry/arms: field \"rows\" is no name, or there twice";
        check("/entry/arms", &[ROWS, ROWS], Err(twice));
        let none = ("text", Kind::Text { max_bytes: 0 });
        let room = "journal /entry/arms: text: room for 1 to 65536 bytes";
        check("/entry/arms", &[none], Err(room));
    }

    #[test]
    fn entries_fit_their_journal() {
        let check = |entry: &Entry, expected: Result<(), &str>| {
            let found = journal("/entry/arms", &[ROWS, TEXT]).check_entry(entry);
            assert_eq!(found, expected.map_err(str::to_owned));
        };
        let text = |text: &str| Cell::Text(text.to_owned());
        check(&vec![Cell::Integer(-1), text("four")], Ok(()));
        check(&vec![Cell::Integer(-1)], Err("journal: 1 values given, 2 planned"));
        let long = "journal: text: Text(\"fünf\") given, Text { max_bytes: 4 } planned";
        check(&vec![Cell::Integer(-1), text("fünf")], Err(long));
        let other = "journal: rows: Text(\"1\") given, Integer planned";
        check(&vec![text("1"), text("")], Err(other));
    }
}
