//! [`RunComposer`]: makes the documents of one run.
use super::{
    ComposeError, Configuration, DataKey, Descriptor, Document, EventPage, ExitStatus,
    Hdf5Parameters, IndexRange, JoinMethod, ObjectHints, Start, StartHints, Stop, StreamDatum,
    StreamResource, check,
};
use serde_json::Value;
use std::collections::BTreeMap;

/// What the start document says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunInfo {
    /// Uid of the run; a fresh one if none is given.
    pub uid: Option<String>,
    /// Unix time.
    pub time_s: f64,
    pub scan_id: u64,
    /// Lengths of the dimensions, slowest first; empty if the run has no shape.
    pub shape: Vec<u64>,
    pub hints: StartHints,
    /// Further fields. No name at any depth of objects may have '.' or '/'.
    pub metadata: BTreeMap<String, Value>,
}

/// What a descriptor says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DescriptorInfo {
    pub stream: String,
    pub data_keys: BTreeMap<String, DataKey>,
    pub configuration: BTreeMap<String, Configuration>,
    pub hints: BTreeMap<String, ObjectHints>,
}

/// Where the rows of an external key are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResourceInfo {
    pub data_key: String,
    /// Such as `file://localhost/data/run.h5`.
    pub uri: String,
    /// Path of the data set in the file.
    pub dataset: String,
    /// Rows in a chunk, then the shape of one.
    pub chunk_shape: Vec<u64>,
    pub join_method: JoinMethod,
}

/// The next rows of a stream: all its external keys have them, and its columns are here.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rows {
    pub count: u64,
    /// One value per row for each key that is not external.
    pub columns: BTreeMap<String, Vec<f64>>,
    /// Unix time of each row; not looked at if all keys are external.
    pub timestamps_s: Vec<f64>,
}

/// How a run has ended, and why if not well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Success,
    Abort { reason: String },
    Fail { reason: String },
}

/// Makes the documents of one run; uids, sequence numbers and indices fit by construction.
///
/// `uids` gives a fresh uid each time. An error changes nothing: the run goes on as before.
#[derive(Debug)]
pub struct RunComposer<F> {
    uids: F,
    run_start: String,
    started_s: f64,
    streams: BTreeMap<String, Stream>,
}

#[derive(Debug)]
struct Stream {
    /// Uid of the latest descriptor.
    descriptor: String,
    data_keys: BTreeMap<String, DataKey>,
    /// The latest resource of each external key that has one.
    resources: BTreeMap<String, Resource>,
    /// Rows announced so far.
    rows: u64,
}

#[derive(Debug)]
struct Resource {
    uid: String,
    /// Rows announced so far, and in how many documents.
    rows: u64,
    announced: u64,
}

impl<F: FnMut() -> String> RunComposer<F> {
    /// Begins a run.
    pub fn start(info: RunInfo, mut uids: F) -> Result<(Self, Document), ComposeError> {
        check::metadata(&info.metadata)?;
        if !info.time_s.is_finite() {
            let (value, rule) = (info.time_s, "not finite");
            return Err(ComposeError::Time { document: "start", value, rule });
        }
        let start = Start {
            uid: info.uid.unwrap_or_else(&mut uids),
            time_s: info.time_s,
            scan_id: info.scan_id,
            num_points: (!info.shape.is_empty()).then(|| info.shape.iter().product()),
            shape: info.shape,
            hints: info.hints,
            metadata: info.metadata,
        };
        let run_start = start.uid.clone();
        let composer = Self { uids, run_start, started_s: info.time_s, streams: BTreeMap::new() };
        Ok((composer, Document::Start(start)))
    }

    /// Uid of the run.
    pub fn run_uid(&self) -> &str {
        &self.run_start
    }

    /// Declares a stream; or, with the same data keys, a change of its configuration.
    pub fn descriptor(
        &mut self,
        info: DescriptorInfo,
        time_s: f64,
    ) -> Result<Document, ComposeError> {
        check::descriptor(&info)?;
        if !(time_s.is_finite() && time_s >= self.started_s) {
            let rule = "which must be at or after the start";
            return Err(ComposeError::Time { document: "descriptor", value: time_s, rule });
        }
        self.check_keys(&info)?;
        let uid = (self.uids)();
        let stream = self.streams.entry(info.stream.clone()).or_insert_with(|| Stream {
            descriptor: String::new(),
            data_keys: info.data_keys.clone(),
            resources: BTreeMap::new(),
            rows: 0,
        });
        stream.descriptor.clone_from(&uid);
        let mut object_keys = BTreeMap::<String, Vec<String>>::new();
        for (key, data_key) in &info.data_keys {
            object_keys.entry(data_key.object_name.clone()).or_default().push(key.clone());
        }
        Ok(Document::Descriptor(Descriptor {
            uid,
            time_s,
            run_start: self.run_start.clone(),
            name: info.stream,
            data_keys: info.data_keys,
            object_keys,
            configuration: info.configuration,
            hints: info.hints,
        }))
    }

    /// Announces the data set of an external key. A second one for the same key takes its place:
    /// rows that follow are its rows, from 0.
    ///
    /// Some consumers dislike a resource without rows: publish it with the first ones.
    pub fn stream_resource(&mut self, info: ResourceInfo) -> Result<StreamResource, ComposeError> {
        let owner = self.streams.values_mut().find_map(|stream| {
            let data_key = stream.data_keys.get(&info.data_key)?;
            data_key.external.map(|_| (data_key, &mut stream.resources))
        });
        let Some((data_key, resources)) = owner else {
            return Err(ComposeError::UnknownKey { key: info.data_key });
        };
        check::resource(&info, data_key)?;
        let uid = (self.uids)();
        let resource = Resource { uid: uid.clone(), rows: 0, announced: 0 };
        resources.insert(info.data_key.clone(), resource);
        Ok(StreamResource {
            uid,
            run_start: self.run_start.clone(),
            data_key: info.data_key,
            mimetype: "application/x-hdf5".to_owned(),
            uri: info.uri,
            parameters: Hdf5Parameters {
                dataset: info.dataset,
                chunk_shape: info.chunk_shape,
                join_method: Some(info.join_method),
            },
        })
    }

    /// Announces the next rows of a stream: a stream datum for each external key, then one event
    /// page for the others, if any. No row, no document.
    pub fn rows(&mut self, stream: &str, rows: Rows) -> Result<Vec<Document>, ComposeError> {
        let Some(found) = self.streams.get_mut(stream) else {
            return Err(ComposeError::UnknownStream { stream: stream.to_owned() });
        };
        check::rows(stream, &found.columns(), &rows)?;
        if let Some(key) = found.external().find(|&key| !found.resources.contains_key(key)) {
            let (stream, key) = (stream.to_owned(), key.to_owned());
            return Err(ComposeError::NoResource { stream, key });
        }
        if rows.count == 0 {
            return Ok(Vec::new());
        }
        let seq_nums = IndexRange { start: found.rows + 1, stop: found.rows + 1 + rows.count };
        let mut documents: Vec<Document> = found
            .resources
            .values_mut()
            .map(|resource| resource.announce(seq_nums, &found.descriptor))
            .collect();
        if found.columns().next().is_some() {
            let page = (self.uids)();
            documents.push(Document::EventPage(found.page(&page, seq_nums, rows)));
        }
        found.rows = seq_nums.stop - 1;
        Ok(documents)
    }

    /// Ends the run.
    ///
    /// A time before the start (or none) is taken as that of the start: a run always ends.
    pub fn stop(mut self, outcome: Outcome, time_s: f64) -> Document {
        let (exit_status, reason) = match outcome {
            Outcome::Success => (ExitStatus::Success, String::new()),
            Outcome::Abort { reason } => (ExitStatus::Abort, said(reason)),
            Outcome::Fail { reason } => (ExitStatus::Fail, said(reason)),
        };
        let num_events =
            self.streams.into_iter().map(|(name, stream)| (name, stream.rows)).collect();
        Document::Stop(Stop {
            uid: (self.uids)(),
            time_s: if time_s.is_finite() { time_s.max(self.started_s) } else { self.started_s },
            run_start: self.run_start,
            exit_status,
            reason,
            num_events,
        })
    }

    /// A stream keeps its keys, and no other stream has them.
    fn check_keys(&self, info: &DescriptorInfo) -> Result<(), ComposeError> {
        for (name, stream) in &self.streams {
            if *name == info.stream {
                if stream.data_keys != info.data_keys {
                    return Err(ComposeError::KeysChanged { stream: name.clone() });
                }
            } else if let Some(key) =
                info.data_keys.keys().find(|&key| stream.data_keys.contains_key(key))
            {
                let (stream, key, other) = (info.stream.clone(), key.clone(), name.clone());
                return Err(ComposeError::KeyTaken { stream, key, other });
            }
        }
        Ok(())
    }
}

impl Stream {
    fn columns(&self) -> impl Iterator<Item = &str> + Clone {
        self.keys_where(|data_key| data_key.external.is_none())
    }

    fn external(&self) -> impl Iterator<Item = &str> + Clone {
        self.keys_where(|data_key| data_key.external.is_some())
    }

    fn keys_where(&self, wanted: fn(&DataKey) -> bool) -> impl Iterator<Item = &str> + Clone {
        let keys = self.data_keys.iter().filter(move |(_, data_key)| wanted(data_key));
        keys.map(|(key, _)| key.as_str())
    }

    fn page(&self, uid: &str, seq_nums: IndexRange, rows: Rows) -> EventPage {
        let numbers = seq_nums.start..seq_nums.stop;
        let columns = rows.columns.keys().cloned();
        EventPage {
            uid: numbers.clone().map(|number| format!("{uid}/{number}")).collect(),
            seq_num: numbers.collect(),
            descriptor: self.descriptor.clone(),
            timestamps: columns.map(|column| (column, rows.timestamps_s.clone())).collect(),
            time_s: rows.timestamps_s,
            data: rows.columns,
            filled: BTreeMap::new(),
        }
    }
}

impl Resource {
    fn announce(&mut self, seq_nums: IndexRange, descriptor: &str) -> Document {
        let rows = seq_nums.stop - seq_nums.start;
        let datum = StreamDatum {
            uid: format!("{}/{}", self.uid, self.announced),
            stream_resource: self.uid.clone(),
            descriptor: descriptor.to_owned(),
            indices: IndexRange { start: self.rows, stop: self.rows + rows },
            seq_nums,
        };
        self.rows += rows;
        self.announced += 1;
        Document::StreamDatum(datum)
    }
}

/// A reason is always given.
fn said(reason: String) -> String {
    if reason.trim().is_empty() { "no reason given".to_owned() } else { reason }
}
