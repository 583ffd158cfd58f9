//! The tree of actors.
use super::table::{Align, table};
use crate::cli::text::one_line;
use bluefly_actors::supervise::{Snapshot, State};
use bluefly_protocol::api::TreeEvent;

/// The tree, with the state of each actor.
pub(in super::super) fn tree(root: &Snapshot) -> String {
    let mut rows = vec![];
    collect(root, "", "", &mut rows);
    let header = [
        ("ACTOR", Align::Left),
        ("STATE", Align::Left),
        ("INCARNATION", Align::Right),
        ("RESTARTS", Align::Right),
        ("LAST EXIT", Align::Left),
    ];
    table(header, rows)
}

/// The rows of `node` and of all beneath it. `branch` stands before its name, `stem` before those of
/// its children.
fn collect(node: &Snapshot, branch: &str, stem: &str, rows: &mut Vec<[String; 5]>) {
    rows.push([
        format!("{branch}{}", node.id),
        state(node.state).to_owned(),
        node.incarnation.to_string(),
        node.restarts.to_string(),
        node.last_exit.as_ref().map_or_else(|| "-".to_owned(), |exit| one_line(&exit.to_string())),
    ]);
    let last = node.children.len().saturating_sub(1);
    for (index, child) in node.children.iter().enumerate() {
        let (fork, line) =
            if index == last { ("└── ", "    ") } else { ("├── ", "│   ") };
        collect(child, &format!("{stem}{fork}"), &format!("{stem}{line}"), rows);
    }
}

const fn state(state: State) -> &'static str {
    match state {
        State::Down => "down",
        State::Starting => "starting",
        State::Up => "up",
        State::Backoff => "backoff",
        State::Stopping => "stopping",
    }
}

/// What happened to an actor, in one line.
pub(in super::super) fn happened(event: &TreeEvent) -> String {
    match event {
        TreeEvent::Up { id, incarnation } => format!("{id}: up, incarnation {incarnation}"),
        TreeEvent::Down { id, incarnation, exit } => {
            format!("{id}: incarnation {incarnation} ended: {}", one_line(exit))
        }
        TreeEvent::Escalated { id, exit } => {
            format!("{id}: out of restarts, its children are stopped: {}", one_line(exit))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn node(id: &str, children: &[Value]) -> Value {
        json!({
            "id": id, "state": "up", "incarnation": 1, "restarts": 0, "last_exit": null,
            "polls": 4, "busy_us": 9, "children": children,
        })
    }

    #[test]
    fn a_tree_is_drawn_with_what_each_actor_went_through() {
        let mut camera = node("devices/camera", &[]);
        camera["incarnation"] = json!(12);
        camera["restarts"] = json!(11);
        camera["state"] = json!("backoff");
        camera["last_exit"] = json!({"panicked": "index 7 is out of range\n  at detector.rs:3"});
        let devices = node("devices", &[camera, node("devices/x", &[])]);
        let scan = node("scan", &[node("scan/coordinator", &[])]);
        let root = node("root", &[node("storage", &[]), devices, scan]);
        let expected = "\
ACTOR                     STATE    INCARNATION  RESTARTS  LAST EXIT
root                      up                 1         0  -
├── storage               up                 1         0  -
├── devices               up                 1         0  -
│   ├── devices/camera    backoff           12        11  panicked: index 7 is out of range at detector.rs:3
│   └── devices/x         up                 1         0  -
└── scan                  up                 1         0  -
    └── scan/coordinator  up                 1         0  -
";
        assert_eq!(tree(&serde_json::from_value(root).expect("a snapshot")), expected);
    }

    #[test]
    fn what_happened_is_told_in_a_line() {
        let check = |event: TreeEvent, expected: &str| assert_eq!(happened(&event), expected);
        let id = || "camera".to_owned();
        check(TreeEvent::Up { id: id(), incarnation: 2 }, "camera: up, incarnation 2");
        check(
            TreeEvent::Down { id: id(), incarnation: 1, exit: "panicked: a\nb".into() },
            "camera: incarnation 1 ended: panicked: a b",
        );
        check(
            TreeEvent::Escalated { id: id(), exit: "camera: failed: gone".into() },
            "camera: out of restarts, its children are stopped: camera: failed: gone",
        );
    }
}
