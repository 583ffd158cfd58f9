//! [`Fly`]: a motion through a stretch at one velocity.
use super::{
    super::Task,
    MotorLogic,
    pace::{Pace, check_number},
};
use bluefly_protocol::fault::{Fault, FaultClass};
use std::time::Duration;

/// A stretch that one motor goes through at one velocity. EGU.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fly {
    pub from: f64,
    pub to: f64,
    /// From one end to the other.
    pub duration: Duration,
}

/// A flight with what comes before and after it.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Course {
    /// Where it stands before the run-up, and after the run-down.
    start: f64,
    end: f64,
    velocity: f64,
}

impl Course {
    fn new(task: Task<'_>, fly: Fly, pace: &Pace) -> Result<Self, Fault> {
        check_number(task, "the position", fly.from)?;
        check_number(task, "the position", fly.to)?;
        let distance = fly.to - fly.from;
        let velocity = distance.abs() / fly.duration.as_secs_f64();
        check_number(task, "the velocity", velocity)?;
        let flown = pace.at(velocity);
        flown.check_velocity(task)?;
        let run_up = flown.run_up().copysign(distance);
        let (start, end) = (fly.from - run_up, fly.to + run_up);
        for position in [start, end] {
            flown.check_position(task, position)?;
        }
        Ok(Self { start, end, velocity })
    }
}

impl MotorLogic {
    /// Goes to the start of a run-up, through the stretch at one velocity and to the end of a
    /// run-down; resolves when the motor stands still there, and its velocity is what it was.
    ///
    /// `progress` is told the readback on the way through. Fails as rejected, without motion, for
    /// whatever rejects a move, and if the run-up or the run-down leads beyond a limit.
    pub async fn fly(&self, fly: Fly, progress: impl Fn(f64)) -> Result<(), Fault> {
        let operation = format!("fly from {} to {}", fly.from, fly.to);
        let task = self.task(&operation);
        self.restore_velocity(task).await?;
        let pace = Pace::read(task, &self.record).await?;
        pace.check_velocity(task)?;
        let course = Course::new(task, fly, &pace)?;
        self.travel(task, (course.start, &pace), |_| ()).await?;
        let flown = self.fly_through(task, (course, &pace), progress).await;
        let restored = self.restore_velocity(task).await;
        flown.and(restored)
    }

    async fn fly_through(
        &self,
        task: Task<'_>,
        (course, pace): (Course, &Pace),
        progress: impl Fn(f64),
    ) -> Result<(), Fault> {
        let velocity = course.velocity;
        self.usual_velocity.set(Some(pace.velocity()));
        task.done(self.record.velocity.put(velocity).await)?;
        // The record raises one that is below its base without a word.
        let taken = task.number(self.record.velocity.r()).await?;
        if (taken - velocity).abs() > velocity * f64::EPSILON {
            let reason = format!("its velocity (VELO) became {taken} instead of {velocity}");
            return Err(task.fault(FaultClass::Rejected, reason));
        }
        let pace = pace.at(velocity);
        self.travel(task, (course.end, &pace), progress).await
    }

    /// Gives the record the velocity back that it had before a flight, also one that was given up.
    pub(super) async fn restore_velocity(&self, task: Task<'_>) -> Result<(), Fault> {
        if let Some(velocity) = self.usual_velocity.get() {
            task.done(self.record.velocity.put(velocity).await)?;
            self.usual_velocity.set(None);
        }
        Ok(())
    }
}
