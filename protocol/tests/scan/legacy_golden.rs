//! Frames computed by scanspec 0.9, number by number: bit for bit where it does not depend on the
//! sine of a library, and wrong specifications refused where scanspec refuses them.
use crate::golden::{check_all_frames, check_refused, check_written, files_of};

fn files() -> Vec<(String, String)> {
    files_of("scanspec_legacy09")
}

#[test]
fn frames_are_those_of_scanspec() {
    assert_eq!(check_all_frames(files()), 19);
}

#[test]
fn a_specification_is_written_as_scanspec_writes_it() {
    assert_eq!(check_written(files()), 19);
}

#[test]
fn what_scanspec_refuses_is_refused_by_name() {
    check_refused(files(), ERRORS);
}

/// Each refused file, and the line that we print for it.
const ERRORS: &[(&str, &str)] = &[
    ("019", "$.region.axis: \"z\" is no axis of what is masked: it has [x, y]"),
    ("020", "$.region.radius: -1 is not greater than 0: radius must be greater than 0"),
    ("021", "$.region.x_verts: a list of 2 is too short: a polygon has at least 3 vertices"),
    (
        "022",
        "$.inner: [x] would jump: what snakes within a squash must run an even number of times, or check_path_changes be false",
    ),
];
