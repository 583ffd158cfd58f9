//! The published schema says of every type what the parser says: its fields, and which are required.
use bluefly_protocol::scan::{SCHEMA, Spec, SpecError};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

type Names = BTreeSet<String>;
/// Puts an object where it stands in a whole specification.
type Within = fn(&Value) -> Value;
/// The definition that lists types, their key, and where such an object stands.
type Family = (&'static str, &'static str, Within);

fn names<'a>(names: impl IntoIterator<Item = &'a str>) -> Names {
    names.into_iter().map(str::to_owned).collect()
}

/// One type of node, region, generator or the like.
struct Type {
    /// The key that tells types apart, and its value.
    key: &'static str,
    kind: String,
    definition: Value,
    /// The same in a whole specification.
    within: Within,
}

impl Type {
    /// The specification that the schema gives as an example.
    fn example(&self) -> Map<String, Value> {
        self.definition["examples"][0].as_object().expect("an example").clone()
    }

    fn properties(&self) -> Names {
        let properties = self.definition["properties"].as_object().expect("properties");
        properties.keys().filter(|name| *name != self.key).cloned().collect()
    }

    /// What the schema demands, be it by itself or as one of several.
    fn required(&self) -> Names {
        let alternatives = self.definition["oneOf"].as_array().into_iter().flatten();
        let all = alternatives.map(|one| &one["required"]).chain([&self.definition["required"]]);
        all.flat_map(|list| list.as_array().expect("a list"))
            .map(|name| name.as_str().expect("a name").to_owned())
            .collect()
    }

    fn parsed(&self, fields: Map<String, Value>) -> Result<Spec, SpecError> {
        Spec::from_value(&(self.within)(&Value::Object(fields)))
    }
}

fn definitions() -> Map<String, Value> {
    let schema: Value = SCHEMA.parse().expect("the schema is JSON");
    schema["$defs"].as_object().expect("definitions").clone()
}

fn mask(region: &Value) -> Value {
    let line = |axis| json!({"type": "Linspace", "axis": axis, "start": 0, "stop": 1, "num": 5});
    let grid = json!({"type": "Product", "outer": line("y"), "inner": line("x")});
    json!({"type": "Mask", "spec": grid, "region": region})
}

fn compound(key: &str, value: &Value) -> Value {
    let definitions = definitions();
    let mut compound = definitions["CompoundGenerator"]["examples"][0].clone();
    compound[key] = json!([value]);
    compound
}

fn roi(roi: &Value) -> Value {
    let mut excluder = definitions()["ROIExcluder"]["examples"][0].clone();
    excluder["rois"] = json!([roi]);
    compound("excluders", &excluder)
}

const FAMILIES: &[Family] = &[
    ("Spec", "type", Value::clone),
    ("Region", "type", mask),
    ("Generator", "typeid", |generator| compound("generators", generator)),
    ("Excluder", "typeid", |excluder| compound("excluders", excluder)),
    ("ROI", "typeid", roi),
    ("Mutator", "typeid", |mutator| compound("mutators", mutator)),
];

/// Every type that has fields of its own.
fn types() -> Vec<Type> {
    let definitions = definitions();
    let mut types = Vec::new();
    for (name, definition) in &definitions {
        for key in ["type", "typeid"] {
            let Some(kind) = definition["properties"][key]["const"].as_str() else { continue };
            let is_listed = |family: &&Family| {
                let reference = json!(format!("#/$defs/{name}"));
                let listed = definitions[family.0]["allOf"].as_array().expect("a list");
                listed.iter().any(|one| {
                    let then = &one["then"];
                    [&then["$ref"], &then["then"]["$ref"], &then["else"]["$ref"]]
                        .contains(&&reference)
                })
            };
            let family = FAMILIES.iter().find(is_listed);
            let within = family.map_or(Value::clone as Within, |(_, _, within)| *within);
            let (kind, definition) = (kind.to_owned(), definition.clone());
            types.push(Type { key, kind, definition, within });
        }
    }
    types
}

#[test]
fn the_schema_lists_the_types_that_the_parser_knows() {
    for (family, key, within) in FAMILIES {
        let listed = &definitions()[*family]["properties"][key]["enum"];
        let short = |kind: &str| kind.rsplit('/').next().expect("a name").replace(":1.0", "");
        let listed = listed.as_array().expect("a list").iter().filter_map(Value::as_str);
        let listed: Names = listed.map(short).collect();
        let error = Spec::from_value(&within(&json!({*key: "?"}))).expect_err(family);
        let known = error.rule.rsplit_once("one of ").or(error.rule.rsplit_once("with TYPE "));
        let known = names(known.unwrap_or_else(|| panic!("{error}")).1.split(", "));
        assert_eq!(listed, known, "{family}");
    }
}

#[test]
fn each_type_has_the_fields_that_the_parser_knows() {
    let types = types();
    assert!(types.len() > 30, "{} types", types.len());
    for one in &types {
        let kind = &one.kind;
        let mut fields = one.example();
        if let Err(error) = one.parsed(fields.clone()) {
            panic!("{kind}: the example is refused: {error}");
        }
        fields.insert("no_such_field".to_owned(), json!(1));
        let error = one.parsed(fields).expect_err(kind);
        let known = error.rule.split(" has the fields ").nth(1);
        let known = known.unwrap_or_else(|| panic!("{kind}: {error}"));
        let mut known = names(known.split(", "));
        known.remove(one.key);
        assert_eq!(one.properties(), known, "{kind}");
    }
}

#[test]
fn each_type_requires_what_the_parser_requires() {
    for one in &types() {
        for name in one.properties() {
            let mut fields = one.example();
            if fields.remove(&name).is_none() {
                continue;
            }
            let expected = one.required().contains(&name);
            let missing = match one.parsed(fields) {
                Ok(_) => false,
                Err(error) => {
                    assert!(error.rule.starts_with("is missing"), "{} {name}: {error}", one.kind);
                    true
                }
            };
            assert_eq!(missing, expected, "{name} of {}", one.kind);
        }
    }
}
