//! [`SoftLimits`]: how far the motor record of an axis lets it go. A controller does not ask it.
use super::{super::Task, TrajectoryLogic};
use bluefly_protocol::{
    fault::{Fault, FaultClass},
    name::Name,
    trajectory::Batch,
};

/// By how much of their range a position may be beyond the limits: rounding.
const TOLERANCE: f64 = 1e-9;

/// What a motor record allowed when it was asked, EGU.
#[derive(Clone, Debug)]
pub(super) struct SoftLimits {
    low: f64,
    high: f64,
    /// The signals that told it.
    addresses: [String; 2],
}

impl SoftLimits {
    /// Refuses positions that the motor record would refuse.
    pub(super) fn check(
        &self,
        task: Task<'_>,
        name: &Name,
        positions: &[f64],
    ) -> Result<(), Fault> {
        let Self { low, high, addresses: [low_address, high_address] } = self;
        if *low == 0.0 && *high == 0.0 {
            return Ok(());
        }
        let slack = TOLERANCE * (high - low);
        let allowed = low - slack..=high + slack;
        match positions.iter().find(|position| !allowed.contains(position)) {
            None => Ok(()),
            Some(position) => {
                let reason = format!(
                    "{position} is not within the soft limits {low} to {high} ({low_address}, \
                     {high_address})"
                );
                Err(Task { device: name, ..task }.fault(FaultClass::Rejected, reason))
            }
        }
    }
}

impl TrajectoryLogic {
    /// The soft limits of these axes, as their records have them now.
    pub(super) async fn limits(
        &self,
        task: Task<'_>,
        axes: &[usize],
    ) -> Result<Vec<SoftLimits>, Fault> {
        let mut limits = Vec::with_capacity(axes.len());
        for axis in axes.iter().map(|&axis| &self.record.axes[axis]) {
            let task = Task { device: &axis.name, ..task };
            let signals = [&axis.low_limit, &axis.high_limit];
            limits.push(SoftLimits {
                low: task.number(&axis.low_limit).await?,
                high: task.number(&axis.high_limit).await?,
                addresses: signals.map(|signal| signal.address().to_owned()),
            });
        }
        Ok(limits)
    }

    /// Refuses points that one of these axes may not go to.
    pub(super) fn check_limits(
        &self,
        task: Task<'_>,
        (axes, limits): (&[usize], &[SoftLimits]),
        batch: &Batch,
    ) -> Result<(), Fault> {
        for ((&axis, limits), positions) in axes.iter().zip(limits).zip(&batch.positions) {
            limits.check(task, &self.axes[axis], positions)?;
        }
        Ok(())
    }
}
