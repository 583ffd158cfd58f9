//! The PandA codec against recordings of real ones, cut in every way, and spoilt.
#![expect(clippy::unwrap_used, reason = "a test fails where it panics")]
mod commands;
mod control;
mod layouts;
mod recording;
mod scaling;
mod spoilt;
mod streams;
mod transcript;
