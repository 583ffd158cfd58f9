//! Channel Access against IOCs that others wrote. libca is one for the whole process, and is told by
//! the environment where servers are: each test runs in a process of its own.
#![expect(clippy::unwrap_used, reason = "a test fails where it panics")]
mod alone;
mod faults;
mod ioc;
mod network;
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
const LACKED_BY_CAPROTO: &[&str] = &[
    // Under load, its fast values were seen not to come once each, by nobody's count but the server's.
    "who_is_slow_is_told",
    "whole_numbers_of_64_bits",
    "fields_have_their_types",
    // A single zero is refused.
    "an_empty_text",
    "a_long_description_is_read_whole",
    "rights_come_and_go",
    "an_alarm_comes_with_the_value",
    "an_alarm_without_a_change_of_value",
    "an_undefined_value",
    // A record that takes so long.
    "a_put_behind_an_endless_one",
    "a_put_that_is_refused",
    "what_a_record_says_of_itself_changes",
    "aliases",
    "a_batch",
];
