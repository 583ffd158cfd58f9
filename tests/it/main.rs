//! Integration tests: one binary, which sees all crates, one module for each subject.
#![expect(clippy::unwrap_used, reason = "a test fails where it panics")]
mod cli;
mod dependencies;
mod scan_golden;
mod storage;
mod supervise;
mod tidy;
mod scan_properties;
//! The integration tests: one binary.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]
mod beam;
mod logic;
mod signals;
mod sim_world;
mod scan_properties;
mod scan_rules;
