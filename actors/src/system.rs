//! The runtimes that everything runs on: one thread, in real or in simulated time.
use actix::{System, SystemRunner};
use tokio::runtime::Builder;

/// A system in real time, with I/O: what a process runs on.
///
/// # Panics
/// If the operating system gives no event queue.
pub fn real_system() -> SystemRunner {
    System::with_tokio_rt(|| {
        let runtime = Builder::new_current_thread().enable_all().build();
        runtime.expect("the operating system gives an event queue")
    })
}

/// A system whose clock is paused from the start and jumps to the next timer whenever no task is
/// ready; goes with [`Clock::simulated`](crate::clock::Clock::simulated).
///
/// It has no I/O, on purpose: a clock that jumps while a socket is waited for runs into every
/// timeout.
///
/// # Panics
/// Never: a runtime without I/O needs nothing of the operating system.
pub fn simulated_system() -> SystemRunner {
    System::with_tokio_rt(|| {
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.expect("a runtime without I/O needs nothing of the operating system")
    })
}
