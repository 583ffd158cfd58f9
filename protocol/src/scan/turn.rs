//! Sine and cosine of many angles at once, since a spiral is made of little else: to 1e-16 or so, the
//! same for an angle alone and among others, several angles per instruction.
//!
//! The angle is brought into an eighth of a turn as fdlibm does it (`__ieee754_rem_pio2`: pi / 2 in
//! parts, of which a small multiple is exact), then its polynomials (`__kernel_sin`,
//! `__kernel_cos`) are taken.
use std::f64::consts::FRAC_2_PI;

/// Beyond it a multiple of the first part of pi / 2 is not exact.
const MAX_ANGLE: f64 = 1_048_576.0;
/// Pi / 2 in parts of 33 bits, and the rest.
const PARTS: [f64; 3] =
    [1.570_796_326_734_125_6, 6.077_100_506_303_966e-11, 2.022_266_248_795_950_6e-21];
/// Added to a number and taken away, it leaves a whole one, the last bits of which it shows.
const WHOLE: f64 = 6_755_399_441_055_744.0;
const SINE: [f64; 6] = [
    -1.666_666_666_666_663_2e-1,
    8.333_333_333_322_49e-3,
    -1.984_126_982_985_795e-4,
    2.755_731_370_707_006_8e-6,
    -2.505_076_025_340_686_3e-8,
    1.589_690_995_211_55e-10,
];
const COSINE: [f64; 6] = [
    4.166_666_666_666_66e-2,
    -1.388_888_888_887_411e-3,
    2.480_158_728_947_673e-5,
    -2.755_731_435_139_066_3e-7,
    2.087_572_321_298_175e-9,
    -1.135_964_755_778_819_5e-11,
];

/// Sine and cosine of an angle in radians.
pub(super) fn sin_cos(angle: f64) -> (f64, f64) {
    if angle.abs() < MAX_ANGLE { small(angle) } else { angle.sin_cos() }
}

/// Sine and cosine of every angle, bit for bit as [`sin_cos`] has them. All slices are as long.
pub(super) fn sin_cos_all(angles: &[f64], sines: &mut [f64], cosines: &mut [f64]) {
    let each = angles.iter().zip(sines).zip(cosines);
    if angles.iter().all(|angle| angle.abs() < MAX_ANGLE) {
        for ((angle, sine), cosine) in each {
            (*sine, *cosine) = small(*angle);
        }
    } else {
        for ((angle, sine), cosine) in each {
            (*sine, *cosine) = sin_cos(*angle);
        }
    }
}

/// Without a branch, so that a loop of it takes several angles at a time.
#[inline]
fn small(angle: f64) -> (f64, f64) {
    let shifted = angle * FRAC_2_PI + WHOLE;
    let (quarters, quadrant) = (shifted - WHOLE, shifted.to_bits());
    let rest = PARTS.iter().fold(angle, |rest, part| rest - quarters * part);
    let square = rest * rest;
    let series =
        |factors: &[f64; 6]| factors.iter().rev().fold(0.0, |sum, factor| sum * square + factor);
    let sine = rest + rest * square * series(&SINE);
    let cosine = 1.0 - (0.5 * square - square * square * series(&COSINE));
    // Odd quadrants swap the two; two quadrants make half a turn.
    let swap = 0_u64.wrapping_sub(quadrant & 1);
    let (sine, cosine) = (sine.to_bits(), cosine.to_bits());
    let sign = |quadrant: u64| (quadrant & 2) << 62;
    let turned_sine = ((sine & !swap) | (cosine & swap)) ^ sign(quadrant);
    let turned_cosine = ((cosine & !swap) | (sine & swap)) ^ sign(quadrant.wrapping_add(1));
    (f64::from_bits(turned_sine), f64::from_bits(turned_cosine))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::FRAC_PI_4;

    #[test]
    fn sine_and_cosine_are_those_of_the_library() {
        let near = |angle: f64| [angle.next_down(), angle, angle.next_up()];
        let eighths = (0..40_000).map(|eighths| f64::from(eighths) * FRAC_PI_4);
        let spread = (0..40_000).map(|n| (12.566 * f64::from(n) * f64::from(n)).sqrt() * 7.3);
        let ends = [0.0, MAX_ANGLE, 1e7, 3.4e8, 1e300];
        let angles: Vec<f64> = eighths.chain(spread).chain(ends).flat_map(near).collect();
        let angles: Vec<f64> = angles.iter().flat_map(|angle| [*angle, -angle]).collect();
        let (mut sines, mut cosines) = (vec![0.0; angles.len()], vec![0.0; angles.len()]);
        // In parts, of which some are within what is quick and others not.
        let parts = angles.chunks(1000).zip(sines.chunks_mut(1000)).zip(cosines.chunks_mut(1000));
        for ((angles, sines), cosines) in parts {
            sin_cos_all(angles, sines, cosines);
        }
        for (angle, together) in angles.iter().zip(sines.iter().zip(&cosines)) {
            let alone = sin_cos(*angle);
            assert_eq!(
                (alone.0.to_bits(), alone.1.to_bits()),
                (together.0.to_bits(), together.1.to_bits())
            );
            // Two roundings: that of the library, and ours.
            let (sine, cosine) = angle.sin_cos();
            assert!((alone.0 - sine).abs() <= 2.3e-16, "sine of {angle}: {} {sine}", alone.0);
            assert!((alone.1 - cosine).abs() <= 2.3e-16, "cosine of {angle}: {} {cosine}", alone.1);
        }
    }
}
