//! [`Fault`]: what may go wrong with the hardware, on request or from a seed.
use bluefly_actors::random::Stream;
use bluefly_protocol::name::Name;
use std::time::Duration;

/// Something that goes wrong with one device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A detector loses the exposure at this index, which is a row of its file, when it next comes.
    LoseFrame { detector: Name, index: u64 },
    /// A detector does not arm the next time.
    FailArm { detector: Name },
    /// A detector that acquires breaks off.
    FailAcquisition { detector: Name },
    /// A file writer cannot write the next frames.
    FailWrite { detector: Name },
    /// A file writer tells this much later what is on disk.
    SlowWrite { detector: Name, delay: Duration },
    /// A file writer brings nothing to disk and closes no file any more, whatever it is told.
    HangWriter { detector: Name },
    /// The link to a device is down for a time.
    Disconnect { device: Name, time: Duration },
    /// A device is connected but answers nothing for a time.
    Freeze { device: Name, time: Duration },
    /// The next put to a device takes this much longer to arrive.
    SlowPut { device: Name, delay: Duration },
    /// The link to a device drops at the request after so many more, for a time.
    DropRequest { device: Name, after: u64, time: Duration },
    /// A PandA loses its power for a time, and with it all that was set.
    PowerCycle { panda: Name, time: Duration },
    /// An axis loses its way and stops, if it is moving.
    FollowingError { motor: Name },
    /// Nobody knows where a motor is; it goes on.
    UnknownPosition { motor: Name },
}

/// A fault and when it happens, counted from when it is scheduled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    pub after: Duration,
    pub fault: Fault,
}

/// The devices that random faults may strike.
#[derive(Clone, Debug, Default)]
pub struct Victims {
    pub motors: Vec<Name>,
    pub controllers: Vec<Name>,
    pub detectors: Vec<Name>,
}

/// `count` random faults within `span`, in the order in which they happen.
pub fn random(
    stream: &mut Stream,
    victims: &Victims,
    count: usize,
    span: Duration,
) -> Vec<Planned> {
    let micros = u64::try_from(span.as_micros()).unwrap_or(u64::MAX).max(1);
    let mut plan: Vec<Planned> = std::iter::repeat_with(|| {
        let after = Duration::from_micros(stream.below(micros));
        random_fault(stream, victims).map(|fault| Planned { after, fault })
    })
    .take(count)
    .flatten()
    .collect();
    plan.sort_by_key(|planned| planned.after);
    plan
}

fn random_fault(stream: &mut Stream, victims: &Victims) -> Option<Fault> {
    let Victims { motors, controllers, detectors } = victims;
    let devices: Vec<&Name> = motors.iter().chain(controllers).chain(detectors).collect();
    let device = (*pick(stream, &devices)?).clone();
    let time = Duration::from_micros(1_000 + stream.below(2_000_000));
    Some(match stream.below(8) {
        0 => Fault::LoseFrame {
            detector: pick(stream, detectors)?.clone(),
            index: stream.below(100),
        },
        1 => Fault::FailArm { detector: pick(stream, detectors)?.clone() },
        2 => Fault::FailWrite { detector: pick(stream, detectors)?.clone() },
        3 => Fault::Disconnect { device, time },
        4 => Fault::Freeze { device, time },
        5 => Fault::SlowPut { device, delay: time },
        6 => Fault::DropRequest { device, after: stream.below(50), time },
        _ => Fault::FollowingError { motor: pick(stream, motors)?.clone() },
    })
}

fn pick<'a, T>(stream: &mut Stream, among: &'a [T]) -> Option<&'a T> {
    let bound = u64::try_from(among.len()).ok().filter(|bound| *bound > 0)?;
    among.get(usize::try_from(stream.below(bound)).ok()?)
}
