//! The motors of a controller: which axis each is, where they are, moving and stopping them.
use super::{
    super::Task, AXIS_LETTERS, Assignment, AxisRecord, ExecuteState, HALT_WITHIN, LetterRecord,
    TrajectoryLogic, check_count, check_finite,
};
use crate::signal::{Severity, SignalError, SignalR};
use bluefly_protocol::{
    fault::{Fault, FaultClass},
    name::Name,
};
use futures_util::future::{join_all, join3, try_join, try_join_all};
use std::time::Duration;

/// How long a move of the axes may take, whatever its distance.
const MOVE_WITHIN: Duration = Duration::from_hours(1);
/// How long it may take until it is known which motor is which axis: some ten seconds after the start
/// of an IOC.
pub(super) const ASSIGNED_WITHIN: Duration = Duration::from_secs(15);
/// How long a motor record may take to tell that its motor has come to rest.
const REST_WITHIN: Duration = Duration::from_secs(10);

impl TrajectoryLogic {
    /// Where the axes are now, EGU. Fails if the position of one is not known.
    pub async fn positions(&self) -> Result<Vec<f64>, Fault> {
        self.read_positions("read the positions", &self.all()).await
    }

    /// Moves all axes from rest to rest; resolves when all stand still at `positions` (one per
    /// axis). Fails if one stopped elsewhere.
    pub async fn move_to(&self, positions: &[f64]) -> Result<(), Fault> {
        self.move_axes(&self.all(), positions).await
    }

    /// As [`move_to`](Self::move_to), but of the axes of these indices only: no other is told
    /// anything, so that none moves because its position is told wrongly.
    ///
    /// Fails, and nothing moves, if the position of one that is to move is not known.
    pub async fn move_axes(&self, moved: &[usize], positions: &[f64]) -> Result<(), Fault> {
        let operation = format!("move to {positions:?}");
        let task = self.task(&operation);
        let names = self.names(moved);
        check_count(task, &names, positions.len())?;
        for (name, position) in names.iter().zip(positions) {
            check_finite(task, name, &[*position])?;
        }
        let letters = self.letters(task).await?;
        self.read_positions(&operation, moved).await?;
        for ((name, limits), position) in
            names.iter().zip(self.limits(task, moved).await?).zip(positions)
        {
            limits.check(task, name, &[*position])?;
        }
        let record = &self.record;
        task.done(record.defer_moves.put(true).await)?;
        let demands = moved.iter().zip(positions).map(|(&axis, &position)| {
            record.letters[letters[axis]].demand.w().put_within(MOVE_WITHIN, position)
        });
        // The demands are sent first; none is complete before the deferral ends.
        let arrived = try_join(try_join_all(demands), record.defer_moves.put(false)).await;
        task.done(arrived)?;
        for &axis in moved {
            self.wait_for_rest(&operation, &record.axes[axis], REST_WITHIN).await?;
        }
        let reached = self.read_positions(&operation, moved).await?;
        for (&axis, (at, wanted)) in moved.iter().zip(reached.iter().zip(positions)) {
            let axis = &record.axes[axis];
            let near = self.tolerance(&operation, axis).await?;
            if (at - wanted).abs() > near {
                let reason = format!("{} stopped at {at}", axis.name);
                return Err(task.fault(FaultClass::Failed, reason));
            }
        }
        Ok(())
    }

    /// Index of the letter of each axis, as the motors say.
    pub(super) async fn letters(&self, task: Task<'_>) -> Result<Vec<usize>, Fault> {
        let mut letters = Vec::with_capacity(self.axes.len());
        for axis in &self.record.axes {
            let letter = self.letter_of(task.operation, axis).await?;
            if letters.contains(&letter) {
                let task = Task { device: &axis.name, ..task };
                let reason = format!(
                    "it is axis {} of {}, and so is another motor",
                    Self::letter(letter),
                    self.setup.cs
                );
                return Err(task.fault(FaultClass::Rejected, reason));
            }
            letters.push(letter);
        }
        Ok(letters)
    }

    async fn letter_of(&self, operation: &str, axis: &AxisRecord) -> Result<usize, Fault> {
        let task = Task { device: &axis.name, operation };
        match &axis.assignment {
            Assignment::Raw { port, letter } => self.raw(task, port, letter).await,
            Assignment::Compound(link) => self.compound(task, link).await,
        }
    }

    async fn raw(
        &self,
        task: Task<'_>,
        port: &SignalR<String>,
        letter: &SignalR<String>,
    ) -> Result<usize, Fault> {
        let cs = known(port).await;
        let cs = match cs {
            Err(SignalError::NotReached { .. }) => String::new(),
            cs => task.done(cs)?,
        };
        if cs != self.setup.cs {
            let (address, expected) = (port.address(), &self.setup.cs);
            let reason = format!("{address} is {cs:?}: it must be in {expected:?}");
            return Err(task.fault(FaultClass::Rejected, reason));
        }
        let name = task.done(known(letter).await)?;
        AXIS_LETTERS.iter().position(|known| *known == name).ok_or_else(|| {
            let address = letter.address();
            task.fault(FaultClass::Rejected, format!("{address} is {name:?}, which is no axis"))
        })
    }

    async fn compound(&self, task: Task<'_>, link: &SignalR<String>) -> Result<usize, Fault> {
        let text = task.done(link.get().await)?;
        let (address, expected) = (link.address(), &self.setup.cs);
        let Some((port, index)) = asyn_link(&text) else {
            let reason = format!("{address} is {text:?}: it must be like \"@asyn({expected},1)\"");
            return Err(task.fault(FaultClass::Rejected, reason));
        };
        if port != expected {
            let reason = format!("{address} is {text:?}: it must be in {expected:?}");
            return Err(task.fault(FaultClass::Rejected, reason));
        }
        Ok(index)
    }

    /// Indices of all axes.
    pub(super) fn all(&self) -> Vec<usize> {
        (0..self.axes.len()).collect()
    }

    pub(super) fn names(&self, axes: &[usize]) -> Vec<Name> {
        axes.iter().map(|&axis| self.axes[axis].clone()).collect()
    }

    /// Where these axes are. An IOC that has just started says that all are at zero, with an alarm.
    pub(super) async fn read_positions(
        &self,
        operation: &str,
        axes: &[usize],
    ) -> Result<Vec<f64>, Fault> {
        let mut positions = Vec::with_capacity(axes.len());
        for axis in axes.iter().map(|&axis| &self.record.axes[axis]) {
            let task = Task { device: &axis.name, operation };
            let readback = task.done(axis.readback.read().await)?;
            if readback.alarm.severity >= Severity::Invalid {
                let (address, alarm) = (axis.readback.address(), readback.alarm.text);
                let reason = format!("its position is not known: {address} has alarm {alarm}");
                return Err(task.fault(FaultClass::Failed, reason));
            }
            positions.push(task.finite(&axis.readback, readback.value)?);
        }
        Ok(positions)
    }

    async fn tolerance(&self, operation: &str, axis: &AxisRecord) -> Result<f64, Fault> {
        let task = Task { device: &axis.name, operation };
        let resolution = task.number(&axis.resolution).await?;
        Ok(task.number(&axis.deadband).await?.max(resolution.abs()))
    }

    async fn wait_for_rest(
        &self,
        operation: &str,
        axis: &AxisRecord,
        within: Duration,
    ) -> Result<(), Fault> {
        let task = Task { device: &axis.name, operation };
        task.done(axis.done_moving.wait_for(within, |done| *done).await.map(drop))
    }

    pub(super) async fn stop_all(&self, operation: &str) -> Result<(), Fault> {
        let task = self.task(operation);
        let record = &self.record;
        // Everything that stops something is sent, whatever comes of the rest. Plain puts: a
        // put-callback would hold up all others on its circuit.
        let aborted = async { task.done(record.abort.send(true).await) };
        let aborted_cs = async { task.done(record.abort_cs.send(true).await) };
        let stops = record.axes.iter().map(|axis| self.stop_axis(operation, axis));
        let (aborted, aborted_cs, stops) = join3(aborted, aborted_cs, join_all(stops)).await;
        // What could not be sent is soon sent again, and waits for nothing.
        stops.into_iter().fold(aborted.and(aborted_cs), Result::and)?;
        let is_done = |state: &ExecuteState| *state == ExecuteState::Done;
        let over = record.execute.state.wait_for(HALT_WITHIN, is_done).await;
        task.done(over.map(drop))?;
        for axis in &record.axes {
            self.wait_for_rest(operation, axis, REST_WITHIN).await?;
        }
        self.end_deferral(operation).await
    }

    /// Asks for what the next move and the next trajectory need: the signals of a server that has
    /// come back are connected one after the other, and whoever goes on before all are would lose.
    pub(super) async fn read_anew(&self, operation: &str) -> Result<(), Fault> {
        let task = self.task(operation);
        let read = async {
            for letter in self.letters(task).await? {
                let LetterRecord { is_used, demand, .. } = &self.record.letters[letter];
                task.done(is_used.get().await)?;
                task.done(demand.get().await)?;
            }
            for axis in &self.record.axes {
                task.done(axis.readback.get().await)?;
            }
            Ok::<_, Fault>(())
        };
        match read.await {
            Err(fault) if fault.class == FaultClass::Disconnected => Err(fault),
            // What is wrong with it besides keeps nobody from being safe.
            Ok(()) | Err(_) => Ok(()),
        }
    }

    async fn stop_axis(&self, operation: &str, axis: &AxisRecord) -> Result<(), Fault> {
        let task = Task { device: &axis.name, operation };
        match task.done(axis.done_moving.get().await) {
            Ok(true) => Ok(()),
            Ok(false) => task.done(axis.stop.send().await),
            // It may move.
            Err(fault) => task.done(axis.stop.send().await).and(Err(fault)),
        }
    }

    /// A move that was given up may have left demands that wait: they are replaced by where the axes
    /// are, so that nothing moves when the deferral ends. A motor that is not in the co-ordinate
    /// system has none there.
    async fn end_deferral(&self, operation: &str) -> Result<(), Fault> {
        let task = self.task(operation);
        if !task.done(self.record.defer_moves.get().await)? {
            return Ok(());
        }
        for (index, axis) in self.record.axes.iter().enumerate() {
            let letter = match self.letter_of(operation, axis).await {
                Err(fault) if fault.class == FaultClass::Rejected => {
                    tracing::warn!(device = %self.device, %fault, "no demand of it can wait");
                    continue;
                }
                letter => letter?,
            };
            for position in self.read_positions(operation, &[index]).await? {
                task.done(self.record.letters[letter].demand.send(position).await)?;
            }
        }
        task.done(self.record.defer_moves.send(false).await)?;
        task.done(self.record.abort_cs.send(true).await)
    }
}

/// What a motor says once it says something.
async fn known(signal: &SignalR<String>) -> Result<String, SignalError> {
    signal.wait_for(ASSIGNED_WITHIN, |text| !text.is_empty()).await
}

/// Port and index of the axis of an output link: `@asyn(CS1,2)` is the second of CS1.
fn asyn_link(text: &str) -> Option<(&str, usize)> {
    let arguments = text.trim().strip_prefix("@asyn(")?.split(')').next()?;
    let (port, rest) = arguments.split_once(',')?;
    let number: usize = rest.split(',').next()?.trim().parse().ok()?;
    let index = number.checked_sub(1).filter(|index| *index < AXIS_LETTERS.len())?;
    Some((port.trim(), index))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_link_names_its_axis() {
        let check = |text: &str, expected: Option<(&str, usize)>| {
            assert_eq!(asyn_link(text), expected, "{text}");
        };
        check("@asyn(CS1,2)", Some(("CS1", 1)));
        check("@asyn(CS1, 9, 5.0)", Some(("CS1", 8)));
        check("@asyn(CS1,2)PARAMETER", Some(("CS1", 1)));
        for wrong in ["", "@asyn(CS1)", "@asyn(CS1,0)", "@asyn(CS1,10)", "@asyn(CS1,x)", "CS1,1"] {
            check(wrong, None);
        }
    }
}
