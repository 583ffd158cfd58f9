//! The `NeXus` master in HDF5.
use super::{
    h5raw::{self, Slab},
    layout,
    nexus::{ColumnsLink, DetectorLink, MasterEnd, MasterPlan, Setpoints},
    plan::Element,
};
use bluefly_protocol::exposures::ExposuresPerFrame;
use hdf5::{Dataset, File, Group, Result, types::FixedUnicode};
use std::path::Path;

/// Setpoints per chunk: 128 KiB.
const SETPOINTS_PER_CHUNK: usize = 16_384;
/// Texts that are filled in at the end have a fixed length, so that only bytes in place change.
type Text = FixedUnicode<512>;

/// Writes the master to an empty file and closes it.
pub(super) fn write(file: File, plan: MasterPlan) -> Result<()> {
    let entry = layout::create_group(&file, "/entry", "NXentry")?;
    layout::set_text(&file, "default", "entry")?;
    if let Some(first) = plan.detectors.first() {
        layout::set_text(&entry, "default", &first.name)?;
    }
    for (name, value) in [
        ("title", plan.title.as_str()),
        ("start_time", &plan.start_time),
        ("entry_identifier_uuid", &plan.run_uid),
        ("end_time", ""),
        ("exit_status", "running"),
        ("reason", ""),
    ] {
        entry.new_dataset::<Text>().create(name)?.write_scalar(&text(value)?)?;
    }
    let scan = layout::create_group(&file, "/entry/scan", "NXcollection")?;
    let shape = scan.new_dataset::<u64>().shape(plan.scan_shape.len()).create("scan_shape")?;
    shape.write_raw(&plan.scan_shape)?;
    scan.new_dataset::<u64>().create("num_frames")?.write_scalar(&0_u64)?;
    scan.new_dataset::<u8>().create("scan_finished")?.write_scalar(&0_u8)?;
    let mut axes = Vec::with_capacity(plan.axes.len());
    for axis in &plan.axes {
        let name = format!("{}_set", axis.name);
        let builder = scan.new_dataset::<f64>().chunk(SETPOINTS_PER_CHUNK);
        let dataset = builder.shape(0..).create(name.as_str())?;
        layout::set_text(&dataset, "units", &axis.units)?;
        axes.push((name, dataset));
    }
    write_setpoints(&axes, plan.setpoints)?;
    for detector in &plan.detectors {
        create_detector(&file, detector, &axes)?;
    }
    for columns in &plan.columns {
        link_columns(&file, columns)?;
    }
    drop((entry, scan, axes, shape));
    file.close()
}

fn write_setpoints(axes: &[(String, Dataset)], setpoints: Setpoints) -> Result<()> {
    let datatype = layout::datatype(Element::F64)?;
    let mut first = 0;
    for window in setpoints {
        let num = window.first().map_or(0, Vec::len);
        if window.len() != axes.len() || window.iter().any(|values| values.len() != num) {
            return Err(format!("setpoints at frame {first}: not one per axis and frame").into());
        }
        for ((_, dataset), values) in axes.iter().zip(&window) {
            dataset.resize(first + num)?;
            let slab = Slab { first: first as u64, counts: &[num as u64] };
            h5raw::write_rows(dataset, &datatype, &slab, values)?;
        }
        first += num;
    }
    Ok(())
}

/// `NXdata` with a link to the stream file, which need not exist yet; and to the setpoints, if each of
/// them belongs to one row.
fn create_detector(file: &File, link: &DetectorLink, axes: &[(String, Dataset)]) -> Result<()> {
    let group = layout::create_group(file, &format!("/entry/{}", link.name), "NXdata")?;
    layout::set_text(&group, "signal", "data")?;
    group.link_external(&link.file, &link.dataset, "data")?;
    let per_frame = link.exposures_per_frame;
    group.new_attr::<u32>().create("exposures_per_frame")?.write_scalar(&per_frame.get())?;
    let axes = if per_frame == ExposuresPerFrame::ONE { axes } else { &[] };
    // One dimension of frames: a single axis scales it, several describe it.
    let frames = if let [(name, _)] = axes { name } else { "." };
    let names = [frames].into_iter().chain(std::iter::repeat_n(".", link.row_rank));
    layout::set_texts(&group, "axes", &names.map(str::to_owned).collect::<Vec<_>>())?;
    for (name, _) in axes {
        link_setpoints(&group, name)?;
    }
    Ok(())
}

fn link_columns(file: &File, link: &ColumnsLink) -> Result<()> {
    let group = layout::create_group(file, &format!("/entry/{}", link.name), "NXcollection")?;
    for dataset in &link.datasets {
        let (_, name) = dataset.rsplit_once('/').unwrap_or(("", dataset));
        group.link_external(&link.file, dataset, name)?;
    }
    Ok(())
}

fn link_setpoints(group: &Group, name: &str) -> Result<()> {
    group.link_soft(&format!("/entry/scan/{name}"), name)?;
    let indices = group.new_attr::<i64>().shape(1).create(format!("{name}_indices").as_str())?;
    indices.write_raw(&[0_i64])
}

/// Fills in what is known only at the end. Changes bytes in place and nothing else, so that it may
/// be done while readers have the file open: their lock is not asked for.
pub(super) fn finish(path: &Path, end: &MasterEnd) -> Result<()> {
    let mut options = layout::options();
    options.with_fapl(|access| access.file_locking(false));
    let file = options.open_rw(path)?;
    for (name, value) in
        [("end_time", &end.end_time), ("exit_status", &end.exit_status), ("reason", &end.reason)]
    {
        file.dataset(&format!("/entry/{name}"))?.write_scalar(&text(value)?)?;
    }
    file.dataset("/entry/scan/num_frames")?.write_scalar(&end.num_frames)?;
    file.dataset("/entry/scan/scan_finished")?.write_scalar(&1_u8)?;
    file.close()
}

/// `value`, cut to what there is room for.
fn text(value: &str) -> Result<Text> {
    let mut end = value.len().min(Text::capacity());
    while !value.is_char_boundary(end) {
        end -= 1;
    }
    value[..end].parse().map_err(|error| format!("text {value:?}: {error}").into())
}
