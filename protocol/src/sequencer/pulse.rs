//! [`pulse_train`]: one trigger per frame made into the pulses of a detector.
use super::{LONGEST_TICKS, TICKS_PER_SECOND, pace::exact_ticks};
use crate::name::Name;
use std::{num::NonZeroU32, time::Duration};

/// The shortest pulse, and the shortest pause between two, that a PULSE block makes: 40 ns.
const SHORTEST_TICKS: u64 = 5;

/// The pause of a detector that exposes as long as it can: 1 us, or its dead time if longer.
const USUAL_PAUSE: Duration = Duration::from_micros(1);

const NS_PER_TICK: u128 = 8;

/// What a detector wants of each frame.
#[derive(Clone, Debug, PartialEq)]
pub struct PulseRequest {
    pub detector: Name,
    pub frame_duration_s: f64,
    /// Pulses per frame, evenly spaced.
    pub pulses: NonZeroU32,
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
    pub pulses: NonZeroU32,
}

/// Why a detector cannot have its pulses: detector, value and rule in one line.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PulseError {
    #[error("detector {detector}: frame duration {value} s must be positive and finite")]
    Duration { detector: Name, value: f64 },
    #[error("detector {detector}: frame duration {value} s is {limit} s or longer")]
    TooLong { detector: Name, value: f64, limit: f64 },
    #[error(
        "detector {detector}: exposure {value:?} is shorter than {minimum:?}, the shortest pulse"
    )]
    Short { detector: Name, value: Duration, minimum: Duration },
    #[error(
        "detector {detector}: exposure {value:?} and a pause of {pause:?} do not fit into \
         {step_s} s, the frame divided by {pulses}"
    )]
    Exposure {
        detector: Name,
        value: Duration,
        /// The dead time, or the shortest pause.
        pause: Duration,
        step_s: f64,
        pulses: NonZeroU32,
    },
    #[error(
        "detector {detector}: a pause of {value:?} leaves no pulse of {minimum:?} in {step_s} s, \
         the frame divided by {pulses}"
    )]
    Pause { detector: Name, value: Duration, minimum: Duration, step_s: f64, pulses: NonZeroU32 },
}

/// The pulses of a detector, evenly spaced over the frame and over before its end.
pub fn pulse_train(request: &PulseRequest) -> Result<PulseTrain, PulseError> {
    // Rounded down, as the exposure is: the last pulse is over before the frame.
    let step_ticks = request.frame_ticks()? / u64::from(request.pulses.get());
    let width_ticks = match request.exposure {
        Some(exposure) => request.exposed(exposure, step_ticks)?,
        None => request.exposed_at_most(step_ticks)?,
    };
    let middle = (step_ticks - width_ticks) / 2;
    let delay_ticks = match request.place {
        PulsePlace::Middle if middle >= SHORTEST_TICKS => middle,
        PulsePlace::Middle | PulsePlace::Beginning => 0,
    };
    Ok(PulseTrain { delay_ticks, width_ticks, step_ticks, pulses: request.pulses })
}

impl PulseRequest {
    /// Whole ticks of a frame.
    fn frame_ticks(&self) -> Result<u64, PulseError> {
        let (detector, value) = (|| self.detector.clone(), self.frame_duration_s);
        if !(value.is_finite() && value > 0.0) {
            return Err(PulseError::Duration { detector: detector(), value });
        }
        let ticks = exact_ticks(value);
        if ticks >= LONGEST_TICKS as f64 {
            let limit = LONGEST_TICKS as f64 / TICKS_PER_SECOND as f64;
            return Err(PulseError::TooLong { detector: detector(), value, limit });
        }
        Ok(ticks as u64)
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
                step_s: self.step_s(),
                pulses: self.pulses,
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
                step_s: self.step_s(),
                pulses: self.pulses,
            });
        }
        Ok(ticks)
    }

    fn step_s(&self) -> f64 {
        self.frame_duration_s / f64::from(self.pulses.get())
    }
}

/// The ticks of a pause, rounded up.
fn pause_ticks(pause: Duration) -> u64 {
    pause.as_nanos().div_ceil(NS_PER_TICK).min(LONGEST_TICKS.into()) as u64
}

fn shortest() -> Duration {
    Duration::from_nanos(SHORTEST_TICKS * NS_PER_TICK as u64)
}
