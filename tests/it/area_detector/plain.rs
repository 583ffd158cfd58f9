//! A plain areaDetector: its file has no sums and no positions, and it has no `:STAT1:`.
use crate::run::rig::{GRID, Setup, with_rig};
use bluefly_actors::status::Outcome;

const PLAIN: (&str, &str) =
    ("dead_time = \"1 ms\"", "dead_time = \"1 ms\"\nstatistics = false\npositions = false");

#[test]
fn a_run_needs_neither_sums_nor_positions() {
    with_rig(Setup { edits: vec![PLAIN], ..Setup::default() }, async |rig| {
        rig.ready(GRID).await;
        let status = rig.kickoff().await;
        assert_eq!(status.finished().await, Ok(Outcome::Done(40)));
        assert_eq!(rig.unstage().await, Ok(Outcome::Done(40)));
        rig.assert_safe();
        let documents = rig.documents();
        let of = |kind: &str| {
            let found = documents.iter().filter(move |(name, _)| name == kind);
            found.map(|(_, document)| document.clone()).collect::<Vec<_>>()
        };
        let descriptor = &of("descriptor")[0];
        let keys = descriptor["data_keys"].as_object().unwrap();
        let keys: Vec<&str> = keys.keys().map(String::as_str).collect();
        let diode = ["diode", "diode-NDArrayTimeStamp", "diode-NDArrayUniqueId"];
        let of_camera = keys.iter().filter(|key| key.starts_with("camera"));
        let expected = ["camera", "camera-NDArrayTimeStamp", "camera-NDArrayUniqueId"];
        assert_eq!(of_camera.copied().collect::<Vec<_>>(), expected);
        assert!(diode.iter().all(|key| keys.contains(key)) && keys.contains(&"diode_total"));
        assert_eq!(descriptor["hints"]["camera"], serde_json::json!({}));
        let resources = of("stream_resource");
        let of_camera = resources
            .iter()
            .filter(|resource| resource["data_key"].as_str().unwrap().starts_with("camera"));
        assert_eq!(of_camera.count(), 3);
        let pages = of("event_page");
        let rows: usize = pages.iter().map(|page| page["time"].as_array().unwrap().len()).sum();
        assert_eq!(rows, 40);
        for page in &pages {
            let data = page["data"].as_object().unwrap();
            assert!(data.contains_key("diode_total") && !data.contains_key("camera_total"));
        }
    });
}

#[test]
fn without_any_sum_the_setpoints_are_documented() {
    let edits =
        vec![PLAIN, ("dead_time = \"500 us\"", "dead_time = \"500 us\"\nstatistics = false")];
    with_rig(Setup { edits, ..Setup::default() }, async |rig| {
        rig.ready(GRID).await;
        assert_eq!(rig.kickoff().await.finished().await, Ok(Outcome::Done(40)));
        assert_eq!(rig.unstage().await, Ok(Outcome::Done(40)));
        assert_eq!(rig.published("x").len(), 40);
    });
}
