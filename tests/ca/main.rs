//! Channel Access against IOCs that others wrote. libca is one for the whole process, and is told by
//! the environment where servers are: each test runs in a process of its own.
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
