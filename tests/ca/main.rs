//! Channel Access against IOCs that others wrote. libca is one for the whole process, and is told by
//! the environment where servers are: each test runs in a process of its own.
#![expect(clippy::unwrap_used, reason = "a test fails where it panics")]
mod alone;
mod faults;
mod ioc;
mod regressions;
mod suite;

use alone::alone;
use ioc::Ioc;

#[test]
fn softioc_passes() {
    alone("softioc_passes", |world| async move {
        let ioc = Ioc::softioc(&["REF:"]);
        suite::run(&world, "REF:", &[]).await;
        drop(ioc);
    });
}

#[test]
fn caproto_passes() {
    alone("caproto_passes", |world| async move {
        let ioc = Ioc::caproto(&["REF:"]);
        suite::run(&world, "REF:", LACKED_BY_CAPROTO).await;
        drop(ioc);
    });
}

/// What this server does not have: fields of records, 64 bits, rules of access, a refusal that is
/// told.
const LACKED_BY_CAPROTO: &[&str] = &[];
