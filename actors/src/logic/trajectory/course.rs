//! [`Course`]: the points that a controller was given since the last build.
use super::limits::SoftLimits;
use bluefly_protocol::trajectory::{Batch, PmacTable, PmacWriter, TriggerBits};
use std::{collections::VecDeque, time::Duration};

/// What is known of the points of a trajectory: how many there are, and how many frames are over at
/// each that was not come to yet.
#[derive(Clone, Debug)]
pub(super) struct Course {
    /// Indices of the axes that take part, and those of their letters.
    pub(super) moved: Vec<usize>,
    pub(super) letters: Vec<usize>,
    /// What their records allowed when it was built.
    pub(super) limits: Vec<SoftLimits>,
    writer: PmacWriter,
    pub(super) built: u64,
    /// Points that the controller takes in all.
    pub(super) bound: u64,
    /// Whether nothing follows the points that there are.
    pub(super) is_last: bool,
    /// The longest time between two points: for this long nothing need be heard.
    pub(super) longest: Duration,
    scanned: u64,
    /// Frames that are over at the point that was come to last.
    frames: u64,
    /// Those over at each point that follows.
    completed: VecDeque<u64>,
    /// Whether what the controller says of points come to is of this trajectory.
    pub(super) is_heard: bool,
}

impl Course {
    pub(super) fn new(
        bits: TriggerBits,
        (moved, letters): (Vec<usize>, Vec<usize>),
        bound: u64,
    ) -> Self {
        Self {
            moved,
            letters,
            limits: Vec::new(),
            writer: PmacWriter::new(bits, 0),
            built: 0,
            bound,
            is_last: false,
            longest: Duration::ZERO,
            scanned: 0,
            frames: 0,
            completed: VecDeque::new(),
            is_heard: false,
        }
    }

    /// The next points in the form that a PMAC takes.
    pub(super) fn table(&mut self, batch: &Batch) -> PmacTable {
        self.writer.table(batch)
    }

    /// The controller has taken these points.
    pub(super) fn add(&mut self, batch: &Batch, table: &PmacTable) {
        self.built += batch.len() as u64;
        self.is_last = batch.last;
        self.completed.extend(&table.completed);
        let longest_us = batch.durations_us.iter().max().copied().unwrap_or(0);
        self.longest = self.longest.max(Duration::from_micros(longest_us));
    }

    /// Frames that are over once so many points were come to.
    pub(super) fn frames_at(&mut self, scanned: u64) -> u64 {
        while self.scanned < scanned {
            let Some(frames) = self.completed.pop_front() else { break };
            self.frames = frames;
            self.scanned += 1;
        }
        self.frames
    }
}
