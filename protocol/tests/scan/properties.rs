//! What holds for every specification: random ones, and all of the golden files.
use bluefly_protocol::scan::{Curved, Frames, Motion, Path, Spec, Stack, Window};
use serde_json::{Value, json};

/// Random numbers which the seed alone determines (a linear congruential generator).
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    pub(crate) fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.roll(choices.len() as u64) as usize]
    }

    pub(crate) fn chance(&mut self) -> bool {
        self.roll(2) == 0
    }
}

fn leaf(dice: &mut Dice, free: &mut Vec<&'static str>) -> Value {
    let Some(axis) = free.pop() else {
        return json!({"type": "ConstantDuration", "constant_duration": 0.5});
    };
    let start = dice.of(&[0.0, 1.0, -1.5, 0.1, 1.0 / 3.0]);
    let stop = dice.of(&[0.0, 1.0, 2.5, -2.0, 0.7]);
    let num = 1 + dice.roll(5);
    match dice.roll(8) {
        0..4 => json!({"type": "Linspace", "axis": axis, "start": start, "stop": stop, "num": num}),
        4 => json!({"type": "Static", "axis": axis, "value": start, "num": num}),
        5 => json!({"type": "Range", "axis": axis, "start": start, "stop": stop, "step": 0.3}),
        kind => {
            let Some(other) = free.pop() else {
                return json!({"type": "Static", "axis": axis, "value": start});
            };
            if kind == 6 {
                return json!({"type": "Spiral", "x_axis": axis, "x_centre": start,
                    "x_diameter": 2.0, "x_step": 0.7, "y_axis": other, "y_centre": stop});
            }
            json!({"type": "Ellipse", "x_axis": axis, "x_centre": start, "x_diameter": 3.0,
                "x_step": 0.5, "y_axis": other, "y_centre": stop, "snake": dice.chance(),
                "vertical": dice.chance()})
        }
    }
}

fn node(dice: &mut Dice, depth: u64, axes: &mut Vec<&'static str>) -> Value {
    let kind = if depth == 0 { 99 } else { dice.roll(12) };
    if kind > 10 {
        return leaf(dice, axes);
    }
    let spec = node(dice, depth - 1, axes);
    let (gap, check) = (dice.chance(), dice.chance());
    match kind {
        0..3 => {
            let inner = node(dice, depth - 1, axes);
            json!({"type": "Product", "outer": spec, "inner": inner, "gap": gap})
        }
        3 => json!({"type": "Product", "outer": dice.roll(4), "inner": spec, "gap": gap}),
        4 => json!({"type": "Product", "outer": spec, "inner": 1 + dice.roll(3)}),
        5 | 6 => json!({"type": "Snake", "spec": spec}),
        7 => json!({"type": "Squash", "spec": spec, "check_path_changes": check}),
        8 => json!({"type": "Fly", "spec": spec}),
        9 => {
            let mut right = spec.clone();
            if let Some(stop) = right.get_mut("stop") {
                *stop = json!(1.25);
            }
            json!({"type": "Concat", "left": spec, "right": right, "gap": gap,
                "check_path_changes": check})
        }
        _ => {
            let right = leaf(dice, axes);
            json!({"type": "Zip", "left": spec, "right": right})
        }
    }
}

/// The stack of a random specification, if it is one that is not refused.
fn random(seed: u64) -> Option<(Value, Stack)> {
    let mut dice = Dice(seed);
    if seed.is_multiple_of(3) {
        let spec = crate::compounds::random(&mut dice);
        let stack = Stack::new(&Spec::from_value(&spec).ok()?).ok()?;
        return (stack.num_points() < 5_000).then_some((spec, stack));
    }
    let mut axes = vec!["a", "b", "c", "d", "e", "f", "g", "h"];
    let depth = 1 + dice.roll(4);
    let mut spec = node(&mut dice, depth, &mut axes);
    if dice.chance() {
        spec = json!({"type": "ConstantDuration", "constant_duration": 0.1, "spec": spec});
    }
    if dice.chance() {
        spec = json!({"type": "Fly", "spec": spec});
    }
    let stack = Stack::new(&Spec::from_value(&spec).ok()?).ok()?;
    (stack.num_points() < 5_000).then_some((spec, stack))
}

/// Runs a check on random specifications and on those of the golden files.
fn each(check: impl Fn(&Stack, &mut Dice)) {
    let mut checked = 0;
    for seed in 0..2_200 {
        if let Some((spec, stack)) = random(seed) {
            println!("seed {seed}: {spec}");
            check(&stack, &mut Dice(seed));
            checked += 1;
        }
    }
    assert!(checked > 700, "only {checked} specifications were not refused");
    for (name, text) in crate::golden::files() {
        let golden: Value = serde_json::from_str(&text).expect("JSON");
        if golden["frames"].is_null() {
            continue;
        }
        println!("{name}");
        check(
            &Stack::new(&Spec::from_value(&golden["spec"]).expect(&name)).expect(&name),
            &mut Dice(7),
        );
    }
    for (name, golden) in crate::compound_golden::files() {
        if golden["points"].is_null() {
            continue;
        }
        println!("{name}");
        let spec = Spec::from_value(&golden["generator"]).expect(&name);
        check(&Stack::new(&spec).expect(&name), &mut Dice(7));
    }
}

fn assert_part(whole: &Frames, part: &Frames) {
    let from = (part.start() - whole.start()) as usize;
    let rows = from..from + part.len();
    for axis in 0..whole.axes().len() {
        assert_eq!(whole.midpoints()[axis][rows.clone()], part.midpoints()[axis]);
        assert_eq!(whole.lower()[axis][rows.clone()], part.lower()[axis]);
        assert_eq!(whole.upper()[axis][rows.clone()], part.upper()[axis]);
    }
    assert_eq!(&whole.gap()[rows.clone()], part.gap());
    assert_eq!(whole.duration_s().map(|all| &all[rows]), part.duration_s());
}

#[test]
fn frames_in_chunks_are_the_frames_at_once() {
    each(|stack, dice| {
        let num = stack.num_points();
        let whole = stack.frames(0..num);
        assert_eq!(whole.len() as u64, num);
        let mut part = Frames::default();
        let mut next = 0;
        while next < num {
            let end = next + 1 + dice.roll(num.min(17) + 3);
            stack.fill(next..end, &mut part);
            assert_eq!(part.len() as u64, end.min(num) - next);
            assert_part(&whole, &part);
            next = end;
        }
        let tail = dice.roll(num + 1);
        assert_part(&whole, &stack.frames(tail..u64::MAX));
        assert!(stack.frames(num + 3..num + 5).is_empty());
    });
}

#[test]
fn neighbours_without_a_gap_share_their_bound() {
    each(|stack, _| {
        let frames = stack.frames(0..stack.num_points());
        for frame in 1..frames.len() {
            let meets = (0..frames.axes().len())
                .all(|axis| frames.upper()[axis][frame - 1] == frames.lower()[axis][frame]);
            assert!(meets || frames.gap()[frame], "frame {frame} starts elsewhere without a gap");
        }
    });
}

fn assert_curve(frames: &Frames, (first, last): (usize, usize), axis: usize, curve: &Curved) {
    let points = curve.by_axis(frames.axes().len()).nth(axis).expect("an axis");
    let mut expected = vec![frames.lower()[axis][first]];
    for frame in first..=last {
        expected.extend([frames.midpoints()[axis][frame], frames.upper()[axis][frame]]);
    }
    assert_eq!(points, expected);
    if let Some(next) = &curve.next_midpoint {
        assert_eq!(next[axis], frames.midpoints()[axis][last + 1]);
        assert!(!frames.gap()[last + 1]);
    }
}

fn assert_piece(frames: &Frames, piece: &bluefly_protocol::scan::Piece, entered: bool) {
    let first = piece.first_frame as usize;
    let last = first + piece.frames as usize - 1;
    assert_eq!(piece.gap, entered || frames.gap()[first]);
    assert!(!frames.gap()[first + 1..=last].contains(&true), "a gap within {piece:?}");
    for frame in first..=last {
        assert_eq!(piece.frame_duration_s, frames.duration_s().map(|all| all[frame]));
    }
    for axis in 0..frames.axes().len() {
        let (start, end) = (piece.start[axis], piece.end[axis]);
        assert_eq!(start, frames.lower()[axis][first]);
        assert_eq!(end, frames.upper()[axis][last]);
        let curve = match &piece.path {
            Path::Straight => None,
            Path::Curved(curve) => Some(curve),
        };
        if let Some(curve) = curve {
            assert_curve(frames, (first, last), axis, curve);
            continue;
        }
        for frame in first..=last {
            let way = |passed: f64| start + (end - start) * passed / piece.frames as f64;
            let passed = (frame - first) as f64;
            assert!((way(passed) - frames.lower()[axis][frame]).abs() < 1e-12, "bent: {piece:?}");
            assert!((way(passed + 1.0) - frames.upper()[axis][frame]).abs() < 1e-12);
        }
    }
}

#[test]
fn pieces_are_the_frames_wherever_the_scan_is_entered() {
    each(|stack, dice| {
        let num = stack.num_points();
        let frames = stack.frames(0..num);
        for from in [0, dice.roll(num + 1), num.saturating_sub(1), num] {
            let mut next = from;
            for piece in stack.pieces(from) {
                assert_eq!(piece.first_frame, next);
                assert_piece(&frames, &piece, next == from);
                next += piece.frames;
            }
            assert_eq!(next, num);
        }
    });
}

fn check_pieces(spec: &Value, expected: &[(u64, bool)]) {
    let stack = Stack::new(&Spec::from_value(spec).expect("a specification")).expect("a stack");
    let pieces: Vec<(u64, bool)> =
        stack.pieces(0).map(|piece| (piece.frames, piece.gap)).take(expected.len() + 1).collect();
    assert_eq!(pieces, expected, "{spec}");
}

#[test]
fn pieces_are_as_long_as_rows_and_repeats() {
    let x = json!({"type": "Linspace", "axis": "x", "start": 0, "stop": 2, "num": 4});
    let y = json!({"type": "Linspace", "axis": "y", "start": 0, "stop": 1, "num": 3});
    let still = json!({"type": "Static", "axis": "y", "value": 1, "num": 5});
    let fly = |spec: &Value| json!({"type": "Fly", "spec": spec});
    let product = |outer: &Value, inner: &Value| json!({"type": "Product", "outer": outer, "inner": inner, "gap": false});
    let snaked = json!({"type": "Snake", "spec": x});
    let squashed = json!({"type": "Squash", "spec": product(&y, &snaked)});
    check_pieces(&fly(&x), &[(4, true)]);
    check_pieces(&x, &[(1, true); 4]);
    check_pieces(&still, &[(5, true)]);
    check_pieces(&fly(&product(&y, &snaked)), &[(4, true); 3]);
    check_pieces(&fly(&squashed), &[(4, true); 3]);
    check_pieces(&product(&x, &json!(7)), &[(7, true); 4]);
    check_pieces(&product(&json!(2), &json!(7)), &[(14, true)]);
    check_pieces(&fly(&product(&json!(3), &snaked)), &[(4, true), (4, false), (4, false)]);
    // An outer axis that flies must go back for every further frame of the inner one.
    let (back, on) = ((1, true), (1, false));
    check_pieces(&product(&fly(&x), &json!(2)), &[back, back, on, back, on, back, on, back]);
}

/// Velocities at the lower and upper bound of a frame, in EGU per frame: those of the parabola
/// through its three points.
fn velocities(frames: &Frames, axis: usize, frame: usize) -> [f64; 2] {
    let (lower, upper) = (frames.lower()[axis][frame], frames.upper()[axis][frame]);
    let midpoint = frames.midpoints()[axis][frame];
    let way = upper - lower;
    [4.0 * (midpoint - lower) - way, 4.0 * (upper - midpoint) - way]
}

/// Whether two velocities differ by more than a share of them, and than positions are rounded.
fn differ(frames: &Frames, (axis, frame): (usize, usize), (one, other): (f64, f64)) -> bool {
    let rounding = 1e-14 * (frames.lower()[axis][frame].abs() + frames.upper()[axis][frame].abs());
    (one - other).abs() > 1e-6 * one.abs().max(other.abs()) + 10.0 * rounding
}

/// Whether motion must stop before a frame whatever the velocities.
fn stops(frames: &Frames, frame: usize) -> bool {
    frames.gap()[frame] || frames.duration_s().is_some_and(|all| all[frame - 1] != all[frame])
}

/// Whether motion goes on into a frame, at the velocity of the frame before.
fn goes_on(frames: &Frames, frame: usize) -> bool {
    let smooth = |axis: usize| {
        let exit = velocities(frames, axis, frame - 1)[1];
        !differ(frames, (axis, frame), (exit, velocities(frames, axis, frame)[0]))
    };
    !stops(frames, frame) && (0..frames.axes().len()).all(smooth)
}

fn assert_motion(frames: &Frames, window: &Window, (first, last): (usize, usize)) {
    let each =
        || (first..=last).flat_map(|frame| (0..frames.axes().len()).map(move |axis| (axis, frame)));
    // Out and back within a frame, it stands nowhere though its bounds are equal.
    let moves = each().any(|(axis, frame)| {
        let midpoint = frames.midpoints()[axis][frame];
        frames.lower()[axis][frame] != midpoint || frames.upper()[axis][frame] != midpoint
    });
    let bends = each().any(|(axis, frame)| {
        let start = velocities(frames, axis, first)[0];
        velocities(frames, axis, frame)
            .into_iter()
            .any(|one| differ(frames, (axis, frame), (start, one)))
    });
    match window.motion {
        Motion::Still => assert!(!moves, "moves: {window:?}"),
        Motion::Straight => assert!(moves && !bends, "bends, or stands: {window:?}"),
        // A curve may look like a line from the frame on at which it is entered.
        Motion::Curved => assert!(moves, "stands: {window:?}"),
    }
}

fn assert_window(frames: &Frames, window: &Window) {
    let first = window.first_frame as usize;
    let last = first + window.frames as usize - 1;
    // Velocities within a curve are known but roughly; those of a line, see its motion.
    for frame in first + 1..=last {
        assert!(!stops(frames, frame), "stops before frame {frame} within {window:?}");
    }
    // A window is cut after so many rows, each of which has a frame at least.
    if last + 1 < frames.len() && window.frames < 1_024 {
        assert!(!goes_on(frames, last + 1), "goes on after {window:?}");
    }
    for axis in 0..frames.axes().len() {
        assert_eq!(window.start[axis], frames.lower()[axis][first]);
        assert_eq!(window.end[axis], frames.upper()[axis][last]);
    }
    assert_motion(frames, window, (first, last));
    let said = frames.duration_s().map(|all| all[first]);
    assert_eq!(window.timing.as_ref().map(|timing| timing.frame_s), said);
    let Some(timing) = &window.timing else { return };
    assert_eq!(timing.window_s, timing.frame_s * window.frames as f64);
    for axis in 0..frames.axes().len() {
        let per_s = |egu_per_frame: f64| egu_per_frame / timing.frame_s;
        assert_eq!(timing.entry[axis], per_s(velocities(frames, axis, first)[0]));
        assert_eq!(timing.exit[axis], per_s(velocities(frames, axis, last)[1]));
    }
}

/// As long as nothing stops, and no longer.
#[test]
fn windows_are_the_frames_wherever_the_scan_is_entered() {
    each(|stack, dice| {
        let num = stack.num_points();
        let frames = stack.frames(0..num);
        for from in [0, dice.roll(num + 1)] {
            let mut next = from;
            for window in stack.windows(from) {
                assert_eq!(window.first_frame, next);
                assert_eq!(window.gap, next == from || frames.gap()[next as usize]);
                assert_window(&frames, &window);
                next += window.frames;
            }
            assert_eq!(next, num);
        }
    });
}
