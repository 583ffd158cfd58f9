//! [`SimDisk`]: the disk behind simulated detectors is our own storage, so that simulated frames go
//! the way of real rows.
use bluefly_actors::{
    logic::detector::Dtype,
    signal::LocalFuture,
    storage::{
        ColumnData, ColumnPlan, Element, Rows, StorageClient, StreamHandle, StreamPlan, StreamState,
    },
};
use bluefly_sim::sink::{FrameSink, Frames, SinkFile, SinkPlan, SinkState, SinkStates};
use futures_util::{StreamExt as _, stream};
use std::{
    cell::RefCell,
    fs, io,
    path::{Path, PathBuf},
    rc::{Rc, Weak},
};

/// Where simulated detectors write their files.
pub struct SimDisk(pub StorageClient);

/// As [`SimDisk`], for detectors that a client of Channel Access may take for real ones: their file
/// writer replaces a file that is there, unless it has it open itself.
pub struct IocDisk {
    storage: StorageClient,
    /// The files that are open, or being made.
    open: RefCell<Vec<Weak<PathBuf>>>,
}

struct SimFile {
    client: StorageClient,
    stream: StreamHandle,
    dtype: Dtype,
    numbers: Vec<Dtype>,
    /// Of a disk whose files are replaced: as long as it is there, the file is open.
    _place: Option<Rc<PathBuf>>,
}

impl IocDisk {
    pub fn new(storage: StorageClient) -> Self {
        Self { storage, open: RefCell::default() }
    }

    /// The place of a file that is not open.
    fn take_place(&self, path: &Path) -> Result<Rc<PathBuf>, String> {
        let mut open = self.open.borrow_mut();
        open.retain(|place| place.strong_count() > 0);
        if open.iter().filter_map(Weak::upgrade).any(|place| *place == path) {
            return Err(format!("{} is open", path.display()));
        }
        let place = Rc::new(path.to_owned());
        open.push(Rc::downgrade(&place));
        Ok(place)
    }
}

impl FrameSink for IocDisk {
    fn has_directory(&self, path: &Path, new_parts: u32) -> bool {
        has_directory(path, new_parts)
    }

    fn create(&self, plan: SinkPlan) -> LocalFuture<Result<Rc<dyn SinkFile>, String>> {
        let (client, place) = (self.storage.clone(), self.take_place(&plan.path));
        Box::pin(async move {
            let place = place?;
            let path = plan.path.clone();
            let removed = tokio::task::spawn_blocking(move || fs::remove_file(&path)).await;
            match removed.map_err(io::Error::other).flatten() {
                Ok(()) => tracing::info!(path = %place.display(), "replaced"),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(format!("{}: {error}", place.display())),
            }
            create(client, plan, Some(place)).await
        })
    }
}

impl FrameSink for SimDisk {
    fn has_directory(&self, path: &Path, new_parts: u32) -> bool {
        has_directory(path, new_parts)
    }

    fn create(&self, plan: SinkPlan) -> LocalFuture<Result<Rc<dyn SinkFile>, String>> {
        let client = self.0.clone();
        Box::pin(async move { create(client, plan, None).await })
    }
}

fn has_directory(path: &Path, new_parts: u32) -> bool {
    let there = path.ancestors().nth(new_parts as usize).is_none_or(Path::is_dir);
    let made = if there { fs::create_dir_all(path) } else { Ok(()) };
    if let Err(error) = &made {
        tracing::debug!(path = %path.display(), %error, "not made");
    }
    there && made.is_ok()
}

async fn create(
    client: StorageClient,
    plan: SinkPlan,
    place: Option<Rc<PathBuf>>,
) -> Result<Rc<dyn SinkFile>, String> {
    let dtype = plan.dtype;
    let numbers = plan.numbers.iter().map(|(_, dtype)| *dtype).collect();
    let stream = client.create(stream_plan(plan)).await.map_err(|error| error.to_string())?;
    Ok(Rc::new(SimFile { client, stream, dtype, numbers, _place: place }))
}

fn stream_plan(plan: SinkPlan) -> StreamPlan {
    let shape = plan.shape.map(|length| length as u64);
    let pixels = ColumnPlan::image(plan.pixels, element(plan.dtype), shape);
    let numbers = plan.numbers.into_iter().map(|(dataset, dtype)| ColumnPlan {
        element: element(dtype),
        ..ColumnPlan::number(dataset)
    });
    StreamPlan {
        path: plan.path,
        // What writes the file of a detector knows nothing of runs.
        run_uid: None,
        columns: [pixels].into_iter().chain(numbers).collect(),
        journal: None,
    }
}

/// The type of a pixel on disk: that of the detector.
fn element(dtype: Dtype) -> Element {
    match dtype {
        // No simulated pixel is negative or above 65,535: the next wider unsigned type holds it.
        Dtype::Int8 | Dtype::UInt8 => Element::U8,
        Dtype::UInt16 => Element::U16,
        Dtype::UInt32 => Element::U32,
        Dtype::Int16 | Dtype::Int32 => Element::I32,
        Dtype::Int64 => Element::I64,
        Dtype::UInt64 => Element::U64,
        Dtype::Float32 => Element::F32,
        Dtype::Float64 => Element::F64,
    }
}

fn column(dtype: Dtype, pixels: Vec<u16>) -> ColumnData {
    let pixels = pixels.into_iter();
    match element(dtype) {
        Element::U8 => ColumnData::U8(pixels.map(|pixel| pixel as u8).collect()),
        Element::U16 => ColumnData::U16(pixels.collect()),
        Element::U32 => ColumnData::U32(pixels.map(u32::from).collect()),
        Element::I32 => ColumnData::I32(pixels.map(i32::from).collect()),
        Element::F32 => ColumnData::F32(pixels.map(f32::from).collect()),
        Element::F64 => ColumnData::F64(pixels.map(f64::from).collect()),
        Element::U64 => ColumnData::U64(pixels.map(u64::from).collect()),
        Element::I64 => ColumnData::I64(pixels.map(i64::from).collect()),
    }
}

fn number_column(dtype: Dtype, numbers: Vec<f64>) -> ColumnData {
    if dtype == Dtype::Int32 {
        ColumnData::I32(numbers.into_iter().map(|number| number as i32).collect())
    } else {
        ColumnData::F64(numbers)
    }
}

impl SinkFile for SimFile {
    fn append(&self, frames: Frames) -> Result<(), String> {
        let pixels = column(self.dtype, frames.pixels);
        let numbers = frames.numbers.into_iter().zip(&self.numbers);
        let numbers = numbers.map(|(numbers, dtype)| number_column(*dtype, numbers));
        let columns = [pixels].into_iter().chain(numbers).collect();
        let rows = Rows { first_index: frames.first_index, columns };
        self.stream.append(rows).map_err(|error| error.to_string())
    }

    fn rewind(&self, first_index: u64) -> Result<(), String> {
        self.stream.rewind(first_index).map_err(|error| error.to_string())
    }

    fn state(&self) -> SinkState {
        sink_state(&self.stream.watch().borrow())
    }

    fn states(&self) -> SinkStates {
        let states = self.stream.watch();
        stream::unfold(states, |mut states| async move {
            states.changed().await.is_ok().then_some(())?;
            let state = sink_state(&states.borrow_and_update());
            Some((state, states))
        })
        .boxed_local()
    }

    fn flush(&self) -> LocalFuture<Result<(), String>> {
        let (client, states) = (self.client.clone(), self.stream.watch());
        Box::pin(async move {
            client.flush_if_dirty().await.map_err(|error| error.to_string())?;
            sink_state(&states.borrow()).error.map_or(Ok(()), Err)
        })
    }

    fn close(&self) -> LocalFuture<Result<(), String>> {
        let stream = self.stream.clone();
        Box::pin(async move { stream.close().await.map(drop).map_err(|error| error.to_string()) })
    }
}

fn sink_state(state: &StreamState) -> SinkState {
    let error = state.error.as_ref().map(ToString::to_string);
    SinkState { committed: state.committed, error }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bluefly_actors::{clock::Clock, storage::StorageConfig, system::real_system};

    fn plan(path: &Path) -> SinkPlan {
        SinkPlan {
            path: path.to_owned(),
            pixels: "/entry/data/data".to_owned(),
            shape: [1, 2],
            dtype: Dtype::UInt16,
            numbers: Vec::new(),
        }
    }

    #[test]
    fn a_file_that_an_ioc_left_when_it_was_killed_kept_the_next_one_from_its_place() {
        real_system().block_on(async {
            let directory = tempfile::tempdir().expect("there is room");
            let path = directory.path().join("a.h5");
            let config = StorageConfig { min_free_bytes: 0, ..StorageConfig::default() };
            let storage = StorageClient::hdf5(config, Clock::real()).expect("it starts");
            let disk = IocDisk::new(storage.clone());
            for left in ["", "half a file"] {
                fs::write(&path, left).expect("it is ours");
                let file = disk.create(plan(&path)).await.expect("it is replaced");
                let again = disk.create(plan(&path)).await.map(drop);
                assert_eq!(again, Err(format!("{} is open", path.display())));
                file.close().await.expect("it is open");
                drop(file);
            }
            disk.create(plan(&path))
                .await
                .expect("it is closed")
                .close()
                .await
                .expect("it is open");
            // Where scans are flown nothing is replaced.
            let refused = SimDisk(storage.clone()).create(plan(&path)).await.map(drop);
            let reason = refused.expect_err("it is there");
            let told = format!("cannot create {}: there is a file of that name", path.display());
            assert_eq!(reason, told);
            storage.shutdown().await;
        });
    }
}
