//! Documents, one on a line.
use super::amounts::frames;
use crate::cli::text::one_line;
use bluefly_protocol::document::{Document, ExitStatus};

/// What a document says, in one line.
pub(in super::super) fn document(document: &Document) -> String {
    let (name, text) = match document {
        Document::Start(start) => {
            let points = start.num_points.map_or_else(String::new, |points| {
                let shape: Vec<String> = start.shape.iter().map(u64::to_string).collect();
                format!(", {} ({})", frames(points), shape.join(" x "))
            });
            ("start", format!("{}, scan {}{points}", start.uid, start.scan_id))
        }
        Document::Descriptor(descriptor) => {
            let keys: Vec<&str> = descriptor.data_keys.keys().map(String::as_str).collect();
            ("descriptor", format!("{}: {}", descriptor.name, keys.join(", ")))
        }
        Document::StreamResource(resource) => {
            let (uri, dataset) = (&resource.uri, &resource.parameters.dataset);
            ("stream_resource", format!("{}: {uri} {dataset}", resource.data_key))
        }
        Document::StreamDatum(datum) => {
            let indices = datum.indices;
            let rows = format!("rows {} to {}", indices.start, indices.stop);
            ("stream_datum", format!("{rows} of {}", datum.stream_resource))
        }
        Document::EventPage(page) => {
            let keys: Vec<&str> = page.data.keys().map(String::as_str).collect();
            let first = page.seq_num.first().copied().unwrap_or_default();
            let last = page.seq_num.last().copied().unwrap_or_default();
            ("event_page", format!("events {first} to {last}: {}", keys.join(", ")))
        }
        Document::Stop(stop) => {
            let how = match stop.exit_status {
                ExitStatus::Success => "success",
                ExitStatus::Abort => "abort",
                ExitStatus::Fail => "fail",
            };
            let numbers = stop.num_events.iter();
            let numbers: Vec<String> = numbers.map(|(name, n)| format!("{name} {n}")).collect();
            let reason = match stop.reason.as_str() {
                "" => String::new(),
                reason => format!(": {}", one_line(reason)),
            };
            ("stop", format!("{how}, events of {}{reason}", numbers.join(", ")))
        }
    };
    format!("{name:15}  {text}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn each_document_is_a_line() {
        let check = |name: &str, doc: Value, expected: &str| {
            let parsed = serde_json::from_value(json!({"name": name, "doc": doc}));
            assert_eq!(document(&parsed.expect("a document")), format!("{expected}\n"));
        };
        check(
            "start",
            json!({"uid": "r1", "time": 1.0, "scan_id": 3, "shape": [16, 100], "num_points": 1600}),
            "start            r1, scan 3, 1600 frames (16 x 100)",
        );
        check(
            "start",
            json!({"uid": "r1", "time": 1.0, "scan_id": 3}),
            "start            r1, scan 3",
        );
        check(
            "descriptor",
            json!({"uid": "d", "time": 1.0, "run_start": "r1", "name": "primary", "data_keys": {
                "x": {"source": "sim", "dtype": "number", "shape": []},
            }}),
            "descriptor       primary: x",
        );
        check(
            "stream_resource",
            json!({"uid": "s", "run_start": "r1", "data_key": "camera", "mimetype": "application/x-hdf5",
                "uri": "file://localhost/data/a.h5", "parameters": {"dataset": "/data", "chunk_shape": [1]}}),
            "stream_resource  camera: file://localhost/data/a.h5 /data",
        );
        check(
            "stream_datum",
            json!({"uid": "s/0", "stream_resource": "s", "descriptor": "d",
                "indices": {"start": 0, "stop": 8}, "seq_nums": {"start": 1, "stop": 9}}),
            "stream_datum     rows 0 to 8 of s",
        );
        check(
            "event_page",
            json!({"uid": ["a", "b"], "time": [1.0, 2.0], "descriptor": "d", "seq_num": [1, 2],
                "data": {"x": [0.0, 1.0]}, "timestamps": {"x": [1.0, 2.0]}, "filled": {}}),
            "event_page       events 1 to 2: x",
        );
        check(
            "stop",
            json!({"uid": "e", "time": 2.0, "run_start": "r1", "exit_status": "abort",
                "reason": "by hand", "num_events": {"primary": 10}}),
            "stop             abort, events of primary 10: by hand",
        );
    }
}
