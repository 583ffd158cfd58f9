//! Panic capture that keeps the message and the place, and logs a supervised panic once.
use std::{
    any::Any,
    backtrace::{Backtrace, BacktraceStatus},
    cell::{Cell, RefCell},
    panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind},
    sync::Once,
};

thread_local! {
    /// How many [`capture`]s this thread is inside of.
    static CAPTURES: Cell<u32> = const { Cell::new(0) };
    static LAST: RefCell<Option<Panicked>> = const { RefCell::new(None) };
}

struct Panicked {
    text: String,
    backtrace: Backtrace,
}

/// Makes supervised panics keep message and place instead of printing them; all others go to the
/// hook that was installed before. Called by [`Supervisor::spawn`](super::Supervisor::spawn); does
/// nothing the second time.
///
/// A panic payload has no place, and only the hook of the process is told the place: this is the
/// one thing of the supervisor that is global.
pub fn install_panic_hook() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if CAPTURES.get() == 0 {
                previous(info);
            } else {
                let panicked = Panicked { text: describe(info), backtrace: Backtrace::capture() };
                LAST.set(Some(panicked));
            }
        }));
    });
}

/// The output of `work`, or the message and place of its panic, which has been logged.
pub(super) fn capture<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    // One that was caught further down is not ours to tell.
    LAST.set(None);
    CAPTURES.set(CAPTURES.get() + 1);
    let outcome = catch_unwind(AssertUnwindSafe(work));
    CAPTURES.set(CAPTURES.get() - 1);
    outcome.map_err(|payload| {
        // A panic that was carried over from another thread did not come by the hook.
        let panicked = LAST.take().unwrap_or_else(|| Panicked {
            text: message(&*payload).to_owned(),
            backtrace: Backtrace::disabled(),
        });
        let Panicked { text, backtrace } = panicked;
        if backtrace.status() == BacktraceStatus::Captured {
            tracing::error!(panic = %text, %backtrace, "actor panicked");
        } else {
            tracing::error!(panic = %text, "actor panicked");
        }
        text
    })
}

fn describe(info: &PanicHookInfo<'_>) -> String {
    match info.location() {
        Some(place) => format!("{} at {place}", message(info.payload())),
        None => message(info.payload()).to_owned(),
    }
}

fn message(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("not a text")
}
