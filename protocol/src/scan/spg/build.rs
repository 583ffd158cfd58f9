//! From a [`Compound`] to its dimensions.
use super::{
    Combined, Compound, Excluder, Generator, Line, Lissajous, Mutator, Spiral, trim::trimmed,
};
use crate::scan::{
    SpecError,
    budget::Budget,
    build::{Builder, PathCheck, check_axes, layers},
    curve::{Arm, Curve, Motion, Shape},
    dimension::{Dimension, Source},
    error::{At, short, short_number, shown},
    offset::Offset,
    region::{Combination, Region},
    sequence::{Offsets, Sequence},
    way::{Form, Way},
};
use serde_json::Value;
use std::{collections::BTreeMap, f64::consts::PI, ops::Range};

/// Furthest apart that the bounds of generators which follow each other may be if they are flown.
const MEET: f64 = 1e-5;

/// One axis of a generator: its forms one after the other, each with its number of frames.
type Parts = Vec<(Form, u64)>;

/// The axes of a compound in the order of its generators, and its frames.
pub(in crate::scan) fn stack(
    compound: &Compound,
    budget: Budget,
) -> Result<(Vec<String>, Sequence), SpecError> {
    let owners = owners(&compound.generators);
    let (generators, excluders) = trimmed(compound, &owners)?;
    let axes = generators.iter().flat_map(Generator::axes).map(|(axis, _)| axis.to_owned());
    let axes: Vec<String> = axes.collect();
    check_axes(axes.len(), &At::Top)?;
    let builder = Builder { places: axes.iter().cloned().zip(0..).collect(), budget };
    let groups = groups(compound, &owners, excluders)?;
    let at = At::Top.field("generators");
    let mut dimensions = Vec::with_capacity(groups.len());
    for group in groups {
        let mut members = Vec::with_capacity(group.generators.len());
        for index in group.generators.clone() {
            let flown = compound.continuous && index + 1 == generators.len();
            let motion = if flown { Motion::Fly } else { Motion::Step };
            members.push(builder.generator(&generators[index], motion, &at.item(index))?);
        }
        let joined = builder.squash(members, PathCheck::Allow, &At::Top)?;
        dimensions.push(builder.excluded(joined, (compound, &group))?);
    }
    if let Some(fastest) = dimensions.last_mut()
        && compound.duration > 0.0
    {
        fastest.duration = Some(compound.duration);
    }
    let sequence = Sequence {
        layers: layers(dimensions, &At::Top)?,
        offsets: Offsets {
            each: builder.offsets(&compound.mutators, &generators)?,
            motion: if compound.continuous { Motion::Fly } else { Motion::Step },
        },
        delay_after_s: Some(compound.delay_after),
    };
    Ok((axes, sequence))
}

/// The place of the generator of each axis.
pub(super) type Owners<'a> = BTreeMap<&'a str, usize>;

fn owners(generators: &[Generator]) -> Owners<'_> {
    let mut owners = BTreeMap::new();
    for (index, generator) in generators.iter().enumerate() {
        owners.extend(generator.axes().into_iter().map(|(axis, _)| (axis, index)));
    }
    owners
}

/// Generators that make one dimension.
struct Group {
    generators: Range<usize>,
    excluders: Vec<usize>,
}

/// The dimensions of a compound: every excluder joins those from the first to the last of its axes.
fn groups(
    compound: &Compound,
    owners: &Owners,
    excluders: Vec<usize>,
) -> Result<Vec<Group>, SpecError> {
    let generators = &compound.generators;
    let single = |index| Group { generators: index..index + 1, excluders: Vec::new() };
    let mut groups: Vec<Group> = (0..generators.len()).map(single).collect();
    let at = At::Top.field("excluders");
    for index in excluders {
        let (excluder, at) = (&compound.excluders[index], at.item(index));
        let place = |axis: &String| {
            let owner = *owners.get(axis.as_str())?;
            Some(groups.partition_point(|group| group.generators.end <= owner))
        };
        let mut joined = groups.len()..0;
        for (axis_index, axis) in excluder.axes().iter().enumerate() {
            let Some(place) = place(axis) else {
                let value = shown(&Value::String(axis.clone()));
                let rule = "is moved by no generator: an excluder has axes of the generators";
                return Err(SpecError::new(&at.field("axes").item(axis_index), value, rule));
            };
            joined = joined.start.min(place)..joined.end.max(place + 1);
        }
        let members = groups[joined.start].generators.start..groups[joined.end - 1].generators.end;
        check_alternation(&generators[members.clone()], &at)?;
        let before = groups[joined.clone()].iter().flat_map(|group| &group.excluders).copied();
        let excluders = before.chain([index]).collect();
        groups.splice(joined, [Group { generators: members, excluders }]);
    }
    Ok(groups)
}

/// Fails if within what alternates in one dimension something starts anew each time. What only
/// repeats may do so: it has no way that could change.
fn check_alternation(generators: &[Generator], at: &At) -> Result<(), SpecError> {
    let alternating = generators.iter().skip_while(|each| !each.alternate());
    for generator in alternating {
        if !generator.alternate() && !matches!(generator, Generator::Static(_)) {
            let names: Vec<&str> = generator.axes().into_iter().map(|(axis, _)| axis).collect();
            let rule = "would jump: what is joined within a generator that alternates must too";
            return Err(SpecError::new(at, short(&format!("[{}]", names.join(", "))), rule));
        }
    }
    Ok(())
}

impl Builder {
    /// The dimension of one generator.
    fn generator(
        &self,
        generator: &Generator,
        motion: Motion,
        at: &At,
    ) -> Result<Dimension, SpecError> {
        let axes: Box<[usize]> =
            generator.axes().iter().map(|(axis, _)| self.place(axis)).collect();
        let parts = parts(generator, motion, at)?;
        let source = if axes.is_empty() {
            Source::Repeat { gap: false }
        } else if let Some(shapes) = parts.iter().map(only_shape).collect::<Option<Vec<Shape>>>() {
            let curve = |(axis, shape): (&usize, Shape)| (*axis, Curve { shape, motion });
            Source::Curves(axes.iter().zip(shapes).map(curve).collect())
        } else {
            let way = |(axis, parts): (&usize, Parts)| Way::new(*axis, motion, parts);
            Source::Ways(axes.iter().zip(parts).map(way).collect())
        };
        let snaked = generator.alternate();
        let mut dimension = Dimension {
            len: generator.size(),
            snaked,
            first_gap: false,
            duration: None,
            axes,
            source,
        };
        dimension.first_gap = !snaked && !self.meet(&dimension, &dimension);
        Ok(dimension)
    }

    /// The points of a dimension that all of its excluders leave.
    fn excluded(
        &self,
        dimension: Dimension,
        (compound, group): (&Compound, &Group),
    ) -> Result<Dimension, SpecError> {
        let regions: Vec<(usize, Region)> = group
            .excluders
            .iter()
            .filter_map(|index| match &compound.excluders[*index] {
                Excluder::Squashing { .. } => None,
                Excluder::Roi { rois, axes } => {
                    let axes = axes.each_ref().map(|axis| self.place(axis));
                    let areas = rois.iter().map(|roi| Region::Area(roi.area(axes))).collect();
                    Some((*index, Region::of_all(Combination::Union, areas)))
                }
            })
            .collect();
        let at = At::Top.field("excluders");
        let item = regions.first().map_or(0, |(index, _)| *index);
        let place = if regions.len() == 1 { at.item(item) } else { at };
        let regions: Vec<Region> = regions.into_iter().map(|(_, region)| region).collect();
        if regions.is_empty() {
            return Ok(dimension);
        }
        self.select(dimension, &Region::of_all(Combination::Intersection, regions), &place)
    }

    /// The offsets of the mutators, one after the other.
    fn offsets(
        &self,
        mutators: &[Mutator],
        generators: &[Generator],
    ) -> Result<Box<[Offset]>, SpecError> {
        let at = At::Top.field("mutators");
        let mut farthest = vec![0.0_f64; self.places.len()];
        for generator in generators {
            farthest_of(generator, |axis, place| {
                let farthest = &mut farthest[self.place(axis)];
                *farthest = farthest.max(place);
            });
        }
        let mut offsets = Vec::new();
        for (index, mutator) in mutators.iter().enumerate() {
            let Mutator::RandomOffset { seed, axes, max_offset } = mutator;
            for (axis_index, (axis, max)) in axes.iter().zip(max_offset).enumerate() {
                let Some(place) = self.places.get(axis) else {
                    let at = at.item(index);
                    let value = shown(&Value::String(axis.clone()));
                    let rule = "is moved by no generator: a mutator has axes of the generators";
                    return Err(SpecError::new(&at.field("axes").item(axis_index), value, rule));
                };
                // The largest is a little more than it by rounding.
                farthest[*place] += 2.0 * max.abs();
                if !farthest[*place].is_finite() {
                    let at = at.item(index);
                    let rule = "goes beyond all numbers: positions must be finite with it";
                    let value = short_number(*max);
                    return Err(SpecError::new(&at.field("max_offset"), value, rule));
                }
                let letter = axis.chars().next().map_or(0, u32::from);
                if *max != 0.0 {
                    offsets.push(Offset { axis: *place, letter, seed: *seed, max: *max });
                }
            }
        }
        Ok(offsets.into())
    }
}

/// Calls `each` with every axis of a generator and how far from 0 it goes at most, in EGU.
fn farthest_of(generator: &Generator, mut each: impl FnMut(&str, f64)) {
    let mut all: Vec<&Generator> = vec![generator];
    while let Some(generator) = all.pop() {
        let size = generator.size() as f64;
        let both = |centre: &[f64; 2], reach: [f64; 2]| {
            [centre[0].abs() + reach[0], centre[1].abs() + reach[1]].to_vec()
        };
        let farthest: Vec<f64> = match generator {
            Generator::Line(line) => {
                let ends = |form: &Form| form.at(0.0).abs().max(form.at(size).abs());
                lines(line).iter().map(ends).collect()
            }
            Generator::Array(array) => {
                // A bound at an end is half a distance beyond, which is at most twice the farthest.
                let farthest = array.points.iter().fold(0.0_f64, |most, at| most.max(at.abs()));
                vec![2.0 * farthest]
            }
            Generator::Spiral(spiral) => {
                both(&spiral.centre, [spiral.beta().abs() * (4.0 * PI * size).sqrt(); 2])
            }
            Generator::Lissajous(lissajous) => {
                both(&lissajous.centre, lissajous.span.map(|span| span.abs() / 2.0))
            }
            Generator::Static(_) => vec![size],
            Generator::Zip(combined) | Generator::Concat(combined) => {
                all.extend(&combined.generators);
                continue;
            }
        };
        for ((axis, _), farthest) in generator.axes().into_iter().zip(farthest) {
            each(axis, farthest);
        }
    }
}

/// The shape of the only part.
fn only_shape(parts: &Parts) -> Option<Shape> {
    match parts.as_slice() {
        [(Form::Shape(shape), _)] => Some(*shape),
        _ => None,
    }
}

/// The parts of each axis of a generator, in order.
fn parts(generator: &Generator, motion: Motion, at: &At) -> Result<Vec<Parts>, SpecError> {
    let size = generator.size();
    let forms: Vec<Form> = match generator {
        Generator::Line(line) => lines(line),
        Generator::Array(array) => vec![Form::Listed(array.points.as_slice().into())],
        Generator::Spiral(spiral) => coils(spiral),
        Generator::Lissajous(lissajous) => waves(lissajous),
        Generator::Static(point) => {
            let counted = Form::Shape(Shape::Points { step: 1.0, start: 1.0 });
            point.axes.iter().map(|_| counted.clone()).collect()
        }
        Generator::Zip(zip) => {
            let at = at.field("generators");
            let each = zip.generators.iter().enumerate();
            let each = each.map(|(index, child)| parts(child, motion, &at.item(index)));
            return Ok(each.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect());
        }
        Generator::Concat(concat) => return concatenated(concat, motion, at),
    };
    for form in &forms {
        let finite = match form {
            Form::Shape(_) => form.at(0.0).is_finite() && form.at(size as f64).is_finite(),
            Form::Listed(_) => (0..=size).all(|index| form.at(index as f64).is_finite()),
        };
        if !finite {
            let rule = "goes beyond all numbers: its bounds must be finite";
            return Err(SpecError::new(at, "the generator", rule));
        }
    }
    Ok(forms.into_iter().map(|form| vec![(form, size)]).collect())
}

/// The parts of generators one after the other. Flown ones must go on where the one before ends; the
/// bound between them is that of the second.
fn concatenated(concat: &Combined, motion: Motion, at: &At) -> Result<Vec<Parts>, SpecError> {
    let at = at.field("generators");
    let mut all: Vec<Parts> = Vec::new();
    for (index, child) in concat.generators.iter().enumerate() {
        let at = at.item(index);
        let next = parts(child, motion, &at)?;
        all.resize_with(next.len(), Vec::new);
        for (axis, (own, next)) in all.iter_mut().zip(next).enumerate() {
            if let (Some((before, size)), Some((after, _)), Motion::Fly) =
                (own.last(), next.first(), motion)
            {
                let (end, start) = (before.at(*size as f64), after.at(0.0));
                if (end - start).abs() >= MEET {
                    let value = format!("{start:?} of axis {:?}", short(child.axes()[axis].0));
                    let rule = format!(
                        "is not where the generator before ends, {end:?}: if flown, bounds must \
                         meet within 0.00001"
                    );
                    return Err(SpecError::new(&at, value, rule));
                }
            }
            own.extend(next);
        }
    }
    Ok(all)
}

pub(super) fn lines(line: &Line) -> Vec<Form> {
    let ends = line.start.iter().zip(&line.stop);
    let form = |(start, stop): (&f64, &f64)| {
        let step = stop - start;
        Form::Shape(if line.size > 1 {
            Shape::Points { step: step / (line.size - 1) as f64, start: *start }
        } else {
            Shape::Points { step, start: f64::midpoint(*start, *stop) }
        })
    };
    ends.map(form).collect()
}

fn coils(spiral: &Spiral) -> Vec<Form> {
    let coil = |centre: f64, arm| Form::Shape(Shape::Coil { centre, scale: spiral.beta(), arm });
    vec![coil(spiral.centre[0], Arm::Sine), coil(spiral.centre[1], Arm::Cosine)]
}

fn waves(lissajous: &Lissajous) -> Vec<Form> {
    let increment = 2.0 * PI / lissajous.size as f64;
    let wave = |side: usize, lobes: u64, phase: f64| {
        let (centre, reach) = (lissajous.centre[side], lissajous.span[side] / 2.0);
        Form::Shape(Shape::Wave { centre, reach, rate: lobes as f64 * increment, phase })
    };
    let phase = PI / 2.0 * (lissajous.lobes % 2) as f64;
    vec![wave(0, lissajous.lobes, phase), wave(1, lissajous.lobes + 1, 0.0)]
}
