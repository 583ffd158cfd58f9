//! [`pulse_train`]: one trigger per frame made into the pulses of a detector.
use super::LONGEST_TICKS;
use crate::{exposures::ExposuresPerFrame, name::Name};
use std::time::Duration;

/// The shortest pulse, and the shortest pause between two, that a PULSE block makes: 40 ns.
const SHORTEST_TICKS: u64 = 5;

/// The pause of a detector that exposes as long as it can: 1 us, or its dead time if longer.
const USUAL_PAUSE: Duration = Duration::from_micros(1);

const NS_PER_TICK: u128 = 8;

/// At most so many ticks are between what triggers a PULSE block and what it makes of it.
const LATENCY_TICKS: u64 = 10;

/// What a detector wants of each frame.
#[derive(Clone, Debug, PartialEq)]
pub struct PulseRequest {
    pub detector: Name,
    /// How long a frame lasts.
    pub frame: Duration,
    /// As many pulses, evenly spaced.
    pub exposures: ExposuresPerFrame,
    /// Length of a pulse; as long as the dead time allows if absent.
    pub exposure: Option<Duration>,
    /// Time after a pulse before the next may begin.
    pub dead_time: Duration,
    pub place: PulsePlace,
}

/// Where in its part of the frame a pulse is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PulsePlace {
    Beginning,
    /// To 4 ns; at the beginning if that is nearer than 40 ns.
    Middle,
}

/// The settings of a PULSE block that is triggered once per frame, at its lower bound. Ticks of 8 ns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PulseTrain {
    /// From the trigger to the first pulse.
    pub delay_ticks: u64,
    pub width_ticks: u64,
    /// From the beginning of a pulse to that of the next.
    pub step_ticks: u64,
    pub pulses: ExposuresPerFrame,
}

impl PulseTrain {
    /// From the trigger to the end of the last pulse.
    pub fn duration(&self) -> Duration {
        let steps = u64::from(self.pulses.get()) - 1;
        let ticks = self.delay_ticks + steps * self.step_ticks + self.width_ticks + LATENCY_TICKS;
        Duration::from_nanos(ticks * NS_PER_TICK as u64)
    }
}

/// Why a detector cannot have its pulses: detector, value and rule in one line.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PulseError {
    #[error("detector {detector}: frame duration {value:?} is {limit:?} or longer")]
    TooLong { detector: Name, value: Duration, limit: Duration },
    #[error(
        "detector {detector}: exposure {value:?} is shorter than {minimum:?}, the shortest pulse"
    )]
    Short { detector: Name, value: Duration, minimum: Duration },
    #[error(
        "detector {detector}: exposure {value:?} and a pause of {pause:?} do not fit into \
         {step:?}, the frame divided by {pulses}"
    )]
    Exposure {
        detector: Name,
        value: Duration,
        /// The dead time, or the shortest pause.
        pause: Duration,
        step: Duration,
        pulses: ExposuresPerFrame,
    },
    #[error(
        "detector {detector}: a pause of {value:?} leaves no pulse of {minimum:?} in {step:?}, \
         the frame divided by {pulses}"
    )]
    Pause {
        detector: Name,
        value: Duration,
        minimum: Duration,
        step: Duration,
        pulses: ExposuresPerFrame,
    },
}

/// The pulses of a detector, evenly spaced over the frame and over before its end.
///
/// [`ExposuresPerFrame`] divides the frame, as it does for a detector that times itself: both have
/// the same period, here in whole ticks. Where in that period the pulse is, and how long, is a matter
/// of the block.
pub fn pulse_train(request: &PulseRequest) -> Result<PulseTrain, PulseError> {
    // Rounded down, as the exposure is: the last pulse is over before the frame.
    let step_ticks = request.step_ticks()?;
    let width_ticks = match request.exposure {
        Some(exposure) => request.exposed(exposure, step_ticks)?,
        None => request.exposed_at_most(step_ticks)?,
    };
    let middle = (step_ticks - width_ticks) / 2;
    let delay_ticks = match request.place {
        PulsePlace::Middle if middle >= SHORTEST_TICKS => middle,
        PulsePlace::Middle | PulsePlace::Beginning => 0,
    };
    Ok(PulseTrain { delay_ticks, width_ticks, step_ticks, pulses: request.exposures })
}

impl PulseRequest {
    /// From one pulse to the next.
    fn step(&self) -> Duration {
        self.exposures.period(self.frame)
    }

    /// Whole ticks of a step.
    fn step_ticks(&self) -> Result<u64, PulseError> {
        let value = self.frame;
        if value.as_nanos() / NS_PER_TICK >= u128::from(LONGEST_TICKS) {
            let limit = Duration::from_nanos(LONGEST_TICKS * NS_PER_TICK as u64);
            return Err(PulseError::TooLong { detector: self.detector.clone(), value, limit });
        }
        Ok((self.step().as_nanos() / NS_PER_TICK) as u64)
    }

    /// Ticks of a pulse of the given length.
    fn exposed(&self, value: Duration, step_ticks: u64) -> Result<u64, PulseError> {
        let ticks = (value.as_nanos() / NS_PER_TICK).min(LONGEST_TICKS.into()) as u64;
        if ticks < SHORTEST_TICKS {
            let detector = self.detector.clone();
            return Err(PulseError::Short { detector, value, minimum: shortest() });
        }
        let pause = self.dead_time.max(shortest());
        if ticks + pause_ticks(pause) > step_ticks {
            return Err(PulseError::Exposure {
                detector: self.detector.clone(),
                value,
                pause,
                step: self.step(),
                pulses: self.exposures,
            });
        }
        Ok(ticks)
    }

    /// Ticks of the longest pulse.
    fn exposed_at_most(&self, step_ticks: u64) -> Result<u64, PulseError> {
        let pause = self.dead_time.max(USUAL_PAUSE);
        let ticks = step_ticks.saturating_sub(pause_ticks(pause));
        if ticks < SHORTEST_TICKS {
            return Err(PulseError::Pause {
                detector: self.detector.clone(),
                value: pause,
                minimum: shortest(),
                step: self.step(),
                pulses: self.exposures,
            });
        }
        Ok(ticks)
    }
}

/// The ticks of a pause, rounded up.
fn pause_ticks(pause: Duration) -> u64 {
    pause.as_nanos().div_ceil(NS_PER_TICK).min(LONGEST_TICKS.into()) as u64
}

fn shortest() -> Duration {
    Duration::from_nanos(SHORTEST_TICKS * NS_PER_TICK as u64)
}
