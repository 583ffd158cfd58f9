//! [`Guard`]: notices what others set of a PandA while a scan runs.
use super::{super::Task, is_loss, wiring::Wiring};
use crate::{
    backend::panda::control::ControlFault,
    signal::panda::{PandaSeat, Session, Strange, Values, Watch},
};
use bluefly_protocol::{
    fault::{Fault, FaultClass},
    name::Name,
    panda::{
        describe::BlockName,
        reliance::Reliance,
        settings::{Setting, Settings},
    },
};
use futures_util::future::try_join_all;
use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::Duration,
};
use tokio::sync::Notify;

/// Vouches for the settings of a PandA, from one look to the next.
pub(super) struct Guard {
    device: Name,
    seat: PandaSeat,
    wiring: Wiring,
    watch: RefCell<Option<Rc<Watch>>>,
    /// As it was when it was begun first.
    kept: RefCell<Option<Kept>>,
}

/// What a scan relies on: where others have set it, it is set as it was.
struct Kept {
    reliance: Reliance,
    values: Values,
}

/// What came of the last look.
pub(super) enum Settled {
    /// Nobody set anything.
    Clean,
    /// Somebody did, and whoever it concerns was told.
    Told,
    /// Nobody knows, for this reason.
    Unknown(Fault),
    /// Nothing was watched any more.
    Over,
}

/// How far some work is, as it tells itself.
#[derive(Default)]
pub(super) struct Told {
    frames: Cell<Option<u64>>,
    news: Notify,
}

/// It is looked so often, at the least.
const PERIOD: Duration = Duration::from_millis(200);
/// So many settings are named in a fault.
const MOST_NAMED: usize = 4;

impl Guard {
    pub(super) fn new(device: Name, seat: PandaSeat, wiring: Wiring) -> Self {
        Self { device, seat, wiring, watch: RefCell::default(), kept: RefCell::default() }
    }

    /// What follows is another scan: how it finds the PandA is how it is to be.
    pub(super) fn forget(&self) {
        self.watch.take();
        self.kept.take();
    }

    /// Watches from here on what a scan with these blocks relies on. What was set by others since it
    /// was begun first is set as it was then; what is wired must be as it is to be.
    pub(super) async fn begin(&self, operation: &str, used: Vec<BlockName>) -> Result<(), Fault> {
        self.watch.take();
        let task = self.task(operation);
        let session = task.done(self.seat.reached())?;
        let Session { inventory, ledger, .. } = &session;
        known(task, ledger.look().await)?;
        // What others have set may hide what is relied on behind it, and is set back.
        let known_before = self.kept.borrow().as_ref().map(|kept| kept.reliance.clone());
        let is_first = known_before.is_none();
        let reliance = known_before.unwrap_or_else(|| {
            let place = |values: &_| Reliance::new(used, self.wiring.wires(), (inventory, values));
            ledger.values(place)
        });
        let values = ledger.values(|values| relied(values, &reliance));
        self.watch.replace(Some(Rc::new(ledger.watch(reliance.clone()))));
        if is_first {
            self.wiring.verify(&self.device, &self.seat).await?;
            self.kept.replace(Some(Kept { reliance, values }));
            return Ok(());
        }
        self.restore(task, &session).await?;
        self.wiring.verify(&self.device, &self.seat).await
    }

    /// Sets what is not as it was, but for what we set ourselves.
    async fn restore(&self, task: Task<'_>, session: &Session) -> Result<(), Fault> {
        let Session { control, inventory, ledger } = session;
        let differences = || -> Vec<(String, String)> {
            let kept = self.kept.borrow();
            let all = kept.iter().flat_map(|kept| &kept.values);
            let all = all.filter(|(name, _)| !ledger.is_ours(name));
            let is_other = |(name, value): &(&String, &String)| {
                ledger.values(|values| values.get(*name) != Some(*value))
            };
            all.filter(is_other).map(|(name, value)| (name.clone(), value.clone())).collect()
        };
        let found = differences();
        if found.is_empty() {
            return Ok(());
        }
        let set = found.iter().map(|(name, value)| (name.clone(), Setting::Value(value.clone())));
        let commands = set.collect::<Settings>().commands(inventory);
        let commands =
            commands.map_err(|error| task.fault(FaultClass::Failed, error.to_string()))?;
        for (name, value) in &found {
            tracing::warn!(device = %self.device, %name, %value, "set again as it was");
            ledger.note(name);
        }
        // At once: no look is to come in between.
        let replies = try_join_all(commands.into_iter().map(|command| control.ask(command))).await;
        known(task, replies.map_err(Rc::new))?;
        known(task, ledger.look().await)?;
        let left = differences();
        if left.is_empty() {
            return Ok(());
        }
        let told = left.iter().take(MOST_NAMED).map(|(name, value)| {
            let now = ledger.values(|values| values.get(name).cloned()).unwrap_or_default();
            format!("{name} is {now} after it was set to {value}, as it was when the scan began")
        });
        let reason = told.collect::<Vec<_>>().join("; ");
        Err(task.fault(FaultClass::Failed, reason))
    }

    /// Does `work`, which tells `told`; `progress` is told of that what was there before a look that
    /// found nothing.
    ///
    /// Fails as lost as soon as it is known that others set something.
    pub(super) async fn accompany(
        &self,
        operation: &str,
        work: impl Future<Output = Result<(), Fault>>,
        (told, progress): (&Told, &dyn Fn(u64)),
    ) -> Result<(), Fault> {
        let looking = async {
            loop {
                let before = told.frames.get();
                if let Err(fault) = self.check(operation).await {
                    return fault;
                }
                before.into_iter().for_each(progress);
                tokio::select! { biased;
                    () = told.news.notified() => {}
                    () = self.seat.clock().sleep(PERIOD) => {}
                }
            }
        };
        let ended = tokio::select! { biased;
            ended = work => ended,
            fault = looking => return Err(fault),
        };
        if let Err(fault) = &ended
            && fault.class == FaultClass::Disconnected
        {
            return ended;
        }
        if let Err(strange) = self.check(operation).await {
            return Err(match ended {
                Ok(()) => strange,
                Err(fault) => {
                    let reason = format!("{}; moreover: {}", strange.reason, fault.reason);
                    Fault { reason, ..strange }
                }
            });
        }
        told.frames.get().into_iter().for_each(progress);
        if ended.is_ok() {
            self.watch.take();
        }
        ended
    }

    /// Fails as lost if others set something since it was begun, as failed if that cannot be undone,
    /// and as disconnected if it cannot be known.
    pub(super) async fn check(&self, operation: &str) -> Result<(), Fault> {
        let Some(watch) = self.watch.borrow().clone() else { return Ok(()) };
        let task = self.task(operation);
        let strange = known(task, watch.look().await)?;
        if strange.is_empty() {
            return Ok(());
        }
        self.watch.take();
        for one in &strange {
            one.tell();
        }
        Err(fault(task, &strange))
    }

    /// Whoever it concerns is told that what others set is not known: nothing is watched any more.
    pub(super) fn give_up(&self) {
        self.watch.take();
    }

    /// Whether nothing is watched any more.
    pub(super) fn is_over(&self) -> bool {
        self.watch.borrow().is_none()
    }

    /// Looks for the last time. Fails as lost if others set something and nobody was told.
    pub(super) async fn settle(&self, operation: &str) -> Result<Settled, Fault> {
        let Some(watch) = self.watch.take() else { return Ok(Settled::Over) };
        let strange = match watch.look().await {
            Ok(strange) if strange.is_empty() => return Ok(Settled::Clean),
            Ok(strange) => strange,
            Err(fault) => {
                tracing::debug!(device = %self.device, %fault, "what others set is not known");
                let reason = format!("what others set is not known: {fault}");
                let fault = self.task(operation).fault(FaultClass::Disconnected, reason);
                return Ok(Settled::Unknown(fault));
            }
        };
        let are_new = strange.iter().map(Strange::tell).fold(false, |any, is_new| any | is_new);
        if !are_new {
            return Ok(Settled::Told);
        }
        Err(fault(self.task(operation), &strange))
    }

    fn task<'a>(&'a self, operation: &'a str) -> Task<'a> {
        Task { device: &self.device, operation }
    }
}

fn known<T>(task: Task<'_>, result: Result<T, Rc<ControlFault>>) -> Result<T, Fault> {
    result.map_err(|fault| {
        let class = if is_loss(&fault) { FaultClass::Disconnected } else { FaultClass::Failed };
        task.fault(class, fault.to_string())
    })
}

impl Told {
    pub(super) fn tell(&self, frames: u64) {
        if self.frames.replace(Some(frames)) != Some(frames) {
            self.news.notify_one();
        }
    }
}

/// The settings that are relied on.
fn relied(values: &Values, reliance: &Reliance) -> Values {
    let all = values.iter().filter(|(name, _)| reliance.has(name));
    all.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// Lost, if it can be undone and what came since be taken again.
fn fault(task: Task<'_>, strange: &[Strange]) -> Fault {
    let named: Vec<String> = strange.iter().take(MOST_NAMED).map(ToString::to_string).collect();
    let more = match strange.len().saturating_sub(MOST_NAMED) {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    let can_be_undone = strange.iter().all(Strange::can_be_undone);
    let class = if can_be_undone { FaultClass::Lost } else { FaultClass::Failed };
    task.fault(class, named.join("; ") + &more)
}
