//! How far a capture is: a line that is renewed on a terminal, plain lines elsewhere.
use bluefly_actors::{
    backend::panda::capture::Progress,
    clock::{Clock, Instant},
    watch,
};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::{
    io::{self, IsTerminal as _, Write as _},
    time::Duration,
};

/// How often the line of a terminal is renewed, and how often a plain line is written.
const TERMINAL_EVERY: Duration = Duration::from_millis(250);
const PLAIN_EVERY: Duration = Duration::from_secs(5);

/// Shows how far a capture is until it is dropped.
pub(super) struct Display {
    clock: Clock,
    bar: Option<ProgressBar>,
    /// When it was shown last, and how many rows there were.
    last: (Instant, u64),
}

impl Display {
    pub(super) fn new(clock: Clock) -> Self {
        let bar = io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{spinner} {msg}");
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            bar.with_style(style.expect("a literal template is right"))
        });
        let last = (clock.now(), 0);
        Self { clock, bar, last }
    }

    /// Shows `progress` for ever.
    pub(super) async fn follow(&mut self, progress: &watch::Receiver<Progress>) {
        let every = if self.bar.is_some() { TERMINAL_EVERY } else { PLAIN_EVERY };
        loop {
            self.clock.sleep(every).await;
            self.show(&progress.borrow());
        }
    }

    fn show(&mut self, progress: &Progress) {
        let (rows, lag) = (progress.received, progress.lag());
        let (now, (since, before)) = (self.clock.now(), self.last);
        self.last = (now, rows);
        let seconds = (now - since).as_secs_f64();
        let rate = if seconds > 0.0 { (rows - before) as f64 / seconds } else { 0.0 };
        let line = if rows == 0 {
            "waiting for the first row".to_owned()
        } else {
            format!(
                "{rows} rows, {:.3} million a second, {} rows ({:.3} s) behind",
                rate / 1e6,
                lag.rows,
                lag.behind.as_secs_f64()
            )
        };
        match &self.bar {
            Some(bar) => {
                bar.set_message(line);
                bar.tick();
            }
            // Nobody is told if standard error is closed: the capture goes on all the same.
            None => drop(writeln!(io::stderr(), "{line}")),
        }
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
