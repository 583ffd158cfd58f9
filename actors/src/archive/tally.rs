//! [`OpenRun`]: a run whose documents have no end yet, and how many rows they tell of.
use super::{line::Line, pages::Pages};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A run that has begun and not ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct OpenRun {
    pub(super) uid: String,
    /// Where its start document is.
    pub(super) start: u64,
    pub(super) time_s: f64,
    /// Names of streams, by the uids of their descriptors.
    descriptors: BTreeMap<String, String>,
    streams: BTreeMap<String, Tally>,
    /// Data keys, by the uids of their resources.
    resources: BTreeMap<String, String>,
    /// Where its event pages are, if every line of it was taken in.
    #[serde(skip)]
    pub(super) pages: Option<Pages>,
}

/// How far each key of a stream has come.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Tally {
    /// Rows of each key that is in files.
    external: BTreeMap<String, u64>,
    /// Rows of the others, if there are others.
    events: Option<u64>,
}

impl OpenRun {
    pub(super) fn new(uid: String, start: u64, time_s: f64) -> Self {
        Self { uid, start, time_s, pages: Some(Pages::default()), ..Self::default() }
    }

    /// Takes in the line at `at`.
    pub(super) fn note(&mut self, at: u64, line: Line) {
        match line {
            Line::Start { .. } | Line::Stop { .. } => {}
            Line::Descriptor { uid, name, data_keys } => {
                let tally = self.streams.entry(name.clone()).or_default();
                for (key, how) in data_keys {
                    if how.external.is_some() {
                        tally.external.entry(key).or_default();
                    } else {
                        tally.events.get_or_insert(0);
                    }
                }
                self.descriptors.insert(uid, name);
            }
            Line::StreamResource { uid, data_key } => {
                self.resources.insert(uid, data_key);
            }
            Line::StreamDatum { stream_resource, descriptor, seq_nums } => {
                let key = self.resources.get(&stream_resource);
                let stream = self.descriptors.get(&descriptor);
                let tally = stream.and_then(|stream| self.streams.get_mut(stream));
                let rows = key.and_then(|key| tally?.external.get_mut(key));
                if let Some(rows) = rows {
                    // Events are counted from 1, and `stop` is the one after the last.
                    *rows = seq_nums.stop.saturating_sub(1).max(*rows);
                }
            }
            Line::EventPage { descriptor, seq_num } => {
                if let Some(pages) = &mut self.pages {
                    pages.note(at, &seq_num);
                }
                let stream = self.descriptors.get(&descriptor);
                let tally = stream.and_then(|stream| self.streams.get_mut(stream));
                let rows = tally.and_then(|tally| tally.events.as_mut());
                if let (Some(rows), Some(last)) = (rows, seq_num.last()) {
                    *rows = (*last).max(*rows);
                }
            }
        }
    }

    /// Events of each stream that all its keys have.
    pub(super) fn num_events(&self) -> BTreeMap<String, u64> {
        let whole = |tally: &Tally| tally.external.values().copied().chain(tally.events).min();
        let streams = self.streams.iter();
        streams.map(|(name, tally)| (name.clone(), whole(tally).unwrap_or(0))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DESCRIPTOR: &str = r#"{"name":"descriptor","doc":{"uid":"d","name":"primary","data_keys":
        {"x":{"source":"s"},"camera":{"external":"STREAM:"},"diode":{"external":"STREAM:"}}}}"#;
    const CAMERA: &str =
        r#"{"name":"stream_resource","doc":{"uid":"c","data_key":"camera","uri":"file:"}}"#;
    const DIODE: &str = r#"{"name":"stream_resource","doc":{"uid":"e","data_key":"diode"}}"#;

    fn datum(resource: &str, stop: u64) -> String {
        let seq_nums = format!(r#"{{"start":1,"stop":{stop}}}"#);
        format!(
            r#"{{"name":"stream_datum","doc":{{"stream_resource":"{resource}","descriptor":"d","indices":{{"start":0}},"seq_nums":{seq_nums}}}}}"#
        )
    }

    #[test]
    fn an_event_counts_when_every_key_has_it() {
        let page = |numbers: &str| {
            format!(
                r#"{{"name":"event_page","doc":{{"descriptor":"d","seq_num":{numbers},"data":{{"x":[1.0]}}}}}}"#
            )
        };
        let check = |lines: &[&str], expected: Option<u64>| {
            let mut run = OpenRun::new("run".into(), 0, 1.0);
            for line in lines {
                run.note(0, Line::parse(line.as_bytes()).expect("a document"));
            }
            assert_eq!(run.num_events().get("primary").copied(), expected, "{lines:?}");
        };
        let (three, four) = (datum("c", 4), datum("e", 5));
        check(&[], None);
        check(&[DESCRIPTOR], Some(0));
        check(&[DESCRIPTOR, CAMERA, DIODE, &three], Some(0));
        check(&[DESCRIPTOR, CAMERA, DIODE, &three, &four], Some(0));
        check(&[DESCRIPTOR, CAMERA, DIODE, &three, &four, &page("[1,2]")], Some(2));
        check(&[DESCRIPTOR, CAMERA, DIODE, &three, &four, &page("[1,2,3,4]")], Some(3));
        check(&[CAMERA, &three, &page("[1]")], None);
    }
}
