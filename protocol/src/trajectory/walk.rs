//! [`Walk`]: from pieces to legs, the one place where the order of motion is decided.
use super::{
    AxisLimits,
    leg::Leg,
    row::{Row, RowLeg},
    ticks,
    turn::{State, Turn, run_down_to, run_up_from},
};
use crate::scan::Piece;
use std::{collections::VecDeque, sync::Arc};

/// What is the same for all of a walk.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    pub(super) limits: Arc<[AxisLimits]>,
    /// Shortest frame, seconds.
    pub(super) minimum_s: f64,
    /// Longest segment, ticks; at least 1.
    pub(super) longest: u64,
}

/// The legs of a scan in order. Holds at most one row and the motion around it.
#[derive(Debug)]
pub(super) struct Walk<I> {
    rules: Rules,
    pieces: I,
    previous: Option<RowLeg>,
    pub(super) ready: VecDeque<Leg>,
    ended: bool,
}

impl<I: Iterator<Item = Piece>> Walk<I> {
    pub(super) fn new(rules: Rules, pieces: I) -> Self {
        Self { rules, pieces, previous: None, ready: VecDeque::new(), ended: false }
    }

    /// Makes the legs up to and including `row`, after the `previous` one.
    pub(super) fn go_through(&mut self, row: Row) {
        let longest = self.rules.longest;
        let begin = row.begin();
        let carried = self.previous.as_ref().map_or(0.0, RowLeg::carried_on);
        let joined = self.previous.as_ref().filter(|previous| previous.row.continues_into(&row));
        let ahead = if let Some(previous) = joined {
            previous.ahead_after()
        } else {
            let after = self.previous.as_ref().map(|previous| previous.row.last_frame());
            let from = match &self.previous {
                Some(previous) => previous.finish(),
                None => self.rules.at_rest(&begin, run_up_from),
            };
            let turn = Turn::new(&from, &begin, &self.rules.limits, longest);
            self.ready.push_back(Leg::Turn { turn, after, before: Some(row.piece.first_frame) });
            if row.is_step() {
                let settle = self.settle(&from, &begin);
                self.ready.push_back(Leg::Settle(Turn::still(&begin.positions, settle, longest)));
            }
            0.0
        };
        let leg = RowLeg::new(row, longest, carried, ahead);
        self.previous = Some(leg.clone());
        self.ready.push_back(Leg::Row(leg));
    }

    /// Ticks to stand still before a step: of the axes that have moved; of all before the first
    /// frame, since how they came there is unknown.
    fn settle(&self, from: &State, to: &State) -> u64 {
        let moved = |axis: usize| {
            self.previous.is_none()
                || from.positions[axis] != to.positions[axis]
                || from.velocities[axis] != 0.0
        };
        let settles = self.rules.limits.iter().enumerate();
        let settles = settles.filter(|&(axis, _)| moved(axis)).map(|(_, limits)| limits.settle_s);
        ticks::at_least(settles.fold(0.0, f64::max))
    }

    /// Makes the leg to standstill after the last row.
    pub(super) fn come_to_rest(&mut self) {
        self.ended = true;
        if let Some(last) = self.previous.take() {
            let from = last.finish();
            let to = self.rules.at_rest(&from, run_down_to);
            let turn = Turn::new(&from, &to, &self.rules.limits, self.rules.longest);
            self.ready.push_back(Leg::Turn {
                turn,
                after: Some(last.row.last_frame()),
                before: None,
            });
        }
    }
}

impl Rules {
    /// The row of a piece with at least one frame.
    pub(super) fn row(&self, piece: Piece) -> Row {
        Row::new(piece, &self.limits, self.minimum_s)
    }

    /// The standstill to which `place` leads from `state`.
    fn at_rest(&self, state: &State, place: fn(f64, f64, &AxisLimits) -> f64) -> State {
        let axes = state.positions.iter().zip(&state.velocities).zip(&*self.limits);
        let positions: Box<[f64]> = axes
            .map(|((&position, &velocity), limits)| place(position, velocity, limits))
            .collect();
        State { velocities: positions.iter().map(|_| 0.0).collect(), positions }
    }
}

impl<I: Iterator<Item = Piece>> Iterator for Walk<I> {
    type Item = Leg;

    fn next(&mut self) -> Option<Leg> {
        while self.ready.is_empty() && !self.ended {
            match self.pieces.find(|piece| piece.frames > 0) {
                Some(piece) => self.go_through(self.rules.row(piece)),
                None => self.come_to_rest(),
            }
        }
        self.ready.pop_front()
    }
}
