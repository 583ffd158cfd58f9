//! What is captured, set at the PandA and read back.
use super::{super::super::Task, PandaCapture, done, lost, setup::Selection};
use crate::{backend::panda::capture::FileColumn, signal::panda::Session};
use bluefly_protocol::{
    fault::{Fault, FaultClass},
    panda::{
        control::{Command, CommandError},
        describe::{Captured, FieldName},
        is_same_number,
    },
};

const CAPTURE: &str = "CAPTURE";

impl PandaCapture {
    /// What is to be captured, under the names of this PandA.
    pub(super) fn select(&self, task: Task<'_>, session: &Session) -> Result<Selection, Fault> {
        let selection = self.setup.selection(&session.inventory);
        selection.map_err(|reason| task.fault(FaultClass::Rejected, reason))
    }

    /// Sets what is to be captured, as far as it is not, and checks that it is.
    pub(super) async fn configure(
        &self,
        task: Task<'_>,
        session: &Session,
    ) -> Result<Selection, Fault> {
        let selection = self.select(task, session)?;
        if !self.set_all(task, session, &selection).await? {
            return Ok(selection);
        }
        // What others set from here on is theirs.
        session.ledger.look().await.map_err(|fault| lost(task, &fault))?;
        if !self.set_all(task, session, &selection).await? {
            return Ok(selection);
        }
        let reason =
            "what it captures was set, and was another at once: somebody else sets it, too";
        Err(task.fault(FaultClass::Failed, reason))
    }

    /// Sets what is not as it is to be, and checks that it is; whether anything was.
    async fn set_all(
        &self,
        task: Task<'_>,
        session: &Session,
        selection: &Selection,
    ) -> Result<bool, Fault> {
        let (Session { control, ledger, .. }, mut has_set) = (session, false);
        for (column, captured) in self.setup.columns.iter().zip(&selection.captured) {
            let Some(encoder) = &column.encoder else { continue };
            let (scale, offset) = (encoder.scale.to_string(), encoder.offset.to_string());
            // A scale is in units.
            let attributes = [("UNITS", &encoder.units), ("SCALE", &scale), ("OFFSET", &offset)];
            for (attribute, wanted) in attributes {
                has_set |= self.set(task, session, (&captured.name, attribute, wanted)).await?;
            }
        }
        if is_same(&done(task, control.captured().await)?, &selection.captured) {
            return Ok(has_set);
        }
        ledger.own_all(CAPTURE);
        done(task, control.done(Command::clear_capture()).await)?;
        for captured in &selection.captured {
            let words: Vec<String> = captured.captures.iter().map(ToString::to_string).collect();
            let name = format!("{}.{CAPTURE}", captured.name);
            let set = sayable(task, Command::assign(&name, &words.join(" ")))?;
            ledger.own(&name);
            done(task, control.done(set).await)?;
        }
        let found = done(task, control.captured().await)?;
        if is_same(&found, &selection.captured) {
            return Ok(true);
        }
        let (wanted, found) = (words(&selection.captured), words(&found));
        let reason = format!("*CAPTURE is {found} after {wanted} was set");
        Err(task.fault(FaultClass::Failed, reason))
    }

    /// Sets an attribute unless it is so, and checks that it is; whether it was set.
    async fn set(
        &self,
        task: Task<'_>,
        session: &Session,
        (field, attribute, wanted): (&FieldName, &str, &str),
    ) -> Result<bool, Fault> {
        let (control, name) = (&session.control, format!("{field}.{attribute}"));
        let query = sayable(task, Command::query(&name))?;
        if is_equal(&done(task, control.value(query.clone()).await)?, wanted) {
            return Ok(false);
        }
        let assign = sayable(task, Command::assign(&name, wanted))?;
        session.ledger.own(&name);
        done(task, control.done(assign).await)?;
        let found = done(task, control.value(query).await)?;
        if is_equal(&found, wanted) {
            return Ok(true);
        }
        let reason = format!("{name} is {found} after {wanted} was set");
        Err(task.fault(FaultClass::Failed, reason))
    }

    /// The columns of the file, with the units that they have now.
    pub(super) async fn file_columns(
        &self,
        task: Task<'_>,
        (session, selection): (&Session, &Selection),
    ) -> Result<Vec<FileColumn>, Fault> {
        let mut columns = Vec::new();
        let fields = selection.captured.iter().zip(&selection.are_bits).zip(&selection.have_units);
        for ((captured, is_bits), has_units) in fields {
            let units = if *has_units {
                let query = Command::query(&format!("{}.UNITS", captured.name));
                let units = session.control.value(sayable(task, query)?).await;
                // What was never set is written as C writes nothing.
                Some(done(task, units)?).filter(|units| !matches!(units.as_str(), "" | "(null)"))
            } else {
                // All else that is no word of the bit bus is a time.
                (!is_bits).then(|| "s".to_owned())
            };
            columns.extend(captured.captures.iter().map(|capture| FileColumn {
                field: captured.name.to_string(),
                capture: capture.clone(),
                units: units.clone(),
                is_bits: *is_bits,
            }));
        }
        Ok(columns)
    }
}

fn sayable(task: Task<'_>, command: Result<Command, CommandError>) -> Result<Command, Fault> {
    command.map_err(|error| task.fault(FaultClass::Rejected, error.to_string()))
}

/// Whether a value is what it was set to, in whatever way it is written.
fn is_equal(found: &str, wanted: &str) -> bool {
    found == wanted || is_same_number(found, wanted)
}

/// Whether the same is captured, in whatever order it is told.
fn is_same(found: &[Captured], wanted: &[Captured]) -> bool {
    let has = |those: &[Captured], one: &Captured| {
        those.iter().any(|other| {
            other.name == one.name
                && other.captures.len() == one.captures.len()
                && one.captures.iter().all(|capture| other.captures.contains(capture))
        })
    };
    found.len() == wanted.len() && wanted.iter().all(|wanted| has(found, wanted))
}

fn words(captured: &[Captured]) -> String {
    let field = |captured: &Captured| {
        let words: Vec<String> = captured.captures.iter().map(ToString::to_string).collect();
        format!("{} {}", captured.name, words.join(" "))
    };
    let fields: Vec<String> = captured.iter().map(field).collect();
    format!("[{}]", fields.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bluefly_protocol::panda::describe::parse_captured;

    #[test]
    fn what_is_captured_is_compared_whatever_its_order() {
        let parsed = |lines: &[&str]| {
            let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
            parse_captured(&lines).expect("lines of a PandA")
        };
        let wanted = parsed(&["PCAP.TS_TRIG Value", "INENC1.VAL Min Mean"]);
        let check =
            |found: &[&str], expected| assert_eq!(is_same(&parsed(found), &wanted), expected);
        check(&["INENC1.VAL Mean Min", "PCAP.TS_TRIG Value"], true);
        check(&["INENC1.VAL Mean", "PCAP.TS_TRIG Value"], false);
        check(&["INENC1.VAL Mean Min Max", "PCAP.TS_TRIG Value"], false);
        check(&["INENC2.VAL Mean Min", "PCAP.TS_TRIG Value"], false);
        check(&["INENC1.VAL Mean Min"], false);
        assert_eq!(words(&wanted), "[PCAP.TS_TRIG Value, INENC1.VAL Min Mean]");
    }

    #[test]
    fn numbers_are_compared_to_the_digits_that_a_panda_tells() {
        let check = |found, wanted, expected| assert_eq!(is_equal(found, wanted), expected);
        check("0.0001", "0.00010", true);
        check("0.3333333333", "0.33333333333333331", true);
        check("0.333333333", "0.33333333333333331", false);
        check("0", "0", true);
        check("1e-09", "0", false);
        check("mm", "mm", true);
        check("mm", "um", false);
    }
}
