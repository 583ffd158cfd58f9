//! Integration tests of the whole system, in one binary.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod storage;
//! The one binary of integration tests, which sees all crates.
#![expect(clippy::unwrap_used, reason = "a test fails where it panics")]
mod cli;
//! t
mod scan_golden;
//! Integration tests: one binary, one module for each subject.
mod supervise;
mod dependencies;
mod tidy;
