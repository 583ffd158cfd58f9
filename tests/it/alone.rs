//! Tests that have a process for themselves.
use std::process::Command;

/// Whether a test has this process for itself. If not, it is done by one that has, and must succeed:
/// tracing keeps in one place for all threads who listens to a line, so that another test's listener
/// now and then cost this one a line of its trace.
pub(crate) fn is_alone(test: &str) -> bool {
    const ALONE: &str = "BLUEFLY_TEST_ALONE";
    if std::env::var_os(ALONE).is_some() {
        return true;
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--test-threads", "1"])
        .env(ALONE, "1")
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && told.contains("1 passed"), "{told}");
    false
}
