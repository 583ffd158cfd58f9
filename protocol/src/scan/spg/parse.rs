//! From JSON to a [`Compound`]: each field by its own rule, then what a generator demands of others.
use super::{
    Array, Combined, Compound, Excluder, Generator, Line, Lissajous, Mutator, Roi, Spiral,
};
use super::{
    StaticPoint,
    fields::{Kinds, Typed},
};
use crate::scan::{
    SpecError,
    coerce::{Flag, MAX_COUNT},
    error::{At, short, shown},
};
use serde_json::Value;
use std::collections::BTreeMap;

/// How deep generators may be nested; what JSON text can hold is not much more.
const MAX_DEPTH: usize = 100;

/// Most generators, excluders or mutators of a compound: each is compared with all others.
const MAX_ITEMS: usize = 1000;

/// What a generator within a compound is.
#[derive(Clone, Copy)]
enum GeneratorKind {
    Line,
    Array,
    Spiral,
    Lissajous,
    StaticPoint,
    Zip,
    Concat,
}

#[derive(Clone, Copy)]
enum ExcluderKind {
    Roi,
    Squashing,
}

#[derive(Clone, Copy)]
enum MutatorKind {
    RandomOffset,
}

const COMPOUND: &Kinds<()> = &[("CompoundGenerator", ())];
const GENERATORS: &Kinds<GeneratorKind> = &[
    ("LineGenerator", GeneratorKind::Line),
    ("ArrayGenerator", GeneratorKind::Array),
    ("SpiralGenerator", GeneratorKind::Spiral),
    ("LissajousGenerator", GeneratorKind::Lissajous),
    ("StaticPointGenerator", GeneratorKind::StaticPoint),
    ("ZipGenerator", GeneratorKind::Zip),
    ("ConcatGenerator", GeneratorKind::Concat),
];
const EXCLUDERS: &Kinds<ExcluderKind> =
    &[("ROIExcluder", ExcluderKind::Roi), ("SquashingExcluder", ExcluderKind::Squashing)];
const MUTATORS: &Kinds<MutatorKind> = &[("RandomOffsetMutator", MutatorKind::RandomOffset)];

/// The generator that a JSON value describes, which must be a `CompoundGenerator`.
pub(in crate::scan) fn compound(value: &Value) -> Result<Compound, SpecError> {
    let typed = Typed::new(value, At::Top, ("generator", COMPOUND))?;
    let fields = typed.fields(&[
        "generators",
        "excluders",
        "mutators",
        "duration",
        "continuous",
        "delay_after",
    ])?;
    for name in ["generators", "excluders", "mutators"] {
        fields.at_most(name, MAX_ITEMS)?;
    }
    let generators = fields.some("generators", |value, at| generator(value, at, 0))?;
    distinct(&generators)?;
    let excluders = fields.list_or_none("excluders", excluder)?;
    let mutators = fields.list_or_none("mutators", mutator)?;
    let duration = fields.number_or("duration", -1.0)?;
    if duration < 0.0 && duration != -1.0 {
        let rule = "is less than 0: duration must be greater than 0, or -1 if it is not said";
        return fields.refuse("duration", rule);
    }
    let continuous = fields.flag("continuous", Flag::True)?;
    let delay_after = fields.number_or("delay_after", 0.0)?.max(0.0);
    Ok(Compound { generators, excluders, mutators, duration, continuous, delay_after })
}

/// Fails if an axis is moved twice.
fn distinct(generators: &[Generator]) -> Result<(), SpecError> {
    let mut seen = BTreeMap::new();
    for (index, generator) in generators.iter().enumerate() {
        for (axis, _) in generator.axes() {
            if let Some(other) = seen.insert(axis, index) {
                let path = format!("$.generators[{index}]");
                let other = format!("$.generators[{other}]");
                let rule = if other == path {
                    "is moved twice: an axis is moved once".to_owned()
                } else {
                    format!("is also moved by {other}: an axis is moved once")
                };
                return Err(SpecError { path, value: format!("axis {:?}", short(axis)), rule });
            }
        }
    }
    Ok(())
}

fn generator(value: &Value, at: At, depth: usize) -> Result<Generator, SpecError> {
    if depth >= MAX_DEPTH {
        return Err(SpecError::new(&at, "the generator", "is nested more than 100 deep"));
    }
    let typed = Typed::new(value, at, ("generator", GENERATORS))?;
    match typed.kind {
        GeneratorKind::Line => line(&typed).map(Generator::Line),
        GeneratorKind::Array => array(&typed).map(Generator::Array),
        GeneratorKind::Spiral => spiral(&typed).map(Generator::Spiral),
        GeneratorKind::Lissajous => lissajous(&typed).map(Generator::Lissajous),
        GeneratorKind::StaticPoint => static_point(&typed).map(Generator::Static),
        GeneratorKind::Zip => zip(&typed, depth).map(Generator::Zip),
        GeneratorKind::Concat => concat(&typed, depth).map(Generator::Concat),
    }
}

fn line(typed: &Typed<GeneratorKind>) -> Result<Line, SpecError> {
    let fields = typed.fields(&["axes", "units", "start", "stop", "size", "alternate"])?;
    let axes = fields.axes("axes")?;
    Ok(Line {
        units: fields.units(axes.len())?,
        start: fields.numbers("start", axes.len())?,
        stop: fields.numbers("stop", axes.len())?,
        size: fields.size()?,
        alternate: fields.flag("alternate", Flag::False)?,
        axes,
    })
}

fn array(typed: &Typed<GeneratorKind>) -> Result<Array, SpecError> {
    let fields = typed.fields(&["axes", "axis", "units", "points", "alternate"])?;
    // Its name in older files.
    let name = if fields.optional("axis").is_some() { "axis" } else { "axes" };
    if name == "axis"
        && let Some(value) = fields.optional("axes")
    {
        let rule = "is the axis once more: ArrayGenerator has either axes or axis";
        return Err(SpecError::new(&fields.at.field("axes"), shown(value), rule));
    }
    Ok(Array {
        axes: fields.exactly(name)?,
        units: fields.exact_units()?,
        points: fields.all_numbers("points")?,
        alternate: fields.flag("alternate", Flag::False)?,
    })
}

fn spiral(typed: &Typed<GeneratorKind>) -> Result<Spiral, SpecError> {
    let fields = typed.fields(&["axes", "units", "centre", "radius", "scale", "alternate"])?;
    let spiral = Spiral {
        axes: fields.exactly("axes")?,
        units: fields.exact_units()?,
        centre: fields.pair("centre")?,
        radius: fields.number("radius")?,
        scale: fields.number_or("scale", 1.0)?,
        alternate: fields.flag("alternate", Flag::False)?,
    };
    if spiral.radius < 0.0 {
        let rule = "is less than 0: radius must not be negative";
        return fields.refuse("radius", rule);
    }
    if spiral.beta() == 0.0 {
        let rule = "is no distance between arms: scale must not be 0";
        return fields.refuse("scale", rule);
    }
    if spiral.size() > MAX_COUNT as f64 || spiral.size().is_nan() {
        return Err(SpecError::new(&fields.at, format!("{:?}", spiral.size()), TOO_MANY));
    }
    Ok(spiral)
}

const TOO_MANY: &str = "are too many frames: a scan has at most 9007199254740992";

fn lissajous(typed: &Typed<GeneratorKind>) -> Result<Lissajous, SpecError> {
    let fields =
        typed.fields(&["axes", "units", "centre", "span", "lobes", "size", "alternate"])?;
    let lobes = fields.at_least_one("lobes")?;
    let size = match fields.optional("size") {
        None | Some(Value::Null) => lobes.saturating_mul(250),
        Some(_) => fields.size()?,
    };
    if size > MAX_COUNT {
        return Err(SpecError::new(&fields.at, size, TOO_MANY));
    }
    Ok(Lissajous {
        axes: fields.exactly("axes")?,
        units: fields.exact_units()?,
        centre: fields.pair("centre")?,
        span: fields.pair("span")?,
        lobes,
        size,
        alternate: fields.flag("alternate", Flag::False)?,
    })
}

fn static_point(typed: &Typed<GeneratorKind>) -> Result<StaticPoint, SpecError> {
    let fields = typed.fields(&["size", "axes"])?;
    let axes = match fields.optional("axes") {
        None => Vec::new(),
        Some(Value::Array(list)) if list.is_empty() => Vec::new(),
        Some(_) => Vec::from(fields.exactly::<1>("axes")?),
    };
    Ok(StaticPoint { size: fields.size()?, axes })
}

/// The generators of a Zip or Concat.
fn combined(typed: &Typed<GeneratorKind>, depth: usize) -> Result<Combined, SpecError> {
    let fields = typed.fields(&["generators", "alternate"])?;
    let generators = fields.some("generators", |value, at| generator(value, at, depth + 1))?;
    let alternate = fields.flag("alternate", Flag::False)?;
    if let Some(index) = generators.iter().position(Generator::alternate) {
        let at = fields.at.field("generators");
        let rule = format!("alternates: within a {} none may, only itself", typed.name);
        return Err(SpecError::new(&at.item(index), "the generator", rule));
    }
    Ok(Combined { generators, alternate })
}

fn zip(typed: &Typed<GeneratorKind>, depth: usize) -> Result<Combined, SpecError> {
    let zip = combined(typed, depth)?;
    let size = zip.generators.first().map_or(0, Generator::size);
    let at = typed.at.field("generators");
    if let Some(index) = zip.generators.iter().position(|each| each.size() != size) {
        let value = format!("{} points", zip.generators[index].size());
        let rule =
            format!("do not fit: in a ZipGenerator all must have as many as the first, {size}");
        return Err(SpecError::new(&at.item(index), value, rule));
    }
    Ok(zip)
}

fn concat(typed: &Typed<GeneratorKind>, depth: usize) -> Result<Combined, SpecError> {
    let concat = combined(typed, depth)?;
    let names = |generator: &Generator| {
        let axes = generator.axes();
        let all: Vec<_> = axes.iter().map(|(axis, unit)| format!("{axis} in {unit:?}")).collect();
        all.join(", ")
    };
    let at = typed.at.field("generators");
    let axes = concat.generators.first().map(Generator::axes).unwrap_or_default();
    if let Some(index) = concat.generators.iter().position(|each| each.axes() != axes) {
        let (value, first) = (names(&concat.generators[index]), names(&concat.generators[0]));
        let value = short(&format!("[{value}]"));
        let first = short(&first);
        let rule =
            format!("are other axes: in a ConcatGenerator all must be as the first, {first}");
        return Err(SpecError::new(&at.item(index), value, rule));
    }
    let size = concat.generators.iter().fold(0_u64, |size, each| size.saturating_add(each.size()));
    if size > MAX_COUNT {
        return Err(SpecError::new(&typed.at, size, TOO_MANY));
    }
    Ok(concat)
}

fn excluder(value: &Value, at: At) -> Result<Excluder, SpecError> {
    let typed = Typed::new(value, at, ("excluder", EXCLUDERS))?;
    match typed.kind {
        ExcluderKind::Roi => {
            let fields = typed.fields(&["rois", "axes"])?;
            Ok(Excluder::Roi {
                rois: fields.some("rois", Roi::parse)?,
                axes: fields.exactly("axes")?,
            })
        }
        ExcluderKind::Squashing => {
            Ok(Excluder::Squashing { axes: typed.fields(&["axes"])?.axes("axes")? })
        }
    }
}

fn mutator(value: &Value, at: At) -> Result<Mutator, SpecError> {
    let typed = Typed::new(value, at, ("mutator", MUTATORS))?;
    match typed.kind {
        MutatorKind::RandomOffset => random_offset(&typed),
    }
}

fn random_offset(typed: &Typed<MutatorKind>) -> Result<Mutator, SpecError> {
    let fields = typed.fields(&["seed", "axes", "max_offset"])?;
    let axes = fields.axes("axes")?;
    let max_offset = match fields.required("max_offset")? {
        Value::Object(map) => {
            let at = fields.at.field("max_offset");
            if let Some(key) = map.keys().find(|key| !axes.contains(key)) {
                let rule = "is not expected: it must be one of the axes";
                return Err(SpecError::new(&at.field(key), shown(&map[key]), rule));
            }
            axes.iter()
                .map(|axis| fields.number_of("max_offset", axis))
                .collect::<Result<_, _>>()?
        }
        _ => fields.numbers("max_offset", axes.len())?,
    };
    Ok(Mutator::RandomOffset { seed: fields.integer("seed")?, axes, max_offset })
}
