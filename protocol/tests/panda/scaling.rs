//! Columns of raw rows, against those that the server scaled in the same experiment.
use crate::{
    recording::third_party,
    streams::{RAW, SCALED, Told, decode_whole, recorded},
};
use bluefly_protocol::panda::{
    Capture,
    data::{FieldType, Header, Process},
    describe::parse_captured,
    scaling::{Columns, ScalingError},
};
use std::fmt::Write as _;

/// The first experiment of a connection.
fn experiment(told: &[Told]) -> (&Header, &[u8]) {
    let Told::Header(header) = &told[1] else { panic!() };
    let Told::Rows(0, rows) = &told[2] else { panic!() };
    (header, rows)
}

fn columns(header: &Header, rows: &[u8]) -> Vec<(String, Capture, Vec<f64>)> {
    let columns = Columns::of(header).unwrap();
    let mut values = vec![vec![]; columns.columns().len()];
    columns.append(rows, &mut values);
    let named = columns.columns().iter().zip(values);
    named.map(|(column, values)| (column.name.clone(), column.capture.clone(), values)).collect()
}

#[test]
fn raw_rows_are_scaled_as_the_server_does() {
    let runs = [
        ("scan_formats.d2", "scan_formats.d1"),
        ("scan_all_modes.d2", "scan_all_modes.d1"),
        ("scan_fast.d2", "scan_fast.d1"),
        ("scan_mean_only.d2", "scan_mean_only.d1"),
        ("scan_one_bits.d2", "scan_one_bits.d1"),
        ("scan_repeat.d2", "scan_repeat.d1"),
        ("framing_error.d2", "framing_error.d1"),
    ];
    let mut unasked = vec![];
    for (raw_name, scaled_name) in runs {
        let (raw, scaled) = (recorded(raw_name), recorded(scaled_name));
        let ((raw_header, raw), (header, scaled)) = (experiment(&raw), experiment(&scaled));
        let mut expected = columns(header, scaled).into_iter().peekable();
        for (name, capture, values) in columns(raw_header, raw) {
            let Some((_, _, same)) =
                expected.next_if(|(told, of, _)| (told, of) == (&name, &capture))
            else {
                unasked.push(format!("{raw_name} {name} {capture}"));
                continue;
            };
            let bits = |values: &[f64]| values.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&values), bits(&same), "{raw_name} {name} {capture}");
        }
        assert_eq!(expected.next(), None);
    }
    let expected = [
        "scan_all_modes.d2 PCAP.GATE_DURATION Value",
        "scan_all_modes.d2 COUNTER2.OUT Mean",
        "scan_fast.d2 PCAP.GATE_DURATION Value",
        "scan_mean_only.d2 PCAP.GATE_DURATION Value",
        "scan_repeat.d2 PCAP.GATE_DURATION Value",
    ];
    assert_eq!(unasked, expected);
}

#[test]
fn only_what_was_asked_for_may_be_kept() {
    let told = recorded("scan_all_modes.d2");
    let (header, _) = experiment(&told);
    let asked = ["PCAP.BITS0 Value", "COUNTER1.OUT Value StdDev", "COUNTER2.OUT StdDev"];
    let asked = parse_captured(&asked.map(str::to_owned)).unwrap();
    let columns = Columns::of(header).unwrap().only(&asked);
    let names =
        columns.columns().iter().map(|column| format!("{} {}", column.name, column.capture));
    let expected =
        ["PCAP.BITS0 Value", "COUNTER1.OUT Value", "COUNTER1.OUT StdDev", "COUNTER2.OUT StdDev"];
    assert_eq!(names.collect::<Vec<_>>(), expected);
    assert_eq!(columns.row_bytes(), 72);
    assert_eq!(columns.columns()[1].units.as_deref(), Some("mm & <\"deg'>"));
}

/// Columns of raw rows with these fields.
fn scaled_by_hand(fields: &[(&str, &str, &str, &str)], row: &[u8]) -> Vec<f64> {
    let mut text =
        String::from("OK\n<header>\n<data missed=\"0\" process=\"Raw\" format=\"Framed\"");
    writeln!(text, " sample_bytes=\"{}\" />\n<fields>", row.len()).unwrap();
    for (name, kind, capture, rest) in fields {
        writeln!(text, "<field name=\"{name}\" type=\"{kind}\" capture=\"{capture}\" {rest}/>")
            .unwrap();
    }
    text.push_str("</fields>\n</header>\n\n");
    let frame = [b"BIN ", &(8 + row.len() as u32).to_le_bytes()[..], row].concat();
    let (told, _) = decode_whole(RAW, &[text.as_bytes(), &frame].concat());
    let (header, rows) = experiment(&told);
    columns(header, rows).iter().map(|(_, _, values)| values[0]).collect()
}

const BY_TWO: &str = "scale=\"2\" offset=\"-1\" units=\"mm\" ";

#[test]
fn extremes_are_scaled() {
    let check = |kind, capture, bytes: &[u8], expected: f64| {
        assert_eq!(scaled_by_hand(&[("A.B", kind, capture, BY_TWO)], bytes), [expected]);
    };
    check("int32", "Value", &i32::MIN.to_le_bytes(), -4_294_967_297.0);
    check("int32", "Median", &7_i32.to_le_bytes(), 13.0);
    check("int64", "Sum", &i64::MAX.to_le_bytes(), 18_446_744_073_709_551_616.0);
    check("uint32", "Value", &u32::MAX.to_le_bytes(), 4_294_967_295.0);
}

#[test]
fn the_ticks_of_a_gate_of_more_than_17_s_are_not_below_zero() {
    let gate =
        |kind| ("PCAP.GATE_DURATION", kind, "Value", "scale=\"8e-09\" offset=\"0\" units=\"s\" ");
    let ticks = 3_000_000_000_u32.to_le_bytes();
    for kind in ["int32", "uint32"] {
        assert_eq!(scaled_by_hand(&[gate(kind)], &ticks), [24.0]);
    }
    let row = [&ticks[..], &6_000_000_000_i64.to_le_bytes()].concat();
    let fields = [gate("int32"), ("A.B", "int64", "Mean", BY_TWO)];
    assert_eq!(scaled_by_hand(&fields, &row), [24.0, 3.0]);
}

#[test]
fn means_and_deviations_of_nothing_are_no_numbers() {
    let fields = [
        ("PCAP.GATE_DURATION", "int32", "Value", BY_TWO),
        ("A.B", "int64", "Mean", BY_TWO),
        ("A.B", "int96", "StdDev", BY_TWO),
    ];
    let row = |samples: u32, sum: i64, squares: u128| {
        let squares = &squares.to_le_bytes()[..12];
        let row = [&samples.to_le_bytes()[..], &sum.to_le_bytes(), squares].concat();
        let values = scaled_by_hand(&fields, &row);
        (values[1], values[2])
    };
    assert_eq!(row(2, 6, 20), (5.0, 2.0));
    assert_eq!(row(2, -6, 20), (-7.0, 2.0));
    let (mean, deviation) = row(1, i64::MIN, 1 << 95);
    assert!(mean == 2.0 * i64::MIN as f64 - 1.0 && deviation.is_nan());
    for (mean, deviation) in [row(0, 5, 5), row(0, 0, 0)] {
        assert!(mean.is_nan() && deviation.is_nan());
    }
    let (mean, deviation) = row(2, 6, 17);
    assert!(mean == 5.0 && deviation.is_nan(), "less than the square of the sum");
    assert_eq!(
        row(u32::MAX, 0, (1 << 96) - 1).1,
        2.0 * (((1_u128 << 96) - 1) as f64 / 4_294_967_295.0).sqrt()
    );
}

#[test]
fn bits_are_also_words() {
    let told = recorded("scan_one_bits.d2");
    let (header, rows) = experiment(&told);
    let columns = Columns::of(header).unwrap();
    let mut words = [0; 41];
    columns.columns()[0].bits().unwrap().fill(rows, &mut words);
    assert_eq!((&words[..40], words[40]), (&[32; 40][..], 0));
    let told = recorded("scan_fast.d2");
    assert!(Columns::of(experiment(&told).0).unwrap().columns()[1].bits().is_none());
}

#[test]
fn what_cannot_be_scaled_is_named() {
    let header = |fields: &str, bytes: usize, process: &str| {
        format!(
            "OK\n<header>\n<data missed=\"0\" process=\"{process}\" format=\"Framed\" \
             sample_bytes=\"{bytes}\" />\n<fields>\n{fields}</fields>\n</header>\n\n"
        )
    };
    let check = |text: String, request, expected: ScalingError| {
        let (told, _) = decode_whole(request, text.as_bytes());
        let Told::Header(header) = &told[1] else { panic!() };
        assert_eq!(Columns::of(header), Err(expected));
    };
    let field = |kind: &str| format!("<field name=\"A.B\" type=\"{kind}\" capture=\"StdDev\" />\n");
    check(
        header(&field("int96"), 12, "Raw"),
        RAW,
        ScalingError::NoSum { field: "A.B".into(), capture: Capture::StdDev },
    );
    let mean = "<field name=\"A.B\" type=\"int64\" capture=\"Mean\" />\n";
    check(
        header(mean, 8, "Raw"),
        RAW,
        ScalingError::NoSamples { field: "A.B".into(), capture: Capture::Mean },
    );
    let name = || "A.B".to_owned();
    check(
        header(&field("double"), 8, "Raw"),
        RAW,
        ScalingError::Type { field: name(), kind: FieldType::Double, process: Process::Raw },
    );
    check(
        header(&field("int32"), 4, "Scaled"),
        SCALED,
        ScalingError::Type { field: name(), kind: FieldType::Int32, process: Process::Scaled },
    );
}

#[test]
fn dumps_of_older_servers_are_scaled() {
    let Some(bytes) = third_party("client_dumps/raw_dump.bin") else { return };
    let (told, _) = decode_whole(RAW, &bytes);
    let (header, rows) = experiment(&told);
    let columns = columns(header, rows);
    let last: Vec<f64> = columns.iter().map(|(_, _, values)| *values.last().unwrap()).collect();
    assert_eq!(columns[0].0, "PCAP.GATE_DURATION");
    assert_eq!(
        last,
        [125.0, 0.0, 10_000.0, 10_000.0, 30_000.0, 0.019_998_072_000_000_002, 10_000.0, 20_000.0]
    );
}
