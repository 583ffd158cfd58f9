//! How HDF5 files are made: format, groups, datasets, attributes.
use super::{
    journal::{JournalPlan, Kind},
    plan::{Attribute, ColumnPlan, Element, StreamPlan},
};
use hdf5::{
    Dataset, Datatype, Extent, File, FileBuilder, Group, Location, Result,
    file::{FileCloseDegree, LibraryVersion},
    types::{FloatSize, IntSize, TypeDescriptor, VarLenUnicode},
};
use std::path::Path;

/// Slots of the chunk cache: the library's default.
const CACHE_SLOTS: usize = 521;
/// Size of the chunk cache, which always has room for two chunks.
const CACHE_BYTES: u64 = 1 << 20;
/// Prefer to evict chunks that were written entirely: the library's default.
const CACHE_PREEMPTION: f64 = 0.75;

/// Entries of a journal per chunk: they are few.
const JOURNAL_CHUNK: usize = 16;

/// How every file is opened: readable by HDF5 1.10, and closed by `close` even if handles are left.
pub(super) fn options() -> FileBuilder {
    let mut options = FileBuilder::new();
    options.with_fapl(|access| {
        access
            .libver_bounds(LibraryVersion::V110, LibraryVersion::V110)
            .fclose_degree(FileCloseDegree::Strong)
    });
    options
}

/// A new file. Never truncates: `H5F_ACC_TRUNC` destroys a file which a reader has open, and then
/// fails.
pub(super) fn create_file(path: &Path) -> Result<File> {
    options().create_excl(path)
}

/// Groups, columns (in the order of the plan) and commit counter of a stream file.
pub(super) fn create_stream(file: &File, plan: &StreamPlan) -> Result<(Vec<Dataset>, Dataset)> {
    let entry = create_group(file, "/entry", "NXentry")?;
    if let Some(uid) = &plan.run_uid {
        set_text(&entry, "run_uid", uid)?;
    }
    set_text(file, "default", "entry")?;
    let mut columns = Vec::with_capacity(plan.columns.len());
    for (i, column) in plan.columns.iter().enumerate() {
        let (parent, name) = column.dataset.rsplit_once('/').expect("checked by the plan");
        if !file.link_exists(parent) {
            let group = create_group(file, parent, "NXdata")?;
            set_text(&group, "signal", name)?;
        }
        if i == 0 {
            set_text(&entry, "default", parent.trim_start_matches("/entry/"))?;
        }
        columns.push(create_column(file, column)?);
    }
    let ours = create_group(file, "/entry/bluefly", "NXcollection")?;
    let committed = ours.new_dataset::<u64>().chunk(1).shape(1).create("committed")?;
    committed.write_raw(&[0_u64])?;
    Ok((columns, committed))
}

pub(super) fn create_group(file: &File, path: &str, class: &str) -> Result<Group> {
    let group = file.create_group(path)?;
    set_text(&group, "NX_class", class)?;
    Ok(group)
}

fn create_column(file: &File, plan: &ColumnPlan) -> Result<Dataset> {
    let size = |size: u64| size as usize;
    let row_shape = plan.row_shape.iter().copied().map(size);
    let chunk: Vec<usize> =
        std::iter::once(size(plan.rows_per_chunk)).chain(row_shape.clone()).collect();
    // The unlimited dimension first and only one: other index types cannot be followed by readers.
    let extents: Vec<Extent> =
        std::iter::once(Extent::resizable(0)).chain(row_shape.map(Extent::fixed)).collect();
    let cache = size(CACHE_BYTES.max(2 * plan.chunk_bytes()));
    let builder =
        file.new_dataset_builder().chunk_cache(CACHE_SLOTS, cache, CACHE_PREEMPTION).chunk(chunk);
    // Holes read as NaN in floats, as 0 in integers (the library's default). They are filled when
    // a chunk is allocated: with "never fill", a reader gets whatever is in its own memory.
    let builder = match plan.element {
        Element::F64 => builder.fill_value(f64::NAN),
        Element::F32 => builder.fill_value(f32::NAN),
        _ => builder,
    };
    let builder = builder.empty_as(descriptor(plan.element));
    let dataset =
        builder.shape(hdf5::SimpleExtents::from_vec(extents)).create(plan.dataset.as_str())?;
    for (name, value) in &plan.attributes {
        set_attribute(&dataset, name, value)?;
    }
    Ok(dataset)
}

/// The fields of a journal, in the order of its plan.
pub(super) fn create_journal(file: &File, plan: &JournalPlan) -> Result<Vec<(Dataset, Datatype)>> {
    create_group(file, &plan.group, "NXcollection")?;
    let create = |(name, kind): &(String, Kind)| {
        let descriptor = match kind {
            Kind::Integer => TypeDescriptor::Integer(IntSize::U8),
            Kind::Text { max_bytes } => TypeDescriptor::FixedUnicode(*max_bytes),
        };
        let builder = file.new_dataset_builder().chunk(JOURNAL_CHUNK).empty_as(&descriptor);
        let shape = hdf5::SimpleExtents::from_vec(vec![Extent::resizable(0)]);
        let dataset = builder.shape(shape).create(format!("{}/{name}", plan.group).as_str())?;
        Ok((dataset, Datatype::from_descriptor(&descriptor)?))
    };
    plan.fields.iter().map(create).collect()
}

fn descriptor(element: Element) -> TypeDescriptor {
    match element {
        Element::F64 => TypeDescriptor::Float(FloatSize::U8),
        Element::F32 => TypeDescriptor::Float(FloatSize::U4),
        Element::U8 => TypeDescriptor::Unsigned(IntSize::U1),
        Element::U16 => TypeDescriptor::Unsigned(IntSize::U2),
        Element::U32 => TypeDescriptor::Unsigned(IntSize::U4),
        Element::U64 => TypeDescriptor::Unsigned(IntSize::U8),
        Element::I32 => TypeDescriptor::Integer(IntSize::U4),
        Element::I64 => TypeDescriptor::Integer(IntSize::U8),
    }
}

/// The native type of `element`.
pub(super) fn datatype(element: Element) -> Result<Datatype> {
    Datatype::from_descriptor(&descriptor(element))
}

pub(super) fn set_attribute(target: &Location, name: &str, value: &Attribute) -> Result<()> {
    match value {
        Attribute::Text(value) => set_text(target, name, value),
        Attribute::Texts(values) => set_texts(target, name, values),
        Attribute::Integer(value) => target.new_attr::<i64>().create(name)?.write_scalar(value),
        Attribute::Float(value) => target.new_attr::<f64>().create(name)?.write_scalar(value),
    }
}

pub(super) fn set_text(target: &Location, name: &str, value: &str) -> Result<()> {
    target.new_attr::<VarLenUnicode>().create(name)?.write_scalar(&text(value)?)
}

pub(super) fn set_texts(target: &Location, name: &str, values: &[String]) -> Result<()> {
    let texts = values.iter().map(|value| text(value)).collect::<Result<Vec<_>>>()?;
    target.new_attr::<VarLenUnicode>().shape(texts.len()).create(name)?.write_raw(&texts)
}

pub(super) fn text(value: &str) -> Result<VarLenUnicode> {
    value.parse().map_err(|error| format!("text {value:?}: {error}").into())
}
