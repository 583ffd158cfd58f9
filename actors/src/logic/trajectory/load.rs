//! Giving a controller its points.
use super::{
    super::{Task, signed},
    AXIS_LETTERS, ProfileStatus, Step, StepState, TimeMode, TrajectoryLogic,
    axes::ASSIGNED_WITHIN,
    check_batch,
    course::Course,
    outcome::{outcome, told},
};
use crate::signal::{SignalError, SignalR};
use bluefly_protocol::{
    fault::{Fault, FaultClass},
    trajectory::{Batch, PmacTable},
};
use std::{sync::Arc, time::Duration};

/// Points that a trajectory may have in all, as far as the controller takes them: it keeps memory for
/// as many. Some hours of short ones.
const MAX_POINTS: i64 = 2_000_000;
/// How long the controller may take to build or to append.
const LOAD_WITHIN: Duration = Duration::from_secs(10);

impl TrajectoryLogic {
    /// Loads the first segments of a new trajectory. The axes must stand at its start.
    ///
    /// Fails as rejected, and nothing moves, if an axis is not in the co-ordinate system, if the
    /// program on the controller is not the one that its driver knows, or if the controller refuses
    /// the points.
    pub async fn build(&self, batch: &Batch) -> Result<(), Fault> {
        self.build_axes(&self.all(), batch).await
    }

    /// As [`build`](Self::build), of a trajectory of the axes of these indices only. The controller
    /// is told to leave the others where they are.
    ///
    /// Fails if the position of one that is to move is not known.
    pub async fn build_axes(&self, moved: &[usize], batch: &Batch) -> Result<(), Fault> {
        let task = self.task("build a trajectory");
        check_batch(task, &self.names(moved), batch)?;
        self.check_version(task).await?;
        let all = self.letters(task).await?;
        self.read_positions(task.operation, moved).await?;
        let limits = self.limits(task, moved).await?;
        self.check_limits(task, (moved, &limits), batch)?;
        let letters: Vec<usize> = moved.iter().map(|&axis| all[axis]).collect();
        let record = &self.record;
        task.done(record.cs_name.put(self.setup.cs.clone()).await)?;
        task.done(record.num_points.put(MAX_POINTS).await)?;
        // Told after the put is complete. Another number is what the controller has room for.
        let taken = told(&record.num_points_taken, |taken| *taken == MAX_POINTS).await;
        let bound = u64::try_from(task.done(taken)?).unwrap_or(0);
        task.done(record.time_mode.put(TimeMode::Array).await)?;
        task.done(record.calculates_velocities.put(false).await)?;
        for (index, letter) in record.letters.iter().enumerate() {
            task.done(letter.is_used.send(letters.contains(&index)).await)?;
        }
        let bits = self.setup.trigger_bits;
        let mut course = Course::new(bits, (moved.to_vec(), letters), bound);
        course.limits = limits;
        self.course.replace(course);
        self.load(task, batch, &record.build).await
    }

    /// Loads the segments that follow, also while the controller executes. Fails as rejected if
    /// the controller refuses them, also because the trajectory would be longer than it can be.
    pub async fn append(&self, batch: &Batch) -> Result<(), Fault> {
        let task = self.task("append to the trajectory");
        let moved = self.course.borrow().moved.clone();
        check_batch(task, &self.names(&moved), batch)?;
        let limits = self.course.borrow().limits.clone();
        self.check_limits(task, (&moved, &limits), batch)?;
        self.load(task, batch, &self.record.append).await
    }

    /// The fault of an execution that cannot begin, since no more points come.
    pub fn is_starved(&self, after: Duration) -> Fault {
        let built = self.course.borrow().built;
        let reason = format!(
            "no points came for {} s after the first {built}, which do not fill its buffer",
            after.as_secs_f64()
        );
        self.task("execute the trajectory").fault(FaultClass::Failed, reason)
    }

    async fn check_version(&self, task: Task<'_>) -> Result<(), Fault> {
        let program = Self::version(task, &self.record.program_version).await?;
        let driver = Self::version(task, &self.record.driver_version).await?;
        if program == driver {
            return Ok(());
        }
        let reason = format!(
            "its trajectory program has version {program}, and its driver expects {driver} \
             (ProgramVersion_RBV, DriverVersion_RBV)"
        );
        Err(task.fault(FaultClass::Rejected, reason))
    }

    /// A version is zero until the driver has asked for it.
    async fn version(task: Task<'_>, signal: &SignalR<f64>) -> Result<f64, Fault> {
        match signal.wait_for(ASSIGNED_WITHIN, |version| *version != 0.0).await {
            Err(SignalError::NotReached { signal, .. }) => {
                let waited_s = ASSIGNED_WITHIN.as_secs();
                let reason = format!("{signal} is 0, and still not known after {waited_s} s");
                Err(task.fault(FaultClass::Rejected, reason))
            }
            version => task.done(version),
        }
    }

    async fn load(
        &self,
        task: Task<'_>,
        batch: &Batch,
        step: &Step<StepState>,
    ) -> Result<(), Fault> {
        let (built, bound, letters) = {
            let course = self.course.borrow();
            (course.built + batch.len() as u64, course.bound, course.letters.clone())
        };
        if built > bound {
            let reason = format!(
                "it would have {built} points, and the controller takes {bound} (ProfileNumPoints)"
            );
            return Err(task.fault(FaultClass::Rejected, reason));
        }
        let table = self.course.borrow_mut().table(batch);
        self.write(task, (batch, &table), &letters).await?;
        let before = task.done(step.message.get().await)?;
        task.done(step.go.put(true).await)?;
        task.done(step.state.wait_for(LOAD_WITHIN, |state| *state == StepState::Done).await)?;
        // What comes of it is told after the state, and an append says of all before it that they
        // went well.
        let wanted = signed(built);
        let (status, message) = outcome(task, step, &before).await?;
        let is_loaded = status == ProfileStatus::Success
            && task.done(told(&self.record.points_built, |built| *built == wanted).await)?
                == wanted;
        if !is_loaded {
            let message = match status {
                ProfileStatus::Success => outcome(task, step, &before).await?.1,
                _ => message,
            };
            return Err(task.fault(FaultClass::Rejected, message));
        }
        self.course.borrow_mut().add(batch, &table);
        Ok(())
    }

    async fn write(
        &self,
        task: Task<'_>,
        (batch, table): (&Batch, &PmacTable),
        letters: &[usize],
    ) -> Result<(), Fault> {
        let record = &self.record;
        let count = signed(batch.len() as u64);
        task.done(record.points_to_build.send(count).await)?;
        for (axis, &letter) in letters.iter().enumerate() {
            let signals = &record.letters[letter];
            task.done(signals.positions.send(batch.positions[axis].as_slice().into()).await)?;
            task.done(signals.velocities.send(batch.velocities[axis].as_slice().into()).await)?;
        }
        let column = |values: &[u64]| -> Arc<[f64]> { values.iter().map(|&v| v as f64).collect() };
        task.done(record.times_us.send(column(&batch.durations_us)).await)?;
        let programs = table.user_program.iter().map(|&program| f64::from(program));
        task.done(record.user_programs.send(programs.collect()).await)?;
        let modes = table.velocity_mode.iter().map(|&mode| f64::from(mode as u8));
        task.done(record.velocity_modes.send(modes.collect()).await)?;
        if let Some(triggers) = &record.triggers {
            task.done(triggers.frames.send(column(&batch.frames)).await)?;
            let goes_on = batch.frame_goes_on.iter().map(|&goes_on| f64::from(u8::from(goes_on)));
            task.done(triggers.goes_on.send(goes_on.collect()).await)?;
        }
        Ok(())
    }

    /// What an axis of this index is called.
    pub(super) fn letter(index: usize) -> &'static str {
        AXIS_LETTERS[index]
    }
}
