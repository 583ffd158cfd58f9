//! [`Offset`]: a random offset which depends on the index of a frame alone.
use super::{columns::Frame, curve::Motion};

/// The random offset of one axis. The same seed gives the same offsets, whatever else is in the scan.
///
/// The random numbers are those of scanpointgenerator: Robert Jenkins' hash with 32 bits of the index,
/// the seed and the first letter of the axis. They repeat after 2^28 frames, and of the seed the
/// lowest 20 bits count.
#[derive(Clone, Copy, Debug)]
pub(super) struct Offset {
    /// Index of the axis in the stack.
    pub(super) axis: usize,
    /// First letter of the name of the axis.
    pub(super) letter: u32,
    pub(super) seed: i64,
    /// Largest offset to either side, in EGU.
    pub(super) max: f64,
}

impl Offset {
    /// The frame with its offset: the bounds go by the mean of the offsets on both sides of them, so
    /// that those of neighbours which met meet again.
    pub(super) fn moved(self, frame: u64, motion: Motion, place: Frame) -> Frame {
        let own = self.at(frame);
        match motion {
            Motion::Step => Frame::still(place.midpoint + own),
            Motion::Fly => Frame {
                midpoint: place.midpoint + own,
                lower: place.lower + f64::midpoint(self.at(frame.wrapping_sub(1)), own),
                upper: place.upper + f64::midpoint(self.at(frame + 1), own),
            },
        }
    }

    fn at(self, frame: u64) -> f64 {
        // Only the lowest 32 bits have a part in the hash.
        let mut hash = ((frame as u32) << 4).wrapping_add(self.letter);
        hash ^= (self.seed as u32) << 12;
        hash = hash.wrapping_add(0x7ED5_5D16).wrapping_add(hash << 12);
        hash = (hash ^ 0xC761_C23C) ^ (hash >> 19);
        hash = hash.wrapping_add(0x1656_67B1).wrapping_add(hash << 5);
        hash = hash.wrapping_add(0xD3A2_646C) ^ (hash << 9);
        hash = hash.wrapping_add(0xFD70_46C5).wrapping_add(hash << 3);
        hash = (hash ^ 0xB55A_4F09) ^ (hash >> 16);
        let share = f64::from(hash as f32) / f64::from(u32::MAX);
        self.max * (share * 2.0 - 1.0)
    }
}
