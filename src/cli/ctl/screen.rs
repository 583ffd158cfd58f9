//! [`Screen`]: where whoever watches sees it: bars on a terminal, lines elsewhere, JSON for programs.
use super::{CliError, Format, render, say, vigil::open_run};
use crate::cli::text::{one_line, visible};
use bluefly_protocol::{api::Status, name::Name, run::RunPhase};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::{
    collections::BTreeMap,
    io::{self, IsTerminal as _, Write as _},
    time::Duration,
};

pub(super) enum Screen {
    /// Nothing but what has to be known.
    Silent,
    /// The events as they came.
    Json,
    Lines(Lines),
    Bars(Box<Bars>),
}

/// A line for each change that is news.
#[derive(Default)]
pub(super) struct Lines {
    tempo: render::Tempo,
    last: Option<Seen>,
}

/// What the last line told of.
#[derive(Clone, PartialEq, Eq)]
struct Seen {
    phase: RunPhase,
    run: Option<String>,
    tenth: u64,
    trouble: Option<String>,
}

/// A bar for each detector, between a line of how it goes and one of what went wrong.
pub(super) struct Bars {
    tempo: render::Tempo,
    all: MultiProgress,
    head: ProgressBar,
    detectors: BTreeMap<Name, ProgressBar>,
    trouble: ProgressBar,
}

/// Plain lines are this far apart, as a part of all frames.
const LINES: u64 = 10;
/// Bars are drawn so often at most.
const PER_SECOND: u8 = 20;

impl Screen {
    /// As the reader is: a terminal, a pipe, or a program.
    pub(super) fn new(format: Format) -> Self {
        match format {
            Format::Json => Self::Json,
            Format::Text if io::stdout().is_terminal() && io::stderr().is_terminal() => {
                let target = ProgressDrawTarget::stderr_with_hz(PER_SECOND);
                Self::Bars(Box::new(Bars::new(target)))
            }
            Format::Text => Self::Lines(Lines::default()),
        }
    }

    /// An event, as it came.
    pub(super) fn event(&self, text: &str) -> Result<(), CliError> {
        match self {
            Self::Json => say(&format!("{}\n", text.trim())),
            Self::Silent | Self::Lines(_) | Self::Bars(_) => Ok(()),
        }
    }

    /// Where the run stands `now`, on a clock that goes evenly.
    pub(super) fn status(&mut self, now: Duration, status: &Status) -> Result<(), CliError> {
        match self {
            Self::Silent | Self::Json => Ok(()),
            Self::Lines(lines) => match lines.news(now, status) {
                Some(text) => say(&text),
                None => Ok(()),
            },
            Self::Bars(bars) => {
                bars.show(now, status);
                Ok(())
            }
        }
    }

    /// Something that happened beside.
    pub(super) fn note(&self, text: &str) -> Result<(), CliError> {
        match self {
            Self::Silent | Self::Json => Ok(()),
            Self::Lines(_) => say(&format!("{text}\n")),
            Self::Bars(bars) => bars.all.println(text).map_err(|error| CliError::output(&error)),
        }
    }

    /// Something that has to be known, whatever is shown.
    pub(super) fn warn(&self, text: &str) {
        let text = visible(text);
        match self {
            Self::Bars(bars) => drop(bars.all.println(text)),
            // Nobody is told if standard error is closed: the watching goes on all the same.
            Self::Silent | Self::Json | Self::Lines(_) => {
                drop(writeln!(io::stderr(), "{text}"));
            }
        }
    }

    /// Leaves the bars as they are, without a line for what did not go wrong.
    pub(super) fn close(&self) {
        let Self::Bars(bars) = self else { return };
        if bars.trouble.message().is_empty() {
            bars.trouble.finish_and_clear();
        }
        let drawn = [&bars.head, &bars.trouble].into_iter().chain(bars.detectors.values());
        drawn.filter(|bar| !bar.is_finished()).for_each(ProgressBar::abandon);
    }
}

impl Lines {
    /// The lines that tell of a status, if it is news.
    fn news(&mut self, now: Duration, status: &Status) -> Option<String> {
        let progress = &status.progress;
        self.tempo.add(now, progress);
        let seen = Seen {
            phase: progress.phase,
            run: open_run(status).map(str::to_owned),
            tenth: progress.frames_done * LINES / progress.frames_total.max(1),
            trouble: progress.trouble.clone(),
        };
        let before = self.last.replace(seen.clone());
        if before.as_ref() == Some(&seen) {
            return None;
        }
        let before = before.as_ref();
        let is_new_run = |run: &String| before.is_none_or(|b| b.run.as_ref() != Some(run));
        let run = seen.run.filter(is_new_run).map(|run| format!("run {run}\n"));
        let is_new = |trouble: &&String| before.is_none_or(|b| b.trouble.as_ref() != Some(trouble));
        let trouble = progress.trouble.as_ref().filter(is_new);
        let trouble = trouble.map(|text| format!("trouble: {}\n", one_line(text)));
        let line = format!("{}\n", render::line(status, &self.tempo));
        Some([run, Some(line), trouble].into_iter().flatten().collect())
    }
}

impl Bars {
    fn new(target: ProgressDrawTarget) -> Self {
        let all = MultiProgress::with_draw_target(target);
        let line = || {
            let style = ProgressStyle::with_template("{wide_msg}");
            ProgressBar::no_length().with_style(style.expect("a literal template is right"))
        };
        let (head, trouble) = (all.add(line()), all.add(line()));
        Self { tempo: render::Tempo::default(), all, head, detectors: BTreeMap::new(), trouble }
    }

    fn show(&mut self, now: Duration, status: &Status) {
        let progress = &status.progress;
        self.tempo.add(now, progress);
        self.head.set_message(render::headline(status, &self.tempo));
        let gone = |name: &Name| !progress.detectors.contains_key(name);
        for (_, bar) in self.detectors.extract_if(.., |name, _| gone(name)) {
            bar.finish_and_clear();
            self.all.remove(&bar);
        }
        for (name, frames) in &progress.detectors {
            let (all, trouble) = (&self.all, &self.trouble);
            let bar = self.detectors.entry(name.clone()).or_insert_with(|| {
                let style = ProgressStyle::with_template("{prefix:>12} [{wide_bar}] {pos}/{len}");
                let bar = ProgressBar::new(progress.frames_total).with_prefix(name.to_string());
                let bar = bar.with_style(style.expect("a literal template is right"));
                all.insert_before(trouble, bar)
            });
            bar.set_length(progress.frames_total);
            bar.set_position(*frames);
        }
        let trouble = progress.trouble.as_deref().map(one_line);
        self.trouble
            .set_message(trouble.map_or_else(String::new, |text| format!("trouble: {text}")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bluefly_protocol::run::RunProgress;

    fn status(phase: RunPhase, frames_done: u64, trouble: Option<&str>) -> Status {
        let run = (phase == RunPhase::Running).then(|| "r1".to_owned());
        let trouble = trouble.map(str::to_owned);
        let progress = RunProgress {
            phase,
            run,
            frames_total: 100,
            frames_done,
            trouble,
            ..RunProgress::default()
        };
        let beamline = "sim".parse().expect("a name");
        Status { instance: "i".to_owned(), beamline, revision: 1, progress }
    }

    #[test]
    fn lines_are_of_news_only() {
        use RunPhase::{Recovering, Running, Starting};
        let mut lines = Lines::default();
        let mut check = |ms: u64, status: &Status, expected: Option<&str>| {
            let news = lines.news(Duration::from_millis(ms), status);
            assert_eq!(news.as_deref(), expected);
        };
        check(0, &status(Starting, 0, None), Some("starting: 0 of 100 frames\n"));
        check(1, &status(Running, 0, None), Some("run r1\nrunning: 0 of 100 frames\n"));
        check(101, &status(Running, 9, None), None);
        let line = "running: 10 of 100 frames, 100 frames/s, 1 s left\n";
        check(101, &status(Running, 10, None), Some(line));
        let line = "recovering: 10 of 100 frames\ntrouble: camera: gone away\n";
        check(200, &status(Recovering, 10, Some("camera: gone\naway")), Some(line));
        check(201, &status(Recovering, 10, Some("camera: gone\naway")), None);
    }
}
