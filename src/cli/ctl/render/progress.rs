//! How fast a run goes, and how long it will take.
use super::{amounts::span, status::detectors};
use bluefly_protocol::{
    api::Status,
    run::{RunPhase, RunProgress},
};
use std::{collections::VecDeque, time::Duration};

/// The speed of a run over the last seconds.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Tempo {
    /// When so many frames were done, the oldest first.
    seen: VecDeque<(Duration, u64)>,
}

/// The speed is that of so long.
const WINDOW: Duration = Duration::from_secs(5);

impl Tempo {
    /// At `now`, a run has come so far. Whatever is no flight is no measure of its speed.
    pub(in super::super) fn add(&mut self, now: Duration, progress: &RunProgress) {
        let done = progress.frames_done;
        let went_back = self.seen.back().is_some_and(|(_, frames)| *frames > done);
        if progress.phase != RunPhase::Running || went_back {
            self.seen.clear();
        }
        if progress.phase == RunPhase::Running {
            self.seen.push_back((now, done));
        }
        // The last one that is older stays: it is where the window begins.
        while self.seen.get(1).is_some_and(|(time, _)| now.saturating_sub(*time) > WINDOW) {
            self.seen.pop_front();
        }
    }

    /// Frames per second, once that can be told.
    pub(in super::super) fn rate(&self) -> Option<f64> {
        let ((from, before), (to, after)) = (self.seen.front()?, self.seen.back()?);
        let seconds = to.saturating_sub(*from).as_secs_f64();
        (seconds > 0.0 && after > before).then(|| (after - before) as f64 / seconds)
    }

    /// Seconds until the last frame, at this speed or as predicted; none if the scan stands still.
    fn left_s(&self, progress: &RunProgress) -> Option<f64> {
        let left = progress.frames_total.saturating_sub(progress.frames_done) as f64;
        let total = progress.frames_total as f64;
        match progress.phase {
            RunPhase::Running | RunPhase::Starting if left > 0.0 => {
                let predicted = progress.predicted_s * left / total;
                let measured = self.rate().map(|rate| left / rate);
                measured.or((predicted > 0.0).then_some(predicted))
            }
            RunPhase::Idle
            | RunPhase::Staging
            | RunPhase::Staged
            | RunPhase::Preparing
            | RunPhase::Ready
            | RunPhase::Starting
            | RunPhase::Running
            | RunPhase::Pausing
            | RunPhase::Paused
            | RunPhase::Recovering
            | RunPhase::Completed
            | RunPhase::Unstaging
            | RunPhase::Undoing => None,
        }
    }
}

/// Phase, frames, speed and time left, over the bars of the detectors.
pub(in super::super) fn headline(status: &Status, tempo: &Tempo) -> String {
    let progress = &status.progress;
    let (beamline, phase) = (&status.beamline, progress.phase);
    let frames = frames(progress).map_or_else(String::new, |frames| format!(", {frames}"));
    format!("{beamline} {phase}{frames}{}", speed(progress, tempo))
}

/// The same in a line of its own, with the detectors.
pub(in super::super) fn line(status: &Status, tempo: &Tempo) -> String {
    let progress = &status.progress;
    let frames = frames(progress).map_or_else(String::new, |frames| format!(": {frames}"));
    let on_disk = detectors(&progress.detectors);
    let on_disk = if on_disk.is_empty() { on_disk } else { format!(" ({on_disk})") };
    format!("{}{frames}{on_disk}{}", progress.phase, speed(progress, tempo))
}

fn frames(progress: &RunProgress) -> Option<String> {
    let (done, total) = (progress.frames_done, progress.frames_total);
    (total > 0).then(|| format!("{done} of {total} frames"))
}

fn speed(progress: &RunProgress, tempo: &Tempo) -> String {
    let rate = tempo.rate().map_or_else(String::new, |rate| match rate {
        slow if slow < 9.95 => format!(", {slow:.1} frames/s"),
        fast => format!(", {fast:.0} frames/s"),
    });
    let left =
        tempo.left_s(progress).map_or_else(String::new, |left| format!(", {} left", span(left)));
    rate + &left
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(phase: RunPhase, frames_done: u64) -> Status {
        let detectors = [("camera", 162), ("diode", 160)];
        let named = detectors.map(|(name, frames)| (name.parse().expect("a name"), frames));
        let progress = RunProgress {
            phase,
            frames_total: 1_600,
            frames_done,
            predicted_s: 8.0,
            detectors: named.into(),
            ..RunProgress::default()
        };
        let beamline = "sim".parse().expect("a name");
        Status { instance: "i".to_owned(), beamline, revision: 1, progress }
    }

    #[test]
    fn the_speed_is_that_of_the_last_seconds() {
        use RunPhase::{Paused, Running};
        let check = |seen: &[(u64, RunPhase, u64)], expected: Option<f64>| {
            let mut tempo = Tempo::default();
            for (ms, phase, frames) in seen {
                tempo.add(Duration::from_millis(*ms), &status(*phase, *frames).progress);
            }
            assert_eq!(tempo.rate(), expected, "{seen:?}");
        };
        check(&[], None);
        check(&[(0, Running, 0)], None);
        check(&[(0, Running, 0), (0, Running, 9)], None);
        check(&[(0, Running, 0), (500, Running, 100)], Some(200.0));
        check(&[(0, Running, 0), (4_000, Running, 0), (9_500, Running, 55)], Some(10.0));
        check(&[(0, Running, 0), (500, Running, 100), (600, Paused, 100)], None);
        // A frame that is taken again was no frame of this speed.
        check(&[(0, Running, 100), (500, Running, 90), (1_000, Running, 95)], Some(10.0));
    }

    #[test]
    fn a_line_says_how_far_how_fast_and_how_long() {
        use RunPhase::{Paused, Running, Starting};
        let check = |seen: &[(u64, RunPhase, u64)], expected: &str| {
            let mut tempo = Tempo::default();
            let mut last = status(RunPhase::Idle, 0);
            for (ms, phase, frames) in seen {
                last = status(*phase, *frames);
                tempo.add(Duration::from_millis(*ms), &last.progress);
            }
            let head = headline(&last, &tempo);
            assert_eq!(line(&last, &tempo), expected);
            let expected = expected.replace(" (camera 162, diode 160)", "").replace(':', ",");
            assert_eq!(head, format!("sim {expected}"));
        };
        check(&[(0, Starting, 0)], "starting: 0 of 1600 frames (camera 162, diode 160), 8 s left");
        check(
            &[(0, Running, 0), (1_000, Running, 160)],
            "running: 160 of 1600 frames (camera 162, diode 160), 160 frames/s, 9 s left",
        );
        check(
            &[(0, Running, 0), (1_000, Running, 2)],
            "running: 2 of 1600 frames (camera 162, diode 160), 2.0 frames/s, 13 min 19 s left",
        );
        check(
            &[(0, Running, 0), (1_000, Paused, 160)],
            "paused: 160 of 1600 frames (camera 162, diode 160)",
        );
    }
}
