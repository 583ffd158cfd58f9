//! [`Stats`]: the statistics plugin of a detector.
use crate::{line::Line, pv::Pv};
use bluefly_actors::signal::Value;
use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::Arc,
};

/// Numbers of every frame that was exposed, whether or not it goes into a file.
pub(crate) struct Stats {
    ring: RefCell<Ring>,
    /// Sum of the pixels of the latest frame.
    total: Cell<f64>,
    /// Frames that were seen.
    seen: Cell<i64>,
    total_pv: Rc<Pv>,
    seen_pv: Rc<Pv>,
}

/// The statistics of recent frames, at index modulo length.
#[derive(Debug)]
struct Ring {
    index: Vec<f64>,
    total: Vec<f64>,
    timestamp_s: Vec<f64>,
}

impl Stats {
    /// Statistics of a detector at `address`, which remember `ring` frames.
    pub(crate) fn new(line: &Rc<Line>, address: &str, ring: usize) -> Rc<Self> {
        let empty = vec![-1.0; ring.max(1)];
        let ring = Ring { index: empty.clone(), total: empty.clone(), timestamp_s: empty };
        Rc::new(Self {
            ring: RefCell::new(ring),
            total: Cell::new(0.0),
            seen: Cell::new(0),
            total_pv: Pv::readback(line, format!("{address}:STAT1:Total_RBV"), 0.0),
            seen_pv: Pv::readback(line, format!("{address}:STAT1:ArrayCounter_RBV"), 0_i64),
        })
    }

    pub(crate) fn pvs(self: &Rc<Self>, line: &Rc<Line>, address: &str) -> Vec<Rc<Pv>> {
        let ring = |name: &str, pick: fn(&Ring) -> &Vec<f64>| {
            let empty: Arc<[f64]> = Arc::new([]);
            let pv = Pv::readback(line, format!("{address}:STAT1:{name}"), empty);
            let stats = Rc::downgrade(self);
            pv.compute(move || {
                let stats = stats.upgrade();
                Value::Floats(stats.map_or_else(
                    || Arc::new([]) as Arc<[f64]>,
                    |stats| pick(&stats.ring.borrow()).as_slice().into(),
                ))
            });
            pv
        };
        vec![
            ring("TSIndex", |ring| &ring.index),
            ring("TSTotal", |ring| &ring.total),
            ring("TSTimestamp", |ring| &ring.timestamp_s),
            self.total_pv.clone(),
            self.seen_pv.clone(),
        ]
    }

    /// Takes in a frame.
    pub(crate) fn put(&self, index: u64, total: f64, timestamp_s: f64) {
        self.ring.borrow_mut().put(index, total, timestamp_s);
        self.total.set(total);
        self.seen.set(self.seen.get() + 1);
    }

    /// Tells of the latest frame: its sum first.
    pub(crate) fn tell(&self) {
        self.total_pv.post(self.total.get());
        self.seen_pv.post(self.seen.get());
    }
}

impl Ring {
    fn put(&mut self, index: u64, total: f64, timestamp_s: f64) {
        let slot = usize::try_from(index % self.index.len() as u64).unwrap_or(0);
        self.index[slot] = index as f64;
        self.total[slot] = total;
        self.timestamp_s[slot] = timestamp_s;
    }
}
