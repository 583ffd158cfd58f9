//! From rows to columns in engineering units, as the server itself would scale them.
//!
//! | captured | column |
//! | --- | --- |
//! | Value, Diff, Min, Max, Sum | `scale * x + offset` |
//! | times | the same: their scale is 8 ns |
//! | Mean | `scale * sum / n + offset`, of `n` ticks with the gate high; not a number if there were none |
//! | `StdDev` | `scale * sqrt((squares - sum^2 / n) / n)`, not a number likewise or if the sums cannot be |
//! | bits | as they are |
//!
//! Columns are equal to what the server tells, bit for bit, but for one. It takes the ticks of the
//! gate for a number with a sign: after 17 s they are below zero, and here they are not. (A server whose processor multiplies and adds at once may differ in the last bit.)
mod column;
mod columns;

pub use column::{BitsColumn, Column};
pub use columns::{Columns, ScalingError};
