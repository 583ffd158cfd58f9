//! Dimensions made of others: squashed, concatenated, zipped.
use super::{
    SpecError,
    build::{Builder, PathCheck, layers},
    columns::{Direction, Frame},
    dimension::{Dimension, Source},
    error::At,
};

impl Builder {
    /// Whether the last frame of one dimension ends where the first of the other starts.
    pub(super) fn meet(&self, before: &Dimension, after: &Dimension) -> bool {
        let mut ends = vec![Frame::default(); self.places.len()];
        let mut starts = ends.clone();
        before.point(before.len - 1, Direction::Forward, &mut ends);
        after.point(0, Direction::Forward, &mut starts);
        before.axes.iter().all(|axis| ends[*axis].upper == starts[*axis].lower)
    }

    /// All frames of nested dimensions as those of one.
    pub(super) fn squash(
        &self,
        mut dimensions: Vec<Dimension>,
        check: PathCheck,
        at: &At,
    ) -> Result<Dimension, SpecError> {
        if check == PathCheck::Refuse {
            self.check_path(&dimensions, at)?;
        }
        if dimensions.len() == 1 {
            return Ok(dimensions.remove(0));
        }
        let snaked = dimensions.first().is_some_and(|slowest| slowest.snaked);
        let axes = dimensions.iter().flat_map(|dimension| dimension.axes.iter().copied()).collect();
        let layers = layers(dimensions, at)?;
        let mut squashed = Dimension {
            len: layers.len(),
            snaked,
            first_gap: false,
            duration: None,
            axes,
            source: Source::Squash(layers),
        };
        if let (Source::Squash(layers), false) = (&squashed.source, snaked || squashed.len == 0) {
            squashed.first_gap = layers.gap(0) || !self.meet(&squashed, &squashed);
        }
        Ok(squashed)
    }

    /// Fails if squashed dimensions that run more than once would run along another path.
    pub(super) fn check_path(&self, dimensions: &[Dimension], at: &At) -> Result<(), SpecError> {
        let refuse = |axes: &[usize], rule: &str| {
            let names = self.places.iter().filter(|(_, place)| axes.contains(place));
            let names: Vec<&str> = names.map(|(name, _)| name.as_str()).collect();
            Err(SpecError::new(at, format!("[{}]", names.join(", ")), rule))
        };
        let mut odd = true;
        let snaked = dimensions.first().is_some_and(|slowest| slowest.snaked);
        for dimension in dimensions {
            if snaked && !dimension.snaked && !dimension.axes.is_empty() {
                let rule = "would run backwards: what is squashed within a Snake must snake too, \
                            or check_path_changes be false";
                return refuse(&dimension.axes, rule);
            }
            if !snaked && dimension.snaked && odd {
                let rule = "would jump: what snakes within a squash must run an even number of \
                            times, or check_path_changes be false";
                return refuse(&dimension.axes, rule);
            }
            odd = odd && dimension.len % 2 == 1;
        }
        Ok(())
    }

    /// One dimension after the other.
    pub(super) fn concat(
        &self,
        left: Dimension,
        right: Dimension,
        (gap, at): (bool, &At),
    ) -> Result<Dimension, SpecError> {
        if left.snaked != right.snaked {
            let value = if left.snaked { "the left" } else { "the right" };
            let rule = "side alone is snaked: both sides of a Concat must be, or none";
            return Err(SpecError::new(at, value, rule));
        }
        if left.len == 0 || right.len == 0 {
            let side = if left.len == 0 { "left" } else { "right" };
            let rule = "has no frame: both sides of a Concat must have some";
            return Err(SpecError::new(&at.field(side), "the side", rule));
        }
        let rule = "are too many frames: a scan has at most 9007199254740992";
        let len = left.len.checked_add(right.len).filter(|len| *len <= super::coerce::MAX_COUNT);
        let len =
            len.ok_or_else(|| SpecError::new(at, format!("{} + {}", left.len, right.len), rule))?;
        Ok(Dimension {
            len,
            snaked: left.snaked,
            first_gap: !left.snaked && !self.meet(&right, &left),
            duration: None,
            axes: left.axes.clone(),
            source: Source::Concat {
                gap: gap || !self.meet(&left, &right),
                left: Box::new(left),
                right: Box::new(right),
            },
        })
    }

    /// The dimensions of both sides at the same time, from the fastest on.
    pub(super) fn zip(
        &self,
        left: Vec<Dimension>,
        mut right: Vec<Dimension>,
        at: &At,
    ) -> Result<Vec<Dimension>, SpecError> {
        let refuse = |value: String, rule: &str| Err(SpecError::new(at, value, rule));
        if left.len() < right.len() {
            let value = format!("{} and {} dimensions", left.len(), right.len());
            return refuse(value, "do not fit: the left side of a Zip must have as many or more");
        }
        if let ([one], Some(fastest)) = (right.as_slice(), left.last())
            && one.len == 1
        {
            right = vec![self.repeated(one, fastest)];
        }
        let alone = left.len() - right.len();
        let mut right = right.into_iter();
        let mut zipped = Vec::with_capacity(left.len());
        for (place, left) in left.into_iter().enumerate() {
            if place < alone {
                zipped.push(left);
                continue;
            }
            let Some(right) = right.next() else { break };
            if left.len != right.len {
                let value = format!("{} and {} frames", left.len, right.len);
                return refuse(value, "do not fit: both sides of a Zip must have equally many");
            }
            if left.snaked != right.snaked {
                let value = if left.snaked { "the left" } else { "the right" };
                let rule = "side alone is snaked: both sides of a Zip must be, or none";
                return refuse(value.to_owned(), rule);
            }
            zipped.push(Dimension {
                len: left.len,
                snaked: left.snaked,
                first_gap: !left.snaked && (left.first_gap || right.first_gap),
                duration: None,
                axes: left.axes.iter().chain(&right.axes).copied().collect(),
                source: Source::Zip(Box::new(left), Box::new(right)),
            });
        }
        Ok(zipped)
    }

    /// A dimension of one frame, as often as the other has frames.
    fn repeated(&self, one: &Dimension, fastest: &Dimension) -> Dimension {
        let mut point = vec![Frame::default(); self.places.len()];
        one.point(0, Direction::Forward, &mut point);
        let gap = one.axes.iter().any(|axis| point[*axis].moves());
        let snaked = one.snaked || fastest.snaked;
        Dimension {
            len: fastest.len,
            snaked,
            first_gap: gap && !snaked,
            duration: one.duration(0),
            axes: one.axes.clone(),
            source: Source::Constant {
                frames: one.axes.iter().map(|axis| (*axis, point[*axis])).collect(),
                gap,
            },
        }
    }
}
