//! [`Budget`]: how much may be done to find the frames of all masks of a specification.
use super::{
    SpecError,
    dimension::{Dimension, Source},
    error::At,
};
use std::cell::Cell;

/// What the masks of one specification may still take, so that none keeps the machine busy for
/// longer than a second or two, however many of them there are.
pub(super) struct Budget {
    looks: Account,
    stretches: Account,
}

struct Account {
    most: u64,
    taken: Cell<u64>,
}

/// What would have been more than may be, and how many would have been needed at least.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exceeded {
    Looks { needed: u64, most: u64 },
    Stretches { needed: u64, most: u64 },
}

impl Default for Budget {
    /// Looks for about a second, and stretches of 16 MiB.
    fn default() -> Self {
        Self::of(1 << 26, 1 << 20)
    }
}

impl Budget {
    pub(super) fn of(looks: u64, stretches: u64) -> Self {
        let account = |most| Account { most, taken: Cell::new(0) };
        Self { looks: account(looks), stretches: account(stretches) }
    }

    /// Takes some looks.
    pub(super) fn look(&self, looks: u64) -> Result<(), Exceeded> {
        self.looks.taken.set(self.allows(looks)?);
        Ok(())
    }

    /// All looks with those that are to be taken; fails if they are too many.
    pub(super) fn allows(&self, looks: u64) -> Result<u64, Exceeded> {
        let exceeded = |needed, most| Exceeded::Looks { needed, most };
        self.looks.with(looks).map_err(|needed| exceeded(needed, self.looks.most))
    }

    /// All stretches with those of a mask that is being made; fails if they are too many.
    pub(super) fn holds(&self, stretches: usize) -> Result<u64, Exceeded> {
        let exceeded = |needed, most| Exceeded::Stretches { needed, most };
        let all = self.stretches.with(stretches as u64);
        all.map_err(|needed| exceeded(needed, self.stretches.most))
    }

    /// Takes the stretches of a mask.
    pub(super) fn keep(&self, stretches: usize) -> Result<(), Exceeded> {
        self.stretches.taken.set(self.holds(stretches)?);
        Ok(())
    }
}

impl Account {
    /// What is taken with so many more; as an error if it is too much.
    fn with(&self, more: u64) -> Result<u64, u64> {
        let all = self.taken.get().saturating_add(more);
        if all > self.most { Err(all) } else { Ok(all) }
    }
}

impl Exceeded {
    /// The error of a mask of a grid.
    pub(super) fn error(self, grid: &Dimension, at: &At) -> SpecError {
        let value = format!("a grid of {} frames", grid.len);
        let (what, needed, most) = match self {
            Self::Looks { needed, most } => ("looks", needed, most),
            Self::Stretches { needed, most } => ("stretches", needed, most),
        };
        let rule = format!(
            "cannot be masked: {needed} {what} or more would be needed, all masks of a scan may \
             take {most}"
        );
        SpecError::new(at, value, rule)
    }
}

impl Dimension {
    /// Of how many parts a frame is computed: what a point of it costs, in looks.
    pub(super) fn parts(&self) -> u64 {
        match &self.source {
            Source::Repeat { .. } => 0,
            Source::Constant { .. } => 1,
            Source::Curves(curves) => curves.len() as u64,
            // The part of each way is searched for.
            Source::Ways(ways) => 2 * ways.len() as u64,
            Source::Zip(left, right) => left.parts() + right.parts(),
            Source::Concat { left, right, .. } => 1 + left.parts().max(right.parts()),
            Source::Squash(layers) => 1 + layers.dimensions().map(Self::parts).sum::<u64>(),
            // Each of its stretches may be a single frame.
            Source::Mask(mask) => 4 + mask.grid().parts(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::build::stack_within, *};
    use crate::scan::Spec;

    const SPIRAL: &str = r#"{"type":"Spiral","x_axis":"x","y_axis":"y","x_start":0,"y_start":0,"x_range":2,"y_range":2,"num":1000}"#;
    const ELLIPSE: &str = r#"{"type":"Ellipse","x_axis":"x","x_centre":0,"x_diameter":4,"x_step":0.1,"y_axis":"y","y_centre":0,"y_diameter":4,"y_step":0.1}"#;

    fn mask(spec: &str) -> String {
        let region = r#"{"type":"Range","axis":"x","min":-9,"max":9}"#;
        format!(r#"{{"type":"Mask","spec":{spec},"region":{region}}}"#)
    }

    fn concat(left: &str, right: &str) -> String {
        format!(r#"{{"type":"Concat","left":{left},"right":{right}}}"#)
    }

    fn compound(generators: &str, excluders: &str) -> String {
        format!(
            r#"{{"typeid":"scanpointgenerator:generator/CompoundGenerator:1.0","generators":[{generators}],"excluders":[{excluders}]}}"#
        )
    }

    fn coil(x: &str, y: &str) -> String {
        format!(
            r#"{{"typeid":"scanpointgenerator:generator/SpiralGenerator:1.0","axes":["{x}","{y}"],"units":"mm","centre":[0,0],"radius":15}}"#
        )
    }

    fn half(x: &str, y: &str) -> String {
        format!(
            r#"{{"typeid":"scanpointgenerator:excluder/ROIExcluder:1.0","axes":["{x}","{y}"],"rois":[{{"typeid":"scanpointgenerator:roi/CircularROI:1.0","centre":[0,0],"radius":10}}]}}"#
        )
    }

    /// The error with a budget that is enough for each mask, but not for all of them.
    fn check(text: &str, (looks, stretches): (u64, u64), expected: &str) {
        let spec: Spec = text.parse().expect("a spec");
        let error = stack_within(&spec, Budget::of(looks, stretches)).err();
        let error = error.map(|error| error.to_string()).unwrap_or_default();
        assert_eq!(error.replace(" or more would be needed, all masks of a scan", ""), expected);
    }

    fn is_enough(text: &str, (looks, stretches): (u64, u64)) {
        let spec: Spec = text.parse().expect("a spec");
        assert_eq!(stack_within(&spec, Budget::of(looks, stretches)).err(), None, "{text}");
    }

    #[test]
    fn all_masks_of_a_scan_share_one_budget() {
        let (one, plenty) = (mask(SPIRAL), 1 << 20);
        is_enough(&one, (4_000, plenty));
        check(
            &concat(&one, &one),
            (4_000, plenty),
            "$.right: a grid of 1000 frames cannot be masked: 6024 looks may take 4000",
        );
        check(
            &mask(&one),
            (4_000, plenty),
            "$: a grid of 1000 frames cannot be masked: 10024 looks may take 4000",
        );
        is_enough(ELLIPSE, (plenty, 60));
        check(
            &concat(ELLIPSE, ELLIPSE),
            (plenty, 60),
            "$.right: a grid of 1681 frames cannot be masked: 61 stretches may take 60",
        );
        let one = compound(&coil("x", "y"), &half("x", "y"));
        is_enough(&one, (4_000, plenty));
        let generators = format!("{},{}", coil("x", "y"), coil("z", "w"));
        let excluders = format!("{},{}", half("x", "y"), half("z", "w"));
        check(
            &compound(&generators, &excluders),
            (4_000, plenty),
            "$.excluders[1]: a grid of 707 frames cannot be masked: 4266 looks may take 4000",
        );
    }
}
