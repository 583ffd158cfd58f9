//! Following a sequencer by its counters, and giving it what it is yet to run.
use super::{Course, Loaded, Maker, PandaTriggers, talk::Talk};
use bluefly_protocol::{
    fault::{Fault, FaultClass},
    sequencer::{Phase, Place, Progress},
};
use std::{cell::RefCell, time::Duration};

/// How often it is looked at.
pub(super) const PERIOD: Duration = Duration::from_millis(50);

/// What a sequencer showed.
struct Seen {
    is_active: bool,
    health: String,
    place: Place,
    /// The row as its counter shows it.
    shown: u32,
    /// Rows that it was given and holds still.
    held_rows: u64,
}

impl Loaded {
    /// Whether its last row was run for the last time, if it runs no more.
    fn is_at_its_end(&self, place: Place) -> bool {
        self.stream.is_none() && self.rows.is_last(place)
    }
}

/// What was loaded, in the hands of whoever follows it; whoever stops it then finds it in its place.
struct Held<'a> {
    loaded: Loaded,
    place: &'a RefCell<Option<Loaded>>,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.place.replace(Some(std::mem::take(&mut self.loaded)));
    }
}

impl PandaTriggers {
    pub(super) async fn follow_frames(&self, progress: &dyn Fn(u64)) -> Result<(), Fault> {
        let talk = self.talk("trigger the frames")?;
        let Some(loaded) = self.loaded.take() else {
            return Err(talk.failed("nothing is loaded"));
        };
        let mut held = Held { loaded, place: &self.loaded };
        match self.maker {
            Maker::Sequencer => self.follow_rows(&talk, &mut held.loaded, progress).await,
            Maker::Comparison => self.follow_comparison(&talk, &held.loaded, progress).await,
        }
    }

    /// As [`stop`](Self::stop); finds out how many frames of what was loaded were triggered to their end.
    pub(super) async fn stop_and_count(&self, talk: &Talk<'_>) -> Result<(), Fault> {
        let Some((course, line)) = self.leave() else { return self.stop(talk).await };
        if self.maker == Maker::Comparison {
            return self.stop_comparison(talk, course).await;
        }
        // Looked at without waiting before it is stopped: then nobody can tell in which phase it was.
        let (before, stopped) =
            futures_util::join!(self.look(talk, (line, false)), self.stop(talk));
        stopped?;
        match (before, self.look(talk, (line, false)).await) {
            (Ok(before), Ok(after)) => self.count(course, &before, &after),
            (Err(fault), _) | (_, Err(fault)) => {
                tracing::debug!(%fault, "nobody knows which trigger was the last");
            }
        }
        Ok(())
    }

    /// What was loaded is to be stopped: what became of it up to now, and its first row.
    fn leave(&self) -> Option<(Course, u64)> {
        let mut loaded = self.loaded.borrow_mut();
        let loaded = loaded.as_mut()?;
        let course = loaded.course;
        if course == Course::Begun {
            loaded.course = Course::Stopped;
        }
        Some((course, loaded.rows.first_line()))
    }

    /// Notes what was triggered to its end, from what it showed before and after it was stopped.
    fn count(&self, course: Course, before: &Seen, after: &Seen) {
        let loaded = self.loaded.borrow();
        let Some(loaded) = &*loaded else { return };
        let is_same = |of: fn(&Place) -> u64| of(&before.place) == of(&after.place);
        let stood = is_same(|place| place.line) && is_same(|place| place.repeat);
        let has_ended = course == Course::Begun && !before.is_active;
        let is_over = has_ended && loaded.is_at_its_end(before.place);
        let place = if stood { before.place } else { after.place };
        let whole = if is_over { Some(loaded.frames) } else { loaded.rows.whole(place) };
        self.note(loaded, whole);
    }

    pub(super) fn note(&self, loaded: &Loaded, whole: Option<u64>) {
        let triggered = whole.map(|frames| loaded.first_frame + frames);
        self.triggered.set(self.triggered.get().max(triggered));
    }

    async fn follow_rows(
        &self,
        talk: &Talk<'_>,
        loaded: &mut Loaded,
        progress: &dyn Fn(u64),
    ) -> Result<(), Fault> {
        let (mut line, mut frames) = (0, loaded.first_frame);
        loop {
            let seen = self.look(talk, (line, loaded.stream.is_some())).await?;
            line = seen.place.line;
            let triggered = loaded.rows.triggered(seen.place).ok_or_else(|| {
                let (counter, shown) = (self.field("TABLE_LINE"), seen.shown);
                let lines = loaded.rows.lines();
                talk.failed(format!(
                    "{counter} is {shown}, which is none of the {lines} rows that it was given and \
                     has not run: somebody else has written its table"
                ))
            })?;
            frames = frames.max(loaded.first_frame + triggered);
            self.note(loaded, loaded.rows.whole(seen.place));
            progress(frames);
            loaded.rows.forget_before(line);
            let total = loaded.first_frame + loaded.frames;
            if seen.health != "OK" {
                let health = self.field("HEALTH");
                let reason = format!(
                    "{health} is \"{}\" after the triggers of {frames} frames",
                    seen.health
                );
                return Err(talk.task.fault(FaultClass::Lost, reason));
            }
            if !seen.is_active {
                return if loaded.is_at_its_end(seen.place) {
                    self.note(loaded, Some(loaded.frames));
                    progress(total);
                    self.check_pulses(talk, loaded).await
                } else {
                    Err(self.ended_early(talk, loaded, (seen.place, frames)))
                };
            }
            self.feed(talk, loaded, seen.held_rows).await?;
            self.clock.sleep(PERIOD).await;
        }
    }

    /// What it shows now; `line` is the row at which it was seen last.
    async fn look(&self, talk: &Talk<'_>, (line, streams): (u64, bool)) -> Result<Seen, Fault> {
        // Whether it is active comes first: if it is not, the counters stand. They are asked for twice:
        // what is told in between belongs to them if they are the same.
        let mut fields =
            ["ACTIVE", "HEALTH", "TABLE_LINE", "LINE_REPEAT", "STATE", "LINE_REPEAT", "TABLE_LINE"]
                .map(|field| self.field(field))
                .to_vec();
        if streams {
            fields.push(self.field("TABLE.QUEUED_LINES"));
        }
        let told = talk.get_all(&fields).await?;
        let number = |index: usize| talk.number::<u32>(&fields[index], &told[index]);
        let (shown, repeat) = (number(2)?, number(3)?);
        let is_steady = (shown, repeat) == (number(6)?, number(5)?);
        let is_active = told[0] == "1";
        let phase = match told[4].as_str() {
            "PHASE1" if is_steady && is_active => Phase::First,
            "PHASE2" if is_steady && is_active => Phase::Second,
            _ => Phase::Waiting,
        };
        let place = Place { line: Progress::line(line, shown), repeat: repeat.into(), phase };
        let held_rows = if streams { number(7)?.into() } else { 0 };
        Ok(Seen { is_active, health: told[1].clone(), place, shown, held_rows })
    }

    /// Appends tables until two wait behind the one that is run.
    async fn feed(
        &self,
        talk: &Talk<'_>,
        loaded: &mut Loaded,
        mut held_rows: u64,
    ) -> Result<(), Fault> {
        let Loaded { stream: Some(stream), rows, .. } = loaded else { return Ok(()) };
        while stream.is_wanted(held_rows) {
            let before = rows.lines();
            self.append(talk, (stream, rows)).await?;
            held_rows += rows.lines() - before;
        }
        if stream.is_over() {
            loaded.stream = None;
        }
        Ok(())
    }

    fn ended_early(
        &self,
        talk: &Talk<'_>,
        loaded: &Loaded,
        (place, frames): (Place, u64),
    ) -> Fault {
        let (sequencer, rows) = (&self.setup.sequencer, loaded.rows.lines());
        let reason = format!(
            "{sequencer} ended in row {} of {rows}, after the triggers of {frames} frames: somebody \
             else disabled it",
            place.line
        );
        talk.task.fault(FaultClass::Lost, reason)
    }

    /// Fails if a PULSE block was triggered faster than it could follow.
    pub(super) async fn check_pulses(&self, talk: &Talk<'_>, loaded: &Loaded) -> Result<(), Fault> {
        let dropped = self.dropped(talk).await?;
        let blocks = self.setup.outputs.iter().filter_map(|output| output.pulse.as_ref());
        let all = blocks.zip(loaded.dropped.iter().zip(dropped));
        for (block, (before, now)) in all {
            if now != *before {
                let reason = format!("{block} has dropped {} frames", now.abs_diff(*before));
                return Err(talk.task.fault(FaultClass::Lost, reason));
            }
        }
        Ok(())
    }
}
