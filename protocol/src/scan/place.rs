//! Where in a specification something is said, as a JSON path: for errors that are found later.
use super::{
    Spec,
    spec::{Form, Node, Side},
};

impl Spec {
    /// Path of the first node that moves `axis`, as far as its field: `$.inner.axis`; `$` if none
    /// does.
    pub fn axis_path(&self, axis: &str) -> String {
        let found = match &self.0 {
            Form::Tree(node) => find(node, "$", &|node| axis_field(node, axis)),
            Form::Compound(compound) => compound.axis_path(axis),
        };
        found.unwrap_or_else(|| "$".to_owned())
    }

    /// The units in which the positions of `axis` are given, where the specification says it:
    /// scanpointgenerator's does.
    pub fn units(&self, axis: &str) -> Option<&str> {
        match &self.0 {
            Form::Tree(_) => None,
            Form::Compound(compound) => compound.units(axis),
        }
    }

    /// Path of the first field that says how long a frame takes; `$` if none does.
    pub fn duration_path(&self) -> String {
        let duration = |node: &Node| {
            matches!(node, Node::ConstantDuration { .. }).then_some("constant_duration")
        };
        let found = match &self.0 {
            Form::Tree(node) => find(node, "$", &duration),
            Form::Compound(_) => Some("$.duration".to_owned()),
        };
        found.unwrap_or_else(|| "$".to_owned())
    }
}

fn axis_field(node: &Node, wanted: &str) -> Option<&'static str> {
    let pair = |x: &String, y: &String| match (x == wanted, y == wanted) {
        (true, _) => Some("x_axis"),
        (_, true) => Some("y_axis"),
        _ => None,
    };
    match node {
        Node::Linspace { axis, .. }
        | Node::Line { axis, .. }
        | Node::Range { axis, .. }
        | Node::Static { axis, .. } => (axis == wanted).then_some("axis"),
        Node::Spiral(spiral) => pair(&spiral.x_axis, &spiral.y_axis),
        Node::CountedSpiral(spiral) => pair(&spiral.x_axis, &spiral.y_axis),
        Node::Ellipse(ellipse) => pair(&ellipse.x_axis, &ellipse.y_axis),
        Node::Polygon(polygon) => pair(&polygon.x_axis, &polygon.y_axis),
        Node::Product { .. }
        | Node::Zip { .. }
        | Node::Snake { .. }
        | Node::Concat { .. }
        | Node::Squash { .. }
        | Node::Fly { .. }
        | Node::Mask { .. }
        | Node::ConstantDuration { .. } => None,
    }
}

/// Depth first, left to right; the depth of a specification is bounded where it is read.
fn find(node: &Node, path: &str, field: &dyn Fn(&Node) -> Option<&'static str>) -> Option<String> {
    if let Some(field) = field(node) {
        return Some(format!("{path}.{field}"));
    }
    let below = |name: &str, node: &Node| find(node, &format!("{path}.{name}"), field);
    let side = |name: &str, side: &Side| match side {
        Side::Spec(spec) => below(name, spec),
        Side::Times(_) => None,
    };
    match node {
        Node::Product { outer, inner, .. } => side("outer", outer).or_else(|| side("inner", inner)),
        Node::Zip { left, right } | Node::Concat { left, right, .. } => {
            below("left", left).or_else(|| below("right", right))
        }
        Node::Snake { spec }
        | Node::Squash { spec, .. }
        | Node::Fly { spec }
        | Node::Mask { spec, .. } => below("spec", spec),
        Node::ConstantDuration { spec, .. } => spec.as_ref().and_then(|spec| below("spec", spec)),
        Node::Linspace { .. }
        | Node::Line { .. }
        | Node::Range { .. }
        | Node::Static { .. }
        | Node::Spiral(_)
        | Node::CountedSpiral(_)
        | Node::Ellipse(_)
        | Node::Polygon(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(spec: &str, axis: &str, expected: &str) {
        assert_eq!(spec.parse::<Spec>().expect("a valid spec").axis_path(axis), expected);
    }

    #[test]
    fn an_axis_is_found_where_it_is_named() {
        let line = r#"{"type":"Linspace","axis":"x","start":0,"stop":1,"num":2}"#;
        let row = r#"{"type":"Linspace","axis":"y","start":0,"stop":1,"num":2}"#;
        let grid = format!(
            r#"{{"type":"Fly","spec":{{"type":"Product","outer":{row},"inner":{{"type":"Snake","spec":{line}}}}}}}"#
        );
        check(line, "x", "$.axis");
        check(&grid, "x", "$.spec.inner.spec.axis");
        check(&grid, "y", "$.spec.outer.axis");
        check(&grid, "z", "$");
    }

    #[test]
    fn a_duration_is_found_where_it_is_said() {
        let timed = r#"{"type":"Fly","spec":{"type":"ConstantDuration","constant_duration":0.1,"spec":null}}"#;
        let spec: Spec = timed.parse().expect("a valid spec");
        assert_eq!(spec.duration_path(), "$.spec.constant_duration");
    }
}
