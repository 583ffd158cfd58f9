//! What a sequencer does with rows; that a trigger comes is taken for granted.
use bluefly_protocol::sequencer::{Level, Output, Outputs, Repeats, Row, Table, Trigger};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beat {
    Wait(Trigger),
    /// Outputs and for how many ticks.
    Hold(Outputs, u64),
}

/// The outputs over time. Nothing is high while a trigger is waited for, or for ever.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Train {
    pub(crate) beats: Vec<Beat>,
}

/// The live pulses between a beginning and the dead pulse that follows, in ticks since then.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Window {
    /// Begin and length.
    pub(crate) pulses: Vec<(u64, u64)>,
    pub(crate) end: u64,
}

impl Train {
    pub(crate) fn of_rows(rows: &[Row]) -> Self {
        let mut train = Self::default();
        train.run(rows);
        train
    }

    /// The second of two sequencers begins 6 ticks after the first has ended.
    pub(crate) fn of_double(tables: &[Table]) -> Self {
        let mut train = Self::default();
        for table in tables {
            if table.last {
                let (stop, rows) = table.rows.split_last().expect("a row");
                assert_eq!(stop.repeats, Repeats::Forever);
                assert_eq!((stop.outputs1, stop.outputs2), (Outputs::NONE, Outputs::NONE));
                train.run(rows);
            } else {
                train.run(&table.rows);
                assert_eq!(table.rows.last().expect("a row").outputs2, Outputs::NONE);
                train.hold(Outputs::NONE, 6);
            }
        }
        train
    }

    fn run(&mut self, rows: &[Row]) {
        for row in rows {
            let Repeats::Times(times) = row.repeats else { panic!("for ever: {row:?}") };
            for _ in 0..times.get() {
                match row.trigger {
                    Trigger::Immediate => {}
                    Trigger::Bit { .. } | Trigger::Position { .. } => {
                        let rests = self.beats.last().is_none_or(Beat::is_low);
                        assert!(rests, "high while waiting: {row:?}");
                        self.beats.push(Beat::Wait(row.trigger));
                    }
                }
                self.hold(row.outputs1, row.time1_ticks.into());
                self.hold(row.outputs2, row.time2_ticks.get().into());
            }
        }
    }

    fn hold(&mut self, outputs: Outputs, ticks: u64) {
        match self.beats.last_mut() {
            Some(Beat::Hold(before, sum)) if *before == outputs => *sum += ticks,
            Some(_) | None if ticks > 0 => self.beats.push(Beat::Hold(outputs, ticks)),
            Some(_) | None => {}
        }
    }

    /// The windows, of which all but the first begin with something that is waited for.
    pub(crate) fn windows(&self) -> Vec<Window> {
        let (mut windows, mut window, mut time) = (vec![], Window::default(), 0);
        for beat in &self.beats {
            match *beat {
                Beat::Wait(Trigger::Bit { level: Level::Low, .. }) => {}
                Beat::Wait(_) => time = 0,
                Beat::Hold(outputs, ticks) => {
                    if outputs.has(Output::A) {
                        window.pulses.push((time, ticks));
                    }
                    if outputs.has(Output::B) {
                        window.end = time;
                        windows.push(std::mem::take(&mut window));
                    }
                    time += ticks;
                }
            }
        }
        windows
    }
}

impl Beat {
    fn is_low(&self) -> bool {
        match self {
            Self::Wait(_) => true,
            Self::Hold(outputs, _) => *outputs == Outputs::NONE,
        }
    }
}
