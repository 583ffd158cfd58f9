//! Reading the fields of an object with a `typeid`: lists may be given as their only item, and one
//! unit for all axes.
use crate::scan::{
    SpecError,
    coerce::{Fields, MAX_COUNT, count, number},
    error::{At, short, shown},
};
use serde_json::{Map, Value};

/// An object of a known type.
pub(super) struct Typed<'a, K> {
    map: &'a Map<String, Value>,
    pub(super) at: At<'a>,
    /// Its type without the parts that are the same for all.
    pub(super) name: &'static str,
    pub(super) kind: K,
}

/// The types of a family by their names, without the parts that are the same for all.
pub(super) type Kinds<K> = [(&'static str, K)];

impl<'a, K: Copy> Typed<'a, K> {
    /// An object whose type is one of those of a family (`generator`).
    pub(super) fn new(
        value: &'a Value,
        at: At<'a>,
        (family, kinds): (&str, &Kinds<K>),
    ) -> Result<Self, SpecError> {
        let Value::Object(map) = value else {
            let rule = format!("is no {family}: it must be an object with a typeid");
            return Err(SpecError::new(&at, shown(value), rule));
        };
        let place = at.field("typeid");
        let rule = |what: &str| {
            let all = kinds.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
            format!("{what}: it must be scanpointgenerator:{family}/TYPE:1.0 with TYPE {all}")
        };
        let Some(typeid) = map.get("typeid") else {
            return Err(SpecError::new(&place, "typeid", rule("is missing")));
        };
        let named = typeid.as_str().unwrap_or_default();
        let is =
            |(name, _): &&(&str, K)| named == format!("scanpointgenerator:{family}/{name}:1.0");
        if let Some((name, kind)) = kinds.iter().find(is) {
            return Ok(Self { map, at, name, kind: *kind });
        }
        let rule = rule(&format!("is no typeid of a known {family}"));
        Err(SpecError::new(&place, shown(typeid), rule))
    }

    /// Its fields, which are no others than `allowed`.
    pub(super) fn fields(&self, allowed: &[&str]) -> Result<Fields<'a>, SpecError> {
        if let Some(value) = self.map.get("type") {
            let rule = format!("is not expected: {} has a typeid", self.name);
            return Err(SpecError::new(&self.at.field("type"), shown(value), rule));
        }
        let allowed: Vec<&str> = ["typeid"].iter().chain(allowed).copied().collect();
        Fields::new(self.map, self.at, (self.name, &allowed))
    }
}

/// What the fields of an object with a `typeid` may be besides those of a node.
impl Fields<'_> {
    pub(super) fn number_or(&self, name: &str, default: f64) -> Result<f64, SpecError> {
        if self.optional(name).is_none() { Ok(default) } else { self.number(name) }
    }

    /// What is wrong with a field that is there.
    pub(super) fn refuse<T>(&self, name: &str, rule: &str) -> Result<T, SpecError> {
        Err(SpecError::new(&self.at.field(name), shown(self.required(name)?), rule))
    }

    /// A whole number of either sign.
    pub(super) fn integer(&self, name: &str) -> Result<i64, SpecError> {
        let number = self.number(name)?;
        // Below 2^53 no other whole number is read as this one.
        if number.fract() == 0.0 && number.abs() < MAX_COUNT as f64 {
            return Ok(number as i64);
        }
        self.refuse(name, "is no whole number up to 9007199254740991: it must be one")
    }

    pub(super) fn at_least_one(&self, name: &str) -> Result<u64, SpecError> {
        let at = self.at.field(name);
        match count(self.required(name)?, &at)? {
            0 => {
                let rule = format!("is less than 1: {name} must be at least 1");
                Err(SpecError::new(&at, 0, rule))
            }
            count => Ok(count),
        }
    }

    /// The number of points.
    pub(super) fn size(&self) -> Result<u64, SpecError> {
        self.at_least_one("size")
    }

    /// Fails if a list, which may be left out, has too many items.
    pub(super) fn at_most(&self, name: &str, most: usize) -> Result<(), SpecError> {
        match self.optional(name) {
            Some(Value::Array(list)) if list.len() > most => {
                let value = format!("a list of {}", list.len());
                let rule = format!("is too long: {name} has at most {most} items");
                Err(SpecError::new(&self.at.field(name), value, rule))
            }
            _ => Ok(()),
        }
    }

    /// Each item of a list.
    fn each<T>(
        &self,
        name: &str,
        one: impl Fn(&'_ Value, At<'_>) -> Result<T, SpecError>,
    ) -> Result<Vec<T>, SpecError> {
        let (value, at) = (self.required(name)?, self.at.field(name));
        let Value::Array(list) = value else {
            return Err(SpecError::new(&at, shown(value), "is no list: it must be one"));
        };
        list.iter().enumerate().map(|(index, value)| one(value, at.item(index))).collect()
    }

    /// Each item of a list which is not empty.
    pub(super) fn some<T>(
        &self,
        name: &str,
        one: impl Fn(&'_ Value, At<'_>) -> Result<T, SpecError>,
    ) -> Result<Vec<T>, SpecError> {
        let all = self.each(name, one)?;
        if all.is_empty() {
            let rule = format!("is empty: {name} must have at least one item");
            return Err(SpecError::new(&self.at.field(name), "the list", rule));
        }
        Ok(all)
    }

    /// Each item of a list which may be left out.
    pub(super) fn list_or_none<T>(
        &self,
        name: &str,
        one: impl Fn(&'_ Value, At<'_>) -> Result<T, SpecError>,
    ) -> Result<Vec<T>, SpecError> {
        if self.optional(name).is_none() { Ok(Vec::new()) } else { self.each(name, one) }
    }

    /// Each item of a list, which may be given as its only item.
    fn one_or_more<T>(
        &self,
        name: &str,
        one: impl Fn(&'_ Value, &At<'_>) -> Result<T, SpecError>,
    ) -> Result<Vec<T>, SpecError> {
        match self.required(name)? {
            Value::Array(_) => self.some(name, |value, at| one(value, &at)),
            single => one(single, &self.at.field(name)).map(|single| vec![single]),
        }
    }

    fn counted<T>(&self, name: &str, all: Vec<T>, expected: usize) -> Result<Vec<T>, SpecError> {
        if all.len() == expected { Ok(all) } else { Err(self.unfit(name, all.len(), expected)) }
    }

    fn unfit(&self, name: &str, found: usize, expected: usize) -> SpecError {
        let rule = format!("does not fit: {name} must have one item per axis, {expected}");
        SpecError::new(&self.at.field(name), format!("a list of {found}"), rule)
    }

    /// A number for each axis.
    pub(super) fn numbers(&self, name: &str, axes: usize) -> Result<Vec<f64>, SpecError> {
        self.counted(name, self.one_or_more(name, number)?, axes)
    }

    /// Two numbers.
    pub(super) fn pair(&self, name: &str) -> Result<[f64; 2], SpecError> {
        let all = self.one_or_more(name, number)?;
        all.try_into().map_err(|all: Vec<f64>| self.unfit(name, all.len(), 2))
    }

    /// A list of any number of numbers, but at least one.
    pub(super) fn all_numbers(&self, name: &str) -> Result<Vec<f64>, SpecError> {
        self.some(name, |value, at| number(value, &at))
    }

    /// A number under the name of an axis.
    pub(super) fn number_of(&self, name: &str, axis: &str) -> Result<f64, SpecError> {
        let at = self.at.field(name);
        match self.required(name)?.get(axis) {
            Some(value) => number(value, &at.field(axis)),
            None => Err(SpecError::new(&at.field(axis), short(axis), "is missing: it is required")),
        }
    }

    /// Names of axes, at least one and none twice.
    pub(super) fn axes(&self, name: &str) -> Result<Vec<String>, SpecError> {
        let axes = self.one_or_more(name, |value, at| match value {
            Value::String(text) if !text.is_empty() => Ok(text.clone()),
            other => {
                let rule = "is no axis: an axis is a text, not empty";
                Err(SpecError::new(at, shown(other), rule))
            }
        })?;
        let mut sorted: Vec<&String> = axes.iter().collect();
        sorted.sort_unstable();
        if let Some(twice) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            let value = shown(&Value::String(twice[0].clone()));
            return Err(SpecError::new(
                &self.at.field(name),
                value,
                "is there twice: once is enough",
            ));
        }
        Ok(axes)
    }

    /// The names of so many axes.
    pub(super) fn exactly<const N: usize>(&self, name: &str) -> Result<[String; N], SpecError> {
        self.axes(name)?.try_into().map_err(|axes: Vec<String>| {
            let value = format!("a list of {}", axes.len());
            let rule = format!("does not fit: there must be {N}");
            SpecError::new(&self.at.field(name), value, rule)
        })
    }

    /// A unit for each of the axes of a generator that has always as many.
    pub(super) fn exact_units<const N: usize>(&self) -> Result<[String; N], SpecError> {
        let units = self.units(N)?;
        units.try_into().map_err(|units: Vec<String>| self.unfit("units", units.len(), N))
    }

    /// A unit for each of so many axes.
    pub(super) fn units(&self, axes: usize) -> Result<Vec<String>, SpecError> {
        let mut units = self.one_or_more("units", |value, at| match value {
            Value::String(text) => Ok(text.clone()),
            other => Err(SpecError::new(at, shown(other), "is no unit: a unit is a text")),
        })?;
        if units.len() == 1 {
            units.resize(axes, units[0].clone());
        }
        self.counted("units", units, axes)
    }
}
