//! [`Walk`]: from pieces to legs, the one place where the order of motion is decided.
use super::{
    Mark,
    leg::{Leg, RowLeg},
    row::{Joint, Row},
    rules::Rules,
    turn::Turn,
};
use crate::scan::Piece;
use std::{collections::VecDeque, mem};

/// The legs of a scan in order. Holds at most two rows and the motion around them.
#[derive(Debug)]
pub(super) struct Walk<I> {
    rules: Rules,
    pieces: I,
    progress: Progress,
    pub(super) ready: VecDeque<Leg>,
}

#[derive(Debug)]
enum Progress {
    Ahead,
    /// A row that is complete once it is known what follows.
    At(Box<Row>, Offset),
    Ended,
}

/// What the roundings of the time of a row leave to the next.
#[derive(Clone, Copy, Debug, Default)]
struct Offset {
    /// How much later than the ticks given out it should begin, ticks (within a half).
    carried: f64,
    /// How far along its way, in ticks, it begins beyond its lower bound.
    ahead: f64,
}

impl<I: Iterator<Item = Piece>> Walk<I> {
    pub(super) fn new(rules: Rules, pieces: I) -> Self {
        Self { rules, pieces, progress: Progress::Ahead, ready: VecDeque::new() }
    }

    /// Makes the legs up to `next`, which follows the row before it.
    pub(super) fn go_on(&mut self, mut next: Row) {
        let offset = match mem::replace(&mut self.progress, Progress::Ended) {
            Progress::Ahead | Progress::Ended => {
                let turn = Turn::run_up(&next.begin(), &self.rules);
                let before = Some(next.piece.first_frame);
                self.ready.push_back(Leg::Turn { turn, after: None, before });
                Offset::default()
            }
            Progress::At(mut row, offset) => {
                let joint = row.join(&mut next);
                let leg = self.row(*row, offset, joint);
                let (carried, ahead) = (leg.beat.carried_on(), leg.ahead_after());
                let turn = match joint {
                    Joint::Apart => Some(self.between(&leg, &next)),
                    Joint::Met | Joint::Through => None,
                };
                self.ready.push_back(Leg::Row(leg));
                let ahead = if turn.is_some() { 0.0 } else { ahead };
                self.ready.extend(turn);
                Offset { carried, ahead }
            }
        };
        self.progress = Progress::At(Box::new(next), offset);
    }

    /// Makes the last row and the leg to standstill after it.
    pub(super) fn come_to_rest(&mut self) {
        match mem::replace(&mut self.progress, Progress::Ended) {
            Progress::Ahead | Progress::Ended => {}
            Progress::At(row, offset) => {
                let leg = self.row(*row, offset, Joint::Apart);
                let turn = Turn::run_down(&leg.finish(), &self.rules);
                let after = Some(leg.row.last_frame());
                self.ready.push_back(Leg::Row(leg));
                self.ready.push_back(Leg::Turn { turn, after, before: None });
            }
        }
    }

    fn row(&self, row: Row, offset: Offset, joint: Joint) -> RowLeg {
        let end = match joint {
            Joint::Apart => Mark::RowEnd,
            Joint::Met => Mark::Join,
            Joint::Through => Mark::FrameEnd,
        };
        RowLeg::new(row, &self.rules, (offset.carried, offset.ahead), end)
    }

    fn between(&self, leg: &RowLeg, next: &Row) -> Leg {
        let least = self.rules.min_turnaround.max(next.delay());
        let turn = Turn::between(&leg.finish(), &next.begin(), &self.rules, least);
        let after = Some(leg.row.last_frame());
        Leg::Turn { turn, after, before: Some(next.piece.first_frame) }
    }
}

impl<I: Iterator<Item = Piece>> Iterator for Walk<I> {
    type Item = Leg;

    fn next(&mut self) -> Option<Leg> {
        while self.ready.is_empty() && !matches!(self.progress, Progress::Ended) {
            match self.pieces.find(|piece| piece.frames > 0) {
                Some(piece) => self.go_on(self.rules.row(piece)),
                None => self.come_to_rest(),
            }
        }
        self.ready.pop_front()
    }
}
