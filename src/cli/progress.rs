//! Showing how far a run has come: a bar on a terminal, plain lines elsewhere.
use super::text::one_line;
use bluefly_actors::watch;
use bluefly_protocol::run::{RunPhase, RunProgress};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{self, IsTerminal as _, Write as _};

/// Plain lines are this far apart, as a part of all frames.
const LINES: u64 = 10;

/// Shows the progress of one run until it is dropped.
pub(super) struct Display {
    bar: Option<ProgressBar>,
    phase: RunPhase,
    tenth: u64,
    /// What was told last.
    trouble: Option<String>,
}

impl Display {
    pub(super) fn new() -> Self {
        let bar = io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template(
                "{msg:>12} [{wide_bar}] {pos}/{len} frames {per_sec} {eta}",
            );
            let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
            bar.with_style(style.expect("a literal template is right"))
        });
        Self { bar, phase: RunPhase::Idle, tenth: 0, trouble: None }
    }

    /// Follows `progress` for ever.
    pub(super) async fn follow(&mut self, mut progress: watch::Receiver<RunProgress>) {
        loop {
            let now = progress.borrow_and_update().clone();
            self.show(&now);
            if progress.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    pub(super) fn show(&mut self, progress: &RunProgress) {
        let new_phase = self.phase != progress.phase;
        self.phase = progress.phase;
        if let Some(trouble) = self.new_trouble(progress) {
            self.say(&format!("trouble: {trouble}"));
        }
        if let Some(bar) = &self.bar {
            bar.set_length(progress.frames_total);
            bar.set_position(progress.frames_done);
            if new_phase {
                bar.set_message(progress.phase.to_string());
            }
            return;
        }
        let tenth = progress.frames_done * LINES / progress.frames_total.max(1);
        // Without a plan there is nothing to tell.
        let is_news = new_phase && progress.frames_total > 0 && is_news(progress.phase);
        if is_news || tenth > self.tenth {
            let detectors: Vec<String> = progress
                .detectors
                .iter()
                .map(|(name, frames)| format!("{name} {frames}"))
                .collect();
            let line = format!(
                "{}: {} of {} frames ({})",
                progress.phase,
                progress.frames_done,
                progress.frames_total,
                detectors.join(", ")
            );
            self.say(&line);
        }
        self.tenth = tenth;
    }

    /// What went wrong since it was told last. What ended the run is for whoever ends it to tell.
    fn new_trouble(&mut self, progress: &RunProgress) -> Option<String> {
        if progress.trouble == self.trouble || is_ending(progress.phase) {
            return None;
        }
        self.trouble.clone_from(&progress.trouble);
        self.trouble.as_deref().map(one_line)
    }

    fn say(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.println(line),
            // Nobody is told if standard error is closed: the run goes on all the same.
            None => drop(writeln!(io::stderr(), "{line}")),
        }
    }
}

/// Whether a change to this phase is worth a line.
fn is_news(phase: RunPhase) -> bool {
    match phase {
        RunPhase::Running
        | RunPhase::Paused
        | RunPhase::Recovering
        | RunPhase::Completed
        | RunPhase::Undoing => true,
        RunPhase::Idle
        | RunPhase::Staging
        | RunPhase::Staged
        | RunPhase::Preparing
        | RunPhase::Ready
        | RunPhase::Starting
        | RunPhase::Pausing
        | RunPhase::Unstaging => false,
    }
}

const fn is_ending(phase: RunPhase) -> bool {
    match phase {
        RunPhase::Idle | RunPhase::Undoing | RunPhase::Unstaging => true,
        RunPhase::Staging
        | RunPhase::Staged
        | RunPhase::Preparing
        | RunPhase::Ready
        | RunPhase::Starting
        | RunPhase::Running
        | RunPhase::Pausing
        | RunPhase::Paused
        | RunPhase::Recovering
        | RunPhase::Completed => false,
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scan_recovered_and_nobody_was_told_of_what() {
        let mut display = Display::new();
        let mut check = |phase: RunPhase, trouble: Option<&str>, expected: Option<&str>| {
            let trouble = trouble.map(str::to_owned);
            let progress = RunProgress { phase, trouble, ..RunProgress::default() };
            assert_eq!(display.new_trouble(&progress).as_deref(), expected);
        };
        check(RunPhase::Running, None, None);
        check(
            RunPhase::Recovering,
            Some("camera: cannot arm:\n gone"),
            Some("camera: cannot arm: gone"),
        );
        check(RunPhase::Running, Some("camera: cannot arm:\n gone"), None);
        check(RunPhase::Recovering, Some("x: crashed"), Some("x: crashed"));
        check(RunPhase::Running, None, None);
        check(RunPhase::Recovering, Some("x: crashed"), Some("x: crashed"));
        check(RunPhase::Undoing, Some("x: is gone"), None);
    }
}
