use super::*;
use serde_json::json;
use std::{collections::BTreeMap, iter};

/// Three runs, valid for `validate_docs.py --strict`: with everything, aborted, failed at once.
const GOLDEN: &str = include_str!("../../tests/golden/composed.jsonl");

/// Uids that tell which was asked for first.
fn uids(run: &'static str) -> impl FnMut() -> String {
    let mut numbers = 0..;
    move || format!("{run}-{}", numbers.next().expect("endless"))
}

fn run_info() -> RunInfo {
    let dimensions = vec![(vec!["x".to_owned()], "primary".to_owned())];
    RunInfo {
        uid: None,
        time_s: 1000.0,
        scan_id: 7,
        shape: vec![2, 3],
        hints: StartHints { dimensions, gridding: Some("rectilinear".to_owned()) },
        metadata: BTreeMap::from([("sample".to_owned(), json!({"name": "salt"}))]),
    }
}

/// A detector whose images are external and whose sums stand in the events.
fn primary() -> DescriptorInfo {
    let image = DataKey {
        dims: vec!["y".to_owned(), "x".to_owned()],
        ..DataKey::stream("camera", "sim://camera", "<u2", &[4, 5])
    };
    let limit = LimitRange { low: Some(f64::NEG_INFINITY), high: Some(12.5) };
    let x = DataKey {
        units: Some("mm".to_owned()),
        precision: Some(3),
        limits: Some(Limits { control: Some(limit), ..Limits::default() }),
        ..DataKey::number("x", "sim://x")
    };
    let exposure = Configuration {
        data: BTreeMap::from([("camera-exposure".to_owned(), json!(0.1))]),
        timestamps: BTreeMap::from([("camera-exposure".to_owned(), 999.5)]),
        data_keys: BTreeMap::from([(
            "camera-exposure".to_owned(),
            DataKey::number("camera", "sim://camera/exposure"),
        )]),
    };
    let fields = vec!["camera_sum".to_owned()];
    let hints = ObjectHints { fields, nx_class: Some("NXdetector".to_owned()) };
    DescriptorInfo {
        stream: "primary".to_owned(),
        data_keys: BTreeMap::from([
            ("camera".to_owned(), image),
            ("camera_stamp".to_owned(), DataKey::stream("camera", "sim://camera", "<f8", &[])),
            ("camera_sum".to_owned(), DataKey::number("camera", "sim://camera/sum")),
            ("x".to_owned(), x),
        ]),
        configuration: BTreeMap::from([("camera".to_owned(), exposure)]),
        hints: BTreeMap::from([("camera".to_owned(), hints)]),
    }
}

fn only(stream: &str, key: &str, data_key: DataKey) -> DescriptorInfo {
    DescriptorInfo {
        stream: stream.to_owned(),
        data_keys: BTreeMap::from([(key.to_owned(), data_key)]),
        ..DescriptorInfo::default()
    }
}

fn resource(key: &str, chunk_shape: &[u64]) -> ResourceInfo {
    ResourceInfo {
        data_key: key.to_owned(),
        uri: "file://localhost/data/run.h5".to_owned(),
        dataset: format!("/entry/{key}"),
        chunk_shape: chunk_shape.to_vec(),
        join_method: JoinMethod::Stack,
    }
}

fn rows<const N: usize>(columns: [&str; N], values: &[f64]) -> Rows {
    Rows {
        count: values.len() as u64,
        columns: columns.iter().map(|&column| (column.to_owned(), values.to_vec())).collect(),
        timestamps_s: (0..values.len()).map(|row| 1001.0 + row as f64).collect(),
    }
}

/// A run that is under way in its primary stream.
fn started(
    run: &'static str,
) -> Result<(RunComposer<impl FnMut() -> String>, Vec<Document>), ComposeError> {
    let (mut composer, start) = RunComposer::start(run_info(), uids(run))?;
    let descriptor = composer.descriptor(primary(), 1000.5)?;
    let image = composer.stream_resource(resource("camera", &[1, 4, 5]))?;
    let stamp = composer.stream_resource(resource("camera_stamp", &[1024]))?;
    let [image, stamp] = [image, stamp].map(Document::StreamResource);
    Ok((composer, vec![start, descriptor, image, stamp]))
}

/// Two batches, a further descriptor, a further resource, streams of one kind only.
fn complete_run() -> Result<Vec<Document>, ComposeError> {
    let (mut run, mut documents) = started("run")?;
    documents.extend(run.rows("primary", rows(["camera_sum", "x"], &[1.0, 2.0, 3.5]))?);
    documents.push(run.descriptor(primary(), 1004.0)?);
    let resource_of = Document::StreamResource;
    documents.push(resource_of(run.stream_resource(resource("camera", &[1, 4, 5]))?));
    documents.extend(run.rows("primary", rows(["camera_sum", "x"], &[-4.0]))?);
    documents.extend(run.rows("primary", rows(["camera_sum", "x"], &[]))?);
    documents.push(run.descriptor(only("ring", "current", DataKey::number("ring", "s")), 1004.0)?);
    documents.extend(run.rows("ring", rows(["current"], &[300.0, 299.5]))?);
    let fast = DataKey::stream("panda", "panda://", "<i4", &[]);
    documents.push(run.descriptor(only("fast", "counter", fast), 1004.0)?);
    documents.push(resource_of(run.stream_resource(resource("counter", &[1024]))?));
    documents.extend(run.rows("fast", Rows { count: 1_000_000, ..Rows::default() })?);
    documents.push(run.descriptor(only("idle", "mode", DataKey::number("ring", "m")), 1004.0)?);
    documents.push(run.stop(Outcome::Success, 1009.0));
    Ok(documents)
}

fn lines(documents: &[Document]) -> String {
    let line = |document| serde_json::to_string(document).expect("no foreign types") + "\n";
    documents.iter().map(line).collect()
}

#[test]
fn composed_runs_are_as_validated() {
    let (mut aborted, mut documents) = started("aborted").expect("valid");
    documents.extend(aborted.rows("primary", rows(["camera_sum", "x"], &[1.0])).expect("valid"));
    documents.push(aborted.stop(Outcome::Abort { reason: "beam lost".to_owned() }, 1002.0));
    let (failed, start) = RunComposer::start(run_info(), uids("failed")).expect("valid");
    documents.extend([start, failed.stop(Outcome::Fail { reason: " ".to_owned() }, f64::NAN)]);
    let composed = lines(&complete_run().expect("valid")) + &lines(&documents);
    for (composed, golden) in composed.lines().zip(GOLDEN.lines().chain(iter::repeat(""))) {
        assert_eq!(composed, golden);
    }
    assert_eq!(composed, GOLDEN);
}

#[test]
fn a_line_is_read_back_as_it_was_written() {
    for document in complete_run().expect("valid") {
        let line = serde_json::to_string(&document).expect("no foreign types");
        let again: Document = serde_json::from_str(&line).expect("our own line");
        // A limit that is not finite comes back as none.
        assert_eq!(serde_json::to_string(&again).expect("no foreign types"), line);
    }
}

#[test]
fn sequence_numbers_and_indices_are_contiguous_for_any_batches() {
    let (mut run, _) = started("run").expect("valid");
    let (mut next, mut indices) = (1, 0);
    for count in [1, 2, 5, 0, 3, 1] {
        let documents = run.rows("primary", rows(["camera_sum", "x"], &vec![0.5; count]));
        for document in documents.expect("valid") {
            match document {
                Document::StreamDatum(datum) => {
                    let seq_nums = IndexRange { start: next, stop: next + count as u64 };
                    assert_eq!(datum.seq_nums, seq_nums);
                    let stop = indices + count as u64;
                    assert_eq!(datum.indices, IndexRange { start: indices, stop });
                }
                Document::EventPage(page) => {
                    let numbers: Vec<u64> = (next..next + count as u64).collect();
                    assert_eq!(page.seq_num, numbers);
                }
                Document::Start(_)
                | Document::Descriptor(_)
                | Document::StreamResource(_)
                | Document::Stop(_) => panic!("{document:?} for rows"),
            }
        }
        (next, indices) = (next + count as u64, indices + count as u64);
    }
}

#[test]
fn a_run_never_ends_before_it_began() {
    let end = |time_s: f64| {
        let (run, _) = RunComposer::start(run_info(), uids("run")).expect("valid");
        match run.stop(Outcome::Success, time_s) {
            Document::Stop(stop) => stop.time_s,
            other => panic!("{other:?} for a stop"),
        }
    };
    assert_eq!([end(999.0), end(1000.0), end(1000.5), end(f64::INFINITY)], [1e3, 1e3, 1000.5, 1e3]);
}

/// The error of `wrong` in a run under way, which must go on as if nothing had been asked.
fn refused<T>(
    wrong: impl FnOnce(&mut RunComposer<Box<dyn FnMut() -> String>>) -> Result<T, ComposeError>,
    text: &str,
) {
    let begin = || -> RunComposer<Box<dyn FnMut() -> String>> {
        let (mut run, _) =
            RunComposer::start(run_info(), Box::new(uids("run")) as Box<_>).expect("valid");
        run.descriptor(primary(), 1000.5).expect("valid");
        run.stream_resource(resource("camera", &[1, 4, 5])).expect("valid");
        run
    };
    let (mut run, mut untouched) = (begin(), begin());
    let error = wrong(&mut run).err().expect(text);
    assert_eq!(error.to_string(), text);
    let stamp = |run: &mut RunComposer<Box<dyn FnMut() -> String>>| {
        let resource = run.stream_resource(resource("camera_stamp", &[1024])).expect("valid");
        let mut documents = run.rows("primary", rows(["camera_sum", "x"], &[1.0])).expect("valid");
        documents.push(Document::StreamResource(resource));
        documents
    };
    assert_eq!(stamp(&mut run), stamp(&mut untouched), "after: {text}");
}

#[test]
fn wrong_rows_are_refused() {
    let check = |stream: &'static str, rows: Rows, text: &str| {
        refused(|run| run.rows(stream, rows), text);
    };
    check("secondary", Rows::default(), "no stream secondary");
    check("primary", rows(["x"], &[1.0]), "stream primary: column \"camera_sum\" is missing");
    check(
        "primary",
        rows(["camera_sum", "x", "y"], &[1.0]),
        "stream primary: column \"y\" is no key of its events",
    );
    check(
        "primary",
        rows(["camera", "camera_sum", "x"], &[1.0]),
        "stream primary: column \"camera\" is no key of its events",
    );
    let long = Rows { count: 1, ..rows(["camera_sum", "x"], &[1.0, 2.0]) };
    check("primary", long, "stream primary: \"camera_sum\" has 2 rows instead of 1");
    let untimed = Rows { timestamps_s: Vec::new(), ..rows(["camera_sum", "x"], &[1.0]) };
    check("primary", untimed, "stream primary: \"time\" has 0 rows instead of 1");
    check(
        "primary",
        rows(["camera_sum", "x"], &[1.0, f64::NAN]),
        "stream primary: row 1 of \"camera_sum\" is NaN, which JSON cannot say",
    );
    check(
        "primary",
        rows(["camera_sum", "x"], &[1.0]),
        "stream primary, key \"camera_stamp\": rows before its stream resource",
    );
}

#[test]
fn wrong_resources_are_refused() {
    let check = |info: ResourceInfo, text: &str| refused(|run| run.stream_resource(info), text);
    let stamp = || resource("camera_stamp", &[1024]);
    check(resource("y", &[1]), "no stream has the external key \"y\"");
    check(resource("x", &[1]), "no stream has the external key \"x\"");
    let rule = "must be like file://localhost/absolute/path";
    for uri in ["/data/run.h5", "run.h5", "file://run.h5", "://host/run.h5"] {
        let text = format!("resource of \"camera_stamp\": uri {uri} {rule}");
        check(ResourceInfo { uri: uri.to_owned(), ..stamp() }, &text);
    }
    let rule = "must be rows, then at most the shape of one, each at least 1";
    for chunks in [vec![], vec![0], vec![1, 1]] {
        let text = format!("resource of \"camera_stamp\": chunk_shape {chunks:?} {rule}");
        check(ResourceInfo { chunk_shape: chunks, ..stamp() }, &text);
    }
    // The key's shape is [4, 5]: four rows of five an event.
    let concat = |info: ResourceInfo| ResourceInfo { join_method: JoinMethod::Concat, ..info };
    let text = format!("resource of \"camera\": chunk_shape [1, 5, 5] {rule}");
    check(concat(resource("camera", &[1, 5, 5])), &text);
    check(
        concat(stamp()),
        "resource of \"camera_stamp\": join_method concat of shape [] must have rows: the first of \
         the key's shape",
    );
    check(
        ResourceInfo { dataset: String::new(), ..stamp() },
        "resource of \"camera_stamp\": dataset \"\" must name a data set",
    );
}

#[test]
fn wrong_keys_are_refused() {
    let check = |key: &str, data_key: DataKey, text: &str| {
        let info = only("other", key, data_key);
        refused(|run| run.descriptor(info, 1001.0), &format!("stream other, key {text}"));
    };
    let number = || DataKey::number("x", "sim://x");
    check("a.b", number(), "\"a.b\": must not be empty nor have '.' or '/'");
    check("", number(), "\"\": must not be empty nor have '.' or '/'");
    check("time", number(), "\"time\": is a name that consumers have for themselves");
    check("x", number(), "\"x\": stream primary has it");
    check(
        "y",
        DataKey { object_name: String::new(), ..number() },
        "\"y\": must belong to a device, whose name has no '.' or '/'",
    );
    let rule = "\"y\": must have a shape if and only if it is an array";
    check("y", DataKey { shape: vec![1], ..number() }, rule);
    check("y", DataKey { dtype: Dtype::Array, ..number() }, rule);
    for wrong in ["float64", "u1", "<f", "<q8", "<f8 ", ""] {
        let key = DataKey { dtype_numpy: Some(wrong.to_owned()), ..number() };
        check("y", key, "\"y\": must have an exact type such as <f8 (dtype_numpy)");
    }
    check(
        "y",
        DataKey { dims: vec!["a".to_owned()], ..number() },
        "\"y\": must name each of its dimensions, or none",
    );
    check(
        "y",
        DataKey { dtype: Dtype::Integer, ..number() },
        "\"y\": must be a number, or external",
    );
}

#[test]
fn wrong_descriptors_are_refused() {
    let check = |info: DescriptorInfo, time_s: f64, text: &str| {
        refused(|run| run.descriptor(info, time_s), text);
    };
    let changed = only("primary", "x", DataKey::number("x", "sim://x"));
    let text = "stream primary: a further descriptor must have the same data keys";
    check(changed, 1001.0, text);
    let time = "the time of the descriptor is 999 s, which must be at or after the start";
    check(primary(), 999.0, time);
    let hinting = |fields: &[&str], class: &str| {
        let fields = fields.iter().map(|&field| field.to_owned()).collect();
        let hints = ObjectHints { fields, nx_class: Some(class.to_owned()) };
        DescriptorInfo { hints: BTreeMap::from([("camera".to_owned(), hints)]), ..primary() }
    };
    let text = "stream primary, key \"sum\": is hinted at, but no data key";
    check(hinting(&["sum"], "NXdetector"), 1001.0, text);
    let text = "stream primary, key \"camera\": \
                hints must be for a plain name, with a class such as NXpositioner";
    check(hinting(&[], "detector"), 1001.0, text);
    let configured = |change: fn(&mut Configuration)| {
        let mut info = primary();
        info.configuration.values_mut().for_each(change);
        info
    };
    let text = |rule: &str| format!("stream primary, configuration of camera: {rule}");
    let check = |info, rule| check(info, 1001.0, &text(rule));
    let same = "data, timestamps and data_keys must have the same keys";
    check(configured(|camera| camera.data.clear()), same);
    check(configured(|camera| camera.timestamps.clear()), same);
    check(configured(|camera| camera.data_keys.clear()), same);
    check(
        configured(|camera| camera.timestamps.values_mut().for_each(|time| *time = f64::NAN)),
        "timestamps must be finite",
    );
    check(
        configured(|camera| camera.data.values_mut().for_each(|value| *value = json!({"a/b": 1}))),
        "names inside of values must not have '.' or '/'",
    );
    check(
        configured(|camera| {
            camera.data_keys.values_mut().for_each(|key| key.dtype_numpy = Some("f8".to_owned()));
        }),
        "an exact type must be like <f8 (dtype_numpy)",
    );
}

#[test]
fn wrong_starts_are_refused() {
    let check = |key: &str, value: serde_json::Value, text: &str| {
        let metadata = BTreeMap::from([(key.to_owned(), value)]);
        let info = RunInfo { metadata, ..run_info() };
        let error = RunComposer::start(info, uids("run")).err().expect(text);
        assert_eq!(error.to_string(), text);
    };
    let plain = "must not be empty nor have '.' or '/'";
    check("a/b", json!(1), &format!("metadata key \"a/b\" {plain}"));
    check("a", json!({"b": {"c.d": 1}}), &format!("metadata key \"c.d\" {plain}"));
    check("uid", json!("mine"), "metadata key \"uid\" is said by the start document itself");
    check("owner", json!(1), "metadata key \"owner\" must be a text");
    check("sample", json!([]), "metadata key \"sample\" must be a text or an object");
    check("data_groups", json!([1]), "metadata key \"data_groups\" must be a list of texts");
    check("projections", json!([]), "metadata key \"projections\" is not supported");
    let info = RunInfo { time_s: f64::NAN, ..run_info() };
    let error = RunComposer::start(info, uids("run")).err().expect("refused");
    assert_eq!(error.to_string(), "the time of the start is NaN s, not finite");
}
