//! [`ArmPlan`]: what is to come of an arm; [`ArmEnd`]: what came.
use bluefly_protocol::panda::{EndReason, describe::Captured};

/// What is known of the next arm before it begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ArmPlan {
    /// Where in the file its first row goes: over what is there, if there is any. `None` is behind
    /// all rows so far.
    pub first_row: Option<u64>,
    /// Rows that are due.
    pub expected: Option<u64>,
    /// Rows beyond so many are not kept.
    pub most: Option<u64>,
    /// What `*CAPTURE?` tells: raw rows have fields that nobody asked for, which are left out then.
    pub asked: Option<Vec<Captured>>,
}

impl ArmPlan {
    /// How many rows are kept at most.
    pub(super) fn room(&self) -> u64 {
        self.most.unwrap_or(u64::MAX)
    }
}

/// What came of one arm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArmEnd {
    /// How many arms of this capture came before.
    pub arm: u64,
    pub plan: ArmPlan,
    /// Where in the file its first row is.
    pub first_row: u64,
    /// Rows that are kept, from `first_row` on.
    pub kept: u64,
    /// Rows that came.
    pub received: u64,
    /// Rows at the end of what came which may have been overwritten by the server, and are not kept.
    pub spoilt: u64,
    /// Rows that the server had lost before this reader came.
    pub missed: u64,
    /// Rows that the server says it sent, and why it ended; `None` if it never told.
    pub told: Option<(u64, EndReason)>,
    pub arm_time: Option<String>,
    pub start_time: Option<String>,
}

impl ArmEnd {
    /// Places before its first row that belong to rows which were lost before this reader came.
    pub(super) const fn missed_places(&self) -> u64 {
        if self.plan.first_row.is_some() { self.missed } else { 0 }
    }
}
