//! [`TriggerLogic`]: what makes the triggers of a scan, apart from the controller that moves it.
use super::detector::Doing;
use bluefly_protocol::plan::ScanPlan;
use std::sync::Arc;

/// The triggers that are to be made.
#[derive(Clone, Debug)]
pub struct TriggerPlan {
    pub plan: Arc<ScanPlan>,
    /// Index in the scan of the first frame that is to be triggered; all that follow are.
    pub first_frame: u64,
}

/// A source of triggers. Methods may be called in any order; each future may be dropped at any await,
/// and a later `make_safe` brings the source to rest from whatever was left.
pub trait TriggerLogic {
    /// Whether it could trigger the scan, as far as that can be told before anything is loaded. It
    /// changes nothing, may be asked whatever else is under way, and also of hardware that is away.
    ///
    /// Fails as rejected, naming frame and rule, if it cannot.
    fn check<'a>(&'a self, plan: &'a TriggerPlan) -> Doing<'a, ()>;

    /// Resolves when no trigger would leave, whatever moves.
    fn make_safe(&self) -> Doing<'_, ()>;

    /// Checks what was promised of it, and gets everything ready but the last step. No trigger leaves.
    ///
    /// Fails as rejected, naming frame and rule, if it cannot trigger the scan.
    fn load<'a>(&'a self, plan: &'a TriggerPlan) -> Doing<'a, ()>;

    /// From here on triggers leave; resolves when the first would. Detectors are armed before, motion
    /// begins after.
    fn enable(&self) -> Doing<'_, ()>;

    /// Resolves when the triggers of all frames have left. `progress` is told how many have, counted from
    /// frame 0 of the scan, as far as it can be known; not of one that may yet prove wrong.
    ///
    /// Fails as soon as it is known that a trigger will never leave.
    fn follow<'a>(&'a self, progress: &'a dyn Fn(u64)) -> Doing<'a, ()>;

    /// How many frames, counted from frame 0 of the scan, are known to have been triggered to their end
    /// since it was loaded; exact once it was made safe. None if it cannot know of any.
    fn triggered(&self) -> Option<u64>;
}
