//! Arms that go well: one, over one another, behind one another.
use super::rig::{PATH, Rig, arm, column, columns, plan, position, with_columns, with_rig};
use bluefly_actors::{
    logic::detector::{DatasetKind, Dtype, OpenFile},
    storage::{Attribute, Cell, ColumnData, MemoryFile},
};
use bluefly_protocol::{exposures::ExposuresPerFrame, panda::Capture};
use std::{cell::RefCell, time::Duration};

/// Of each entry of the journal: first row, rows, received, sent, captured, expected, end, problems.
pub(super) fn journal(file: &MemoryFile) -> Vec<(Vec<i64>, String, String)> {
    let number = |cell: &Cell| match cell {
        Cell::Integer(number) => *number,
        Cell::Text(text) => panic!("{text} is no number"),
    };
    let text = |cell: &Cell| match cell {
        Cell::Text(text) => text.clone(),
        Cell::Integer(number) => panic!("{number} is no text"),
    };
    let entry = |entry: &Vec<Cell>| {
        let numbers = [0, 1, 2, 5, 6, 7].map(|i| number(&entry[i]));
        (numbers.to_vec(), text(&entry[8]), text(&entry[12]))
    };
    file.journal.iter().map(entry).collect()
}

fn positions(pulses: std::ops::Range<u32>) -> Vec<f64> {
    pulses.map(position).collect()
}

#[test]
fn rows_of_an_arm_are_in_the_file_as_the_box_captured_them() {
    with_rig(async |rig: Rig| {
        let described = rig.capture.describe().unwrap();
        assert_eq!(described.exposures_per_frame, ExposuresPerFrame::ONE);
        let found: Vec<_> = described
            .datasets
            .iter()
            .map(|set| (set.name.as_str(), set.path.as_str(), set.kind, set.dtype))
            .collect();
        let (position, monitor) = (DatasetKind::Position, DatasetKind::Monitor);
        let expected = [
            ("pcap_ts_trig_value", "/entry/data/PCAP.TS_TRIG.Value", monitor, Dtype::Float64),
            ("x_value", "/entry/data/COUNTER1.OUT.Value", position, Dtype::Float64),
            ("x_diff", "/entry/data/COUNTER1.OUT.Diff", monitor, Dtype::Float64),
            ("pcap_bits0_value", "/entry/data/PCAP.BITS0.Value", monitor, Dtype::UInt32),
        ];
        assert_eq!(found, expected);
        let opened = rig.capture.open(&plan()).await.unwrap();
        let datasets = described.datasets;
        let exposures_per_frame = ExposuresPerFrame::ONE;
        let path = PATH.into();
        assert_eq!(opened, OpenFile { path, datasets, exposures_per_frame, frames_on_disk: 0 });
        rig.sequence(20);
        rig.capture.arm(&arm(0, 20)).await.unwrap();
        assert_eq!(rig.ask("PCAP.ACTIVE?"), "OK =1\n");
        rig.fire();
        let told = RefCell::new(vec![]);
        let progress = |frames| told.borrow_mut().push(frames);
        rig.capture.on_disk(progress).await.unwrap();
        assert_eq!(told.take(), [0, 20]);
        rig.assert_at_rest();
        rig.capture.close().await.unwrap();
        let file = rig.file();
        assert_eq!((file.committed, file.is_closed), (20, true));
        assert_eq!(rig.positions(), positions(0..20));
        let ColumnData::F64(times) = &file.columns[0] else { panic!("times are doubles") };
        let expected: Vec<f64> = (0..20).map(|row| 8e-9 * f64::from((row + 1) * 125_000)).collect();
        assert_eq!(*times, expected);
        let units = |i: usize| {
            let named = |(name, value): &(String, Attribute)| match (name.as_str(), value) {
                ("units", Attribute::Text(text)) => Some(text.clone()),
                _ => None,
            };
            file.plan.columns[i].attributes.iter().find_map(named)
        };
        let expected = ["s", "mm", "mm", ""].map(|units| Some(units.to_owned()));
        assert_eq!([0, 1, 2, 3].map(units), expected);
        let entry = (vec![0, 20, 20, 20, 20, 20], "Ok".to_owned(), String::new());
        assert_eq!(journal(&file), [entry]);
        assert_eq!(rig.capture.make_safe().await.unwrap(), None);
    });
}

#[test]
fn a_rewind_overwrites_the_rows_of_its_frames() {
    with_rig(async |rig: Rig| {
        rig.open().await;
        rig.take(arm(0, 10), 10).await.unwrap();
        rig.tell("COUNTER1.START=100");
        rig.sequence(8);
        rig.capture.arm(&arm(4, 8)).await.unwrap();
        // Frames that will come again do not count until they do.
        assert_eq!(rig.capture.make_safe().await.unwrap().unwrap().frames_on_disk, 4);
        rig.take(arm(4, 8), 8).await.unwrap();
        rig.capture.close().await.unwrap();
        assert_eq!(rig.positions(), [positions(0..4), positions(100..108)].concat());
        assert_eq!(rig.file().committed, 12);
        let told: Vec<_> =
            journal(&rig.file()).into_iter().map(|(rows, end, _)| (rows, end)).collect();
        let entry = |numbers: [i64; 6], end: &str| (numbers.to_vec(), end.to_owned());
        let expected = [
            entry([0, 10, 10, 10, 10, 10], "Ok"),
            entry([4, 0, 0, 0, 0, 8], "Disarmed"),
            entry([4, 8, 8, 8, 8, 8], "Ok"),
        ];
        assert_eq!(told, expected);
    });
}

#[test]
fn a_capture_that_is_paused_goes_on_in_the_same_file() {
    with_rig(async |rig: Rig| {
        rig.open().await;
        rig.sequence(20);
        rig.capture.arm(&arm(0, 20)).await.unwrap();
        rig.fire();
        rig.clock.sleep(Duration::from_micros(8_600)).await;
        // The eighth pulse was taken.
        assert_eq!(rig.capture.disarm().await.unwrap(), 8);
        rig.assert_at_rest();
        rig.tell("COUNTER1.START=8");
        rig.take(arm(8, 12), 12).await.unwrap();
        assert_eq!(rig.capture.disarm().await.unwrap(), 20);
        rig.capture.close().await.unwrap();
        assert_eq!(rig.positions(), positions(0..20));
        let told = journal(&rig.file());
        let cut = "8 rows are there, and 20 were due".to_owned();
        assert_eq!(told[0], (vec![0, 8, 8, 8, 8, 20], "Disarmed".to_owned(), cut));
        assert_eq!(told[1], (vec![8, 12, 12, 12, 12, 12], "Ok".to_owned(), String::new()));
    });
}

#[test]
fn a_capture_that_stays_enabled_is_disarmed_after_its_last_row() {
    with_rig(async |rig: Rig| {
        rig.tell("PCAP.ENABLE=BITS.OUTA");
        rig.open().await;
        rig.take(arm(0, 5), 5).await.unwrap();
        rig.assert_at_rest();
        assert_eq!(rig.positions(), positions(0..5));
        let entry = (vec![0, 5, 5, 5, 5, 5], "Disarmed".to_owned(), String::new());
        assert_eq!(journal(&rig.file()), [entry]);
    });
}

#[test]
fn what_others_had_captured_meanwhile_is_set_again() {
    with_rig(async |rig: Rig| {
        rig.open().await;
        rig.tell("*CAPTURE=");
        rig.tell("COUNTER2.OUT.CAPTURE=Value");
        rig.tell("COUNTER1.OUT.SCALE=7");
        rig.take(arm(0, 5), 5).await.unwrap();
        assert_eq!(rig.positions(), positions(0..5));
        let captured = rig.ask("*CAPTURE?");
        let expected = "!PCAP.TS_TRIG Value\n!PCAP.BITS0 Value\n!COUNTER1.OUT Value Diff\n.\n";
        let sorted = |text: &str| {
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            lines.sort();
            lines
        };
        assert_eq!(sorted(&captured), sorted(expected));
    });
}

#[test]
fn deviations_come_with_means_that_nobody_asked_for() {
    let field = column("COUNTER1.OUT", &[Capture::StdDev, Capture::Mean]);
    with_columns(vec![columns().remove(0), field], async |rig: Rig| {
        rig.open().await;
        rig.take(arm(0, 5), 5).await.unwrap();
        let names: Vec<_> =
            rig.file().plan.columns.iter().map(|column| column.dataset.clone()).collect();
        let expected = ["PCAP.TS_TRIG.Value", "COUNTER1.OUT.StdDev", "COUNTER1.OUT.Mean"];
        assert_eq!(names, expected.map(|name| format!("/entry/data/{name}")));
        assert_eq!(rig.file().committed, 5);
    });
}
