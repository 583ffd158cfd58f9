//! [`Picture`]: what a detector sees, so that a reader can tell every frame from every other.
use bluefly_actors::logic::detector::Dtype;

/// The pixels of a detector in a beam whose brightness depends on where the axes are.
///
/// Only additions, multiplications and divisions are used: the same bits on every machine.
#[derive(Debug)]
pub(crate) struct Picture {
    /// The profile of the beam, 0 to 1.
    profile: Vec<f64>,
    /// The largest value of a pixel.
    largest: f64,
}

impl Picture {
    pub(crate) fn new([rows, columns]: [usize; 2], dtype: Dtype) -> Self {
        let offset = |i: usize, length: usize| {
            let half = length as f64 / 2.0;
            (i as f64 + 0.5 - half) / half
        };
        let profile = (0..rows)
            .flat_map(|row| (0..columns).map(move |column| (row, column)))
            .map(|(row, column)| {
                let (y, x) = (offset(row, rows), offset(column, columns));
                1.0 / (1.0 + 4.0 * (x * x + y * y))
            })
            .collect();
        Self { profile, largest: f64::from(largest(dtype)) }
    }

    /// The pixels of the frame at `index`, line by line. The first is the index, modulo 65,536 or
    /// as far as the type of a pixel goes; the others are the beam, brightest with all axes at zero.
    pub(crate) fn expose(&self, index: u64, positions: &[f64]) -> Vec<u16> {
        let square: f64 = positions.iter().map(|position| position * position).sum();
        let brightness = self.largest / (1.0 + square / 16.0);
        let mut pixels: Vec<u16> =
            self.profile.iter().map(|profile| (profile * brightness) as u16).collect();
        if let Some(first) = pixels.first_mut() {
            *first = (index % (self.largest as u64 + 1)) as u16;
        }
        pixels
    }
}

const fn largest(dtype: Dtype) -> u16 {
    match dtype {
        Dtype::Int8 => 127,
        Dtype::UInt8 => 255,
        Dtype::Int16 => 32_767,
        Dtype::UInt16
        | Dtype::Int32
        | Dtype::UInt32
        | Dtype::Int64
        | Dtype::UInt64
        | Dtype::Float32
        | Dtype::Float64 => 65_535,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(dtype: Dtype, index: u64, position: f64, expected: [u16; 4]) {
        assert_eq!(Picture::new([2, 2], dtype).expose(index, &[position]), expected);
    }

    #[test]
    fn the_first_pixel_is_the_index_and_the_rest_depend_on_positions() {
        check(Dtype::UInt16, 0, 0.0, [0, 21_845, 21_845, 21_845]);
        check(Dtype::UInt16, 65_537, 4.0, [1, 10_922, 10_922, 10_922]);
        check(Dtype::UInt8, 257, -4.0, [1, 42, 42, 42]);
        check(Dtype::Int8, 128, 0.0, [0, 42, 42, 42]);
        check(Dtype::Float64, 7, 0.0, [7, 21_845, 21_845, 21_845]);
    }
}
