//! [`Waves`]: encoders that move by themselves, so that a client sees something.
use super::{
    Fpga, TICKS_PER_SECOND,
    fpga::{Motion, Place},
};
use std::f64::consts::TAU;

/// Sines that encoders follow from tick zero on.
#[derive(Clone, Debug, Default)]
pub struct Waves(Vec<Wave>);

#[derive(Clone, Debug)]
struct Wave {
    /// Counted from zero.
    encoder: usize,
    amplitude_counts: f64,
    period_ticks: u64,
    /// Up to where its motion is known.
    known_to: u64,
}

/// Pieces of a period, each a cubic.
const PIECES: u64 = 32;

impl Waves {
    /// Nothing moves.
    pub fn none() -> Self {
        Self::default()
    }

    /// INENC1 goes to and fro between -100,000 and 100,000 counts in 10 s, INENC2 between -20,000 and
    /// 20,000 in 4 s.
    pub fn demonstration() -> Self {
        let wave = |encoder, amplitude_counts, seconds: u64| Wave {
            encoder,
            amplitude_counts,
            period_ticks: seconds * TICKS_PER_SECOND,
            known_to: 0,
        };
        Self(vec![wave(0, 100_000.0, 10), wave(1, 20_000.0, 4)])
    }

    /// Tells encoders how they move up to `tick`; to be called before the box runs there.
    pub(super) fn advance_to(&mut self, tick: u64, fpga: &mut Fpga) {
        for wave in &mut self.0 {
            while wave.known_to <= tick {
                wave.go_on(fpga);
            }
        }
    }
}

impl Wave {
    fn go_on(&mut self, fpga: &mut Fpga) {
        let start = self.known_to.max(fpga.now());
        let end = (self.known_to + self.period_ticks / PIECES).max(start);
        let motion = Motion::between(start, end - start, self.place(start), self.place(end));
        self.known_to = end.max(start + 1);
        if let Err(error) = fpga.move_encoder(self.encoder, &motion) {
            tracing::error!(encoder = self.encoder, %error, "an encoder does not move on");
        }
    }

    fn place(&self, tick: u64) -> Place {
        let rate = TAU / self.period_ticks as f64;
        let angle = rate * (tick % self.period_ticks) as f64;
        let position = self.amplitude_counts * angle.sin();
        Place { position, velocity: self.amplitude_counts * rate * angle.cos() }
    }
}
