//! Streams for tests: one column, whose value in row `i` is `i`.

/// Header of rows of one number, of 4 or 8 bytes.
pub(super) fn header(process: &str, units: &str, missed: u64) -> Vec<u8> {
    let (kind, bytes) = if process == "Raw" { ("int32", 4) } else { ("double", 8) };
    format!(
        "<header>\n<data arm_time=\"2026-11-22T05:31:31.333497094Z\" missed=\"{missed}\" \
         process=\"{process}\" format=\"Framed\" sample_bytes=\"{bytes}\" />\n<fields>\n\
         <field name=\"COUNTER1.OUT\" type=\"{kind}\" capture=\"Value\" scale=\"1\" offset=\"0\" \
         units=\"{units}\" />\n</fields>\n</header>\n\n"
    )
    .into_bytes()
}

/// A frame of raw rows.
pub(super) fn raw_frame(rows: std::ops::Range<i32>) -> Vec<u8> {
    frame(rows.flat_map(i32::to_le_bytes).collect())
}

/// A frame of scaled rows.
pub(super) fn scaled_frame(rows: std::ops::Range<i32>) -> Vec<u8> {
    frame(rows.flat_map(|row| f64::from(row).to_le_bytes()).collect())
}

fn frame(rows: Vec<u8>) -> Vec<u8> {
    let length = u32::try_from(rows.len() + 8).unwrap();
    [b"BIN ".to_vec(), length.to_le_bytes().to_vec(), rows].concat()
}

/// The numbers of these rows.
pub(super) fn values(rows: std::ops::Range<i32>) -> Vec<f64> {
    rows.map(f64::from).collect()
}
