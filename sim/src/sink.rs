//! [`FrameSink`]: the disk behind the file writer of a simulated detector.
use bluefly_actors::{logic::detector::Dtype, signal::LocalFuture, watch};
use futures_util::{Stream, StreamExt as _, stream};
use std::{
    cell::RefCell,
    collections::BTreeMap,
    path::{Path, PathBuf},
    pin::Pin,
    rc::Rc,
};

/// A file that a detector wants to write.
#[derive(Clone, Debug, PartialEq)]
pub struct SinkPlan {
    pub path: PathBuf,
    /// Where the pixels go.
    pub pixels: String,
    /// Rows and columns of a frame.
    pub shape: [usize; 2],
    pub dtype: Dtype,
    /// Where the numbers go and of what type they are, in the order of [`Frames::numbers`].
    pub numbers: Vec<(String, Dtype)>,
}

/// Consecutive frames.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Frames {
    pub first_index: u64,
    pub count: usize,
    /// Frame after frame, line by line; each value fits the type of the plan.
    pub pixels: Vec<u16>,
    /// One column of `count` numbers for each dataset of the plan.
    pub numbers: Vec<Vec<f64>>,
}

impl Frames {
    /// Forgets all but the first `count`.
    pub fn truncate(&mut self, count: u64) {
        let count = usize::try_from(count).unwrap_or(usize::MAX).min(self.count);
        let size = self.pixels.len() / self.count.max(1);
        self.pixels.truncate(count * size);
        self.numbers.iter_mut().for_each(|column| column.truncate(count));
        self.count = count;
    }
}

/// How far a file has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SinkState {
    /// Frames on disk without a hole from index 0. Only a rewind lowers it.
    pub committed: u64,
    /// Why nothing is written any more.
    pub error: Option<String>,
}

/// A disk.
pub trait FrameSink {
    /// Whether there is such a directory, once up to so many of its last parts were made.
    fn has_directory(&self, path: &Path, new_parts: u32) -> bool;
    /// Resolves when the file exists. Fails if it exists already.
    fn create(&self, plan: SinkPlan) -> LocalFuture<Result<Rc<dyn SinkFile>, String>>;
}

/// The states of a file, each as it comes about.
pub type SinkStates = Pin<Box<dyn Stream<Item = SinkState>>>;

/// A file on a [`FrameSink`].
pub trait SinkFile {
    /// Takes frames, which land at their index: earlier ones there are overwritten.
    fn append(&self, frames: Frames) -> Result<(), String>;
    /// Says that frames from `first_index` on will come again: until then they do not count.
    fn rewind(&self, first_index: u64) -> Result<(), String>;
    fn state(&self) -> SinkState;
    /// Every change of the state from now on.
    fn states(&self) -> SinkStates;
    /// Resolves when everything taken is on disk.
    fn flush(&self) -> LocalFuture<Result<(), String>>;
    /// Resolves when the file is complete.
    fn close(&self) -> LocalFuture<Result<(), String>>;
}

/// A disk in memory, on which everything is at once.
#[derive(Clone, Debug, Default)]
pub struct MemorySink {
    files: Rc<RefCell<BTreeMap<PathBuf, Rc<MemoryFile>>>>,
    /// Directories that are not there; all others are.
    missing: Rc<RefCell<Vec<PathBuf>>>,
}

/// A file of a [`MemorySink`].
#[derive(Debug)]
pub struct MemoryFile {
    pub plan: SinkPlan,
    frames: RefCell<BTreeMap<u64, MemoryFrame>>,
    state: watch::Sender<SinkState>,
    is_open: RefCell<bool>,
}

/// One frame of a [`MemoryFile`].
#[derive(Clone, Debug, PartialEq)]
pub struct MemoryFrame {
    pub pixels: Vec<u16>,
    pub numbers: Vec<f64>,
    /// It was there before a rewind, and has not come again.
    pub is_stale: bool,
}

impl MemorySink {
    /// There is no such directory, and nothing below it.
    pub fn lacks(&self, directory: &Path) {
        self.missing.borrow_mut().push(directory.to_owned());
    }

    /// The file at `path`.
    pub fn file(&self, path: &Path) -> Option<Rc<MemoryFile>> {
        self.files.borrow().get(path).cloned()
    }

    /// Every file, by path.
    pub fn paths(&self) -> Vec<PathBuf> {
        self.files.borrow().keys().cloned().collect()
    }
}

impl MemoryFile {
    /// The frames, by index.
    pub fn frames(&self) -> BTreeMap<u64, MemoryFrame> {
        self.frames.borrow().clone()
    }

    pub fn is_open(&self) -> bool {
        *self.is_open.borrow()
    }

    fn commit(&self) {
        let frames = self.frames.borrow();
        let mut committed = self.state.borrow().committed;
        while frames.get(&committed).is_some_and(|frame| !frame.is_stale) {
            committed += 1;
        }
        self.state.send_if_modified(|state| {
            std::mem::replace(&mut state.committed, committed) != committed
        });
    }
}

impl FrameSink for MemorySink {
    fn has_directory(&self, path: &Path, new_parts: u32) -> bool {
        let there = path.ancestors().nth(usize::try_from(new_parts).unwrap_or(usize::MAX));
        let there = there.unwrap_or(Path::new("/"));
        !self.missing.borrow().iter().any(|missing| there.starts_with(missing))
    }

    fn create(&self, plan: SinkPlan) -> LocalFuture<Result<Rc<dyn SinkFile>, String>> {
        let files = self.files.clone();
        Box::pin(async move {
            if files.borrow().contains_key(&plan.path) {
                return Err(format!("{} exists", plan.path.display()));
            }
            let file = Rc::new(MemoryFile {
                plan,
                frames: RefCell::default(),
                state: watch::Sender::default(),
                is_open: RefCell::new(true),
            });
            files.borrow_mut().insert(file.plan.path.clone(), file.clone());
            Ok(Rc::new(Opened(file)) as Rc<dyn SinkFile>)
        })
    }
}

struct Opened(Rc<MemoryFile>);

impl SinkFile for Opened {
    fn append(&self, frames: Frames) -> Result<(), String> {
        if !self.0.is_open() {
            return Err(format!("{} is closed", self.0.plan.path.display()));
        }
        let size = frames.pixels.len() / frames.count.max(1);
        for i in 0..frames.count {
            let frame = MemoryFrame {
                pixels: frames.pixels[i * size..(i + 1) * size].to_vec(),
                numbers: frames.numbers.iter().map(|column| column[i]).collect(),
                is_stale: false,
            };
            self.0.frames.borrow_mut().insert(frames.first_index + i as u64, frame);
        }
        self.0.commit();
        Ok(())
    }

    fn rewind(&self, first_index: u64) -> Result<(), String> {
        let mut frames = self.0.frames.borrow_mut();
        frames.range_mut(first_index..).for_each(|(_, frame)| frame.is_stale = true);
        self.0.state.send_if_modified(|state| {
            let lowers = first_index < state.committed;
            state.committed = state.committed.min(first_index);
            lowers
        });
        Ok(())
    }

    fn state(&self) -> SinkState {
        self.0.state.borrow().clone()
    }

    fn states(&self) -> SinkStates {
        let states = self.0.state.subscribe();
        stream::unfold(states, |mut states| async move {
            states.changed().await.is_ok().then_some(())?;
            let state = states.borrow_and_update().clone();
            Some((state, states))
        })
        .boxed_local()
    }

    fn flush(&self) -> LocalFuture<Result<(), String>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn close(&self) -> LocalFuture<Result<(), String>> {
        self.0.is_open.replace(false);
        Box::pin(std::future::ready(Ok(())))
    }
}
