//! What the benchmarks of whole runs have in common: samples, CPU time and memory.
use bluefly_actors::clock::{Clock, Instant};
use rustix::time::{ClockId, clock_gettime};
use std::{fs, time::Duration};

/// Durations of the same thing, done again and again.
#[derive(Default)]
pub(crate) struct Samples(Vec<Duration>);

impl Samples {
    pub(crate) fn push(&mut self, duration: Duration) {
        self.0.push(duration);
    }

    /// One line: number, median, 90th and 99th percentile, extremes, in milliseconds.
    pub(crate) fn print(&mut self, name: &str) {
        self.0.sort_unstable();
        let at = |part: f64| {
            let index = ((self.0.len() - 1) as f64 * part).round() as usize;
            self.0[index].as_secs_f64() * 1e3
        };
        println!(
            "{name:<44} n {:>4}  median {:>8.3}  p90 {:>8.3}  p99 {:>8.3}  min {:>8.3}  max {:>8.3} ms",
            self.0.len(),
            at(0.5),
            at(0.9),
            at(0.99),
            at(0.0),
            at(1.0)
        );
    }
}

/// What a stretch of work takes of the machine.
pub(crate) struct Meter {
    clock: Clock,
    since: Instant,
    cpu: Duration,
}

impl Meter {
    /// Begins to measure, by a clock that must be real. The peak of memory starts anew.
    pub(crate) fn start(clock: Clock) -> Self {
        // Linux: 5 resets the peak of the resident set.
        fs::write("/proc/self/clear_refs", "5").expect("a process may reset its own peak");
        let (since, cpu) = (clock.now(), cpu_time());
        Self { clock, since, cpu }
    }

    /// One line: wall and CPU time of all threads, peak of memory; gives the wall time.
    pub(crate) fn print(&self, name: &str) -> Duration {
        let (wall, cpu) = (self.clock.now() - self.since, cpu_time().saturating_sub(self.cpu));
        println!(
            "{name:<44} wall {:>8.3} s  CPU {:>8.3} s  peak memory {:>6.1} MiB",
            wall.as_secs_f64(),
            cpu.as_secs_f64(),
            peak_memory_mib()
        );
        wall
    }
}

/// CPU time of all threads since the process began.
pub(crate) fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.try_into().expect("CPU time is never negative")
}

pub(crate) fn peak_memory_mib() -> f64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux tells of every process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
    kib.and_then(|kib| kib.trim().parse::<f64>().ok()).expect("VmHWM is in kB") / 1024.0
}
