//! Showing how far a run has come: a bar on a terminal, plain lines elsewhere.
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
        Self { bar, phase: RunPhase::Idle, tenth: 0 }
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
            // Nobody is told if standard error is closed: the run goes on all the same.
            drop(writeln!(io::stderr(), "{line}"));
        }
        self.tenth = tenth;
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

impl Drop for Display {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish();
        }
    }
}
