//! Stream files in HDF5, which readers follow while they are written.
use super::{
    disk::{Cause, Disk, DiskCall, DiskError, StreamFile},
    h5raw::{self, Slab},
    journal::{Cell, Entry},
    layout,
    lock::WriterLock,
    nexus::{MasterEnd, MasterPlan},
    nexus_file,
    plan::{ColumnData, ColumnPlan, Rows, StreamPlan},
};
use hdf5::{Dataset, Datatype};
use std::{
    mem,
    path::{Path, PathBuf},
};

/// HDF5 files on a file system.
///
/// Files are made so that a killed process leaves every committed row readable: format of HDF5
/// 1.10, written for readers that follow (SWMR), a lock beside the file, and a commit counter at
/// `/entry/bluefly/committed`.
pub struct Hdf5Disk;

impl Disk for Hdf5Disk {
    fn make_directory(&mut self, directory: &Path, new_parts: u32) -> Result<(), DiskError> {
        let failed = |cause| DiskCall::MakeDirectory.failed(directory, cause);
        let there = directory.ancestors().nth(new_parts as usize);
        let is_missing = |there: &&Path| !there.as_os_str().is_empty() && !there.is_dir();
        if let Some(missing) = there.filter(is_missing) {
            return Err(failed(Cause::Other(format!("there is no {}", missing.display()))));
        }
        std::fs::create_dir_all(directory).map_err(|error| failed(other(&error)))
    }

    fn create(&mut self, plan: &StreamPlan) -> Result<Box<dyn StreamFile>, DiskError> {
        let path = &plan.path;
        let failed = |cause| DiskCall::Create.failed(path, cause);
        let lock = WriterLock::acquire(path).map_err(failed)?;
        match create(path).and_then(|file| Open::new(file, plan).map_err(|error| other(&error))) {
            Ok(open) => {
                let (path, open, lock) = (path.clone(), Some(open), Some(lock));
                Ok(Box::new(Hdf5File { path, open, lock }))
            }
            Err(cause) => {
                lock.remove().map_err(failed)?;
                Err(failed(cause))
            }
        }
    }

    fn free_bytes(&mut self, path: &Path) -> Result<u64, DiskError> {
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let status = rustix::fs::statvfs(directory.unwrap_or(Path::new(".")));
        let failed = |error| DiskCall::FreeBytes.failed(path, other(&error));
        status.map(|status| status.f_bavail.saturating_mul(status.f_frsize)).map_err(failed)
    }

    fn create_master(&mut self, plan: MasterPlan) -> Result<(), DiskError> {
        let path = plan.path.clone();
        let failed = |cause| DiskCall::CreateMaster.failed(&path, cause);
        let file = create(&path).map_err(failed)?;
        nexus_file::write(file, plan).map_err(|error| failed(other(&error)))
    }

    fn finish_master(&mut self, path: &Path, end: &MasterEnd) -> Result<(), DiskError> {
        let failed = |error| DiskCall::FinishMaster.failed(path, other(&error));
        nexus_file::finish(path, end).map_err(failed)
    }
}

struct Hdf5File {
    path: PathBuf,
    /// `None` once closed.
    open: Option<Open>,
    /// `None` once closed; let go of in any case when dropped.
    lock: Option<WriterLock>,
}

struct Open {
    file: hdf5::File,
    columns: Vec<Column>,
    journal: Journal,
    committed: Dataset,
}

/// The fields of the journal, in the order of the plan.
struct Journal {
    fields: Vec<(Dataset, Datatype)>,
    num_entries: usize,
}

struct Column {
    plan: ColumnPlan,
    dataset: Dataset,
    datatype: Datatype,
    /// Rows that the dataset has room for.
    extent: u64,
}

impl Open {
    fn new(file: hdf5::File, plan: &StreamPlan) -> hdf5::Result<Self> {
        let (datasets, committed) = layout::create_stream(&file, plan)?;
        let fields = plan.journal.as_ref().map(|journal| layout::create_journal(&file, journal));
        let journal = Journal { fields: fields.transpose()?.unwrap_or_default(), num_entries: 0 };
        let columns = plan.columns.iter().zip(datasets);
        let columns = columns.map(|(plan, dataset)| Column::new(plan, dataset));
        let columns = columns.collect::<hdf5::Result<_>>()?;
        // The end of the file as it is now goes into its header: recovery never cuts below it.
        file.flush()?;
        file.start_swmr()?;
        Ok(Self { file, columns, journal, committed })
    }

    fn commit(&self, rows: u64) -> hdf5::Result<()> {
        self.committed.write_raw(&[rows])?;
        self.committed.flush()
    }
}

impl Journal {
    fn record(&mut self, entry: &Entry) -> hdf5::Result<()> {
        let slab = Slab { first: self.num_entries as u64, counts: &[1] };
        self.num_entries += 1;
        for ((dataset, datatype), cell) in self.fields.iter().zip(entry) {
            dataset.resize(self.num_entries)?;
            match cell {
                Cell::Integer(value) => h5raw::write_rows(dataset, datatype, &slab, &[*value])?,
                Cell::Text(text) => {
                    let mut bytes = text.clone().into_bytes();
                    bytes.resize(datatype.size(), 0);
                    h5raw::write_rows(dataset, datatype, &slab, &bytes)?;
                }
            }
        }
        Ok(())
    }
}

impl Column {
    fn new(plan: &ColumnPlan, dataset: Dataset) -> hdf5::Result<Self> {
        let datatype = layout::datatype(plan.element)?;
        Ok(Self { plan: plan.clone(), dataset, datatype, extent: 0 })
    }

    fn write(&mut self, first: u64, data: &ColumnData) -> hdf5::Result<()> {
        match data {
            ColumnData::F64(values) => self.write_values(first, values),
            ColumnData::F32(values) => self.write_values(first, values),
            ColumnData::U8(values) => self.write_values(first, values),
            ColumnData::U16(values) => self.write_values(first, values),
            ColumnData::U32(values) => self.write_values(first, values),
            ColumnData::U64(values) => self.write_values(first, values),
            ColumnData::I32(values) => self.write_values(first, values),
            ColumnData::I64(values) => self.write_values(first, values),
        }
    }

    fn write_values<T: hdf5::H5Type>(&mut self, first: u64, values: &[T]) -> hdf5::Result<()> {
        let row_len = self.plan.row_len() as usize;
        let num_rows = (values.len() / row_len) as u64;
        if num_rows == 0 {
            return Ok(());
        }
        let end = first + num_rows;
        if end > self.extent {
            let extent = std::iter::once(end).chain(self.plan.row_shape.iter().copied());
            self.dataset.resize(extent.map(|size| size as usize).collect::<Vec<_>>())?;
            self.extent = end;
        }
        // Whole chunks go past the chunk cache, at twice the speed.
        let (whole_from, whole_to) = whole_chunks(first, end, self.plan.rows_per_chunk);
        let (head, rest) = values.split_at((whole_from - first) as usize * row_len);
        let (whole, tail) = rest.split_at((whole_to - whole_from) as usize * row_len);
        self.write_part(first, head)?;
        self.write_chunks(whole_from, whole)?;
        self.write_part(whole_to, tail)
    }

    fn write_chunks<T: hdf5::H5Type>(&self, first: u64, values: &[T]) -> hdf5::Result<()> {
        let chunk_len = (self.plan.rows_per_chunk * self.plan.row_len()) as usize;
        let mut offset = vec![0; 1 + self.plan.row_shape.len()];
        offset[0] = first;
        for chunk in values.chunks_exact(chunk_len) {
            h5raw::write_chunk(&self.dataset, &offset, chunk)?;
            offset[0] += self.plan.rows_per_chunk;
        }
        Ok(())
    }

    fn write_part<T: hdf5::H5Type>(&self, first: u64, values: &[T]) -> hdf5::Result<()> {
        if values.is_empty() {
            return Ok(());
        }
        let num_rows = values.len() as u64 / self.plan.row_len();
        let mut counts = Vec::with_capacity(1 + self.plan.row_shape.len());
        counts.push(num_rows);
        counts.extend(&self.plan.row_shape);
        let slab = Slab { first, counts: &counts };
        h5raw::write_rows(&self.dataset, &self.datatype, &slab, values)
    }
}

impl Hdf5File {
    fn run(
        &mut self,
        call: DiskCall,
        work: impl FnOnce(&mut Open) -> hdf5::Result<()>,
    ) -> Result<(), DiskError> {
        let open = self.open.as_mut().expect("only closing takes it");
        work(open).map_err(|error| call.failed(&self.path, other(&error)))
    }
}

impl StreamFile for Hdf5File {
    fn write(&mut self, rows: &Rows) -> Result<(), DiskError> {
        self.run(DiskCall::Write, |open| {
            let mut columns = open.columns.iter_mut().zip(&rows.columns);
            columns.try_for_each(|(column, data)| column.write(rows.first_index, data))
        })
    }

    fn record(&mut self, entry: &Entry) -> Result<(), DiskError> {
        self.run(DiskCall::Record, |open| open.journal.record(entry))
    }

    fn flush(&mut self) -> Result<(), DiskError> {
        // Of the whole file: flushing each dataset leaves the end of the file out of its header,
        // and the columns at different lengths if the process is killed in between.
        self.run(DiskCall::Flush, |open| open.file.flush())
    }

    fn commit(&mut self, rows: u64) -> Result<(), DiskError> {
        self.run(DiskCall::Commit, |open| open.commit(rows))
    }

    fn close(mut self: Box<Self>) -> Result<u64, DiskError> {
        let failed = |path: &Path, cause| DiskCall::Close.failed(path, cause);
        let Open { file, columns, journal, committed } = self.open.take().expect("closed once");
        // Strong close: handles that something forgot to drop do not keep it open.
        drop((columns, journal, committed));
        file.close().map_err(|error| failed(&self.path, other(&error)))?;
        let bytes = std::fs::metadata(&self.path);
        let bytes = bytes.map_err(|error| failed(&self.path, other(&error)))?.len();
        let lock = self.lock.take().expect("closed once");
        lock.remove().map_err(|cause| failed(&self.path, cause))?;
        Ok(bytes)
    }
}

impl Drop for Hdf5File {
    fn drop(&mut self) {
        // Not closed, so something failed: dropping the handles would close the file, write what
        // the library still holds and call it good. What was committed is on disk already.
        mem::forget(self.open.take());
    }
}

/// Where the chunks begin and end that rows `first..end` fill entirely.
const fn whole_chunks(first: u64, end: u64, rows_per_chunk: u64) -> (u64, u64) {
    let from = first.next_multiple_of(rows_per_chunk);
    let to = end - end % rows_per_chunk;
    if from < to { (from, to) } else { (end, end) }
}

/// A new, empty file.
fn create(path: &Path) -> Result<hdf5::File, Cause> {
    let cause = |error| if path.exists() { Cause::Exists } else { other(&error) };
    layout::create_file(path).map_err(cause)
}

/// On one line: the library breaks some of its texts.
fn other(error: &impl ToString) -> Cause {
    Cause::Other(error.to_string().split_whitespace().collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_divided_at_the_chunks_that_they_fill() {
        let check = |first, end, expected| assert_eq!(whole_chunks(first, end, 4), expected);
        check(0, 4, (0, 4));
        check(0, 11, (0, 8));
        check(1, 8, (4, 8));
        check(3, 13, (4, 12));
        check(1, 7, (7, 7));
        check(4, 7, (7, 7));
        check(1, 4, (4, 4));
        check(5, 6, (6, 6));
        assert_eq!(whole_chunks(3, 5, 1), (3, 5));
    }
}
