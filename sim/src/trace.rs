//! [`TraceLayer`]: every event of this project as one line of text, equal byte for byte whenever the
//! same things happened at the same simulated times.
use bluefly_actors::clock::Clock;
use std::{
    fmt::{self, Write as _},
    sync::{Arc, Mutex, PoisonError},
    thread::{self, ThreadId},
};
use tracing::{Event, Subscriber, field::Visit, span};
use tracing_subscriber::{
    Layer,
    layer::Context,
    registry::{LookupSpan, Scope},
};

/// The lines so far. Cheap to clone; all clones see the same.
#[derive(Clone, Debug, Default)]
pub struct Trace(Arc<Mutex<String>>);

/// Records the events of the thread that made it, neither thread nor span ids. What other threads
/// say, such as the one that writes files, comes at no moment of simulated time.
#[derive(Debug)]
pub struct TraceLayer {
    clock: Clock,
    thread: ThreadId,
    trace: Trace,
}

/// Fields of a span, as text.
struct SpanText(String);

impl Trace {
    /// Everything so far.
    pub fn text(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A hash of everything so far that is the same in every build (FNV-1a, 64 bits).
    pub fn hash(&self) -> u64 {
        self.text().bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        })
    }

    fn push(&self, line: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push_str(line);
    }
}

impl TraceLayer {
    /// A layer that tells the time by `clock`, and the trace that it fills.
    pub fn new(clock: Clock) -> (Self, Trace) {
        let trace = Trace::default();
        let thread = thread::current().id();
        (Self { clock, thread, trace: trace.clone() }, trace)
    }
}

/// Writes fields as ` name=value`; the message first and bare.
#[derive(Default)]
struct Fields {
    message: String,
    rest: String,
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn fmt::Debug) {
        let written = match field.name() {
            "message" => write!(self.message, " {value:?}"),
            // Of a panic: it differs from build to build, and with the environment.
            "backtrace" => Ok(()),
            name => write!(self.rest, " {name}={value:?}"),
        };
        written.expect("a String takes everything");
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for TraceLayer {
    fn on_new_span(
        &self,
        attributes: &span::Attributes<'_>,
        id: &span::Id,
        context: Context<'_, S>,
    ) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(SpanText(fields.rest));
        }
    }

    fn on_record(&self, id: &span::Id, values: &span::Record<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        values.record(&mut fields);
        if let Some(span) = context.span(id)
            && let Some(text) = span.extensions_mut().get_mut::<SpanText>()
        {
            text.0.push_str(&fields.rest);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let metadata = event.metadata();
        if !metadata.target().starts_with("bluefly") || thread::current().id() != self.thread {
            return;
        }
        let mut line =
            format!("{} {}", self.clock.now().since_start().as_nanos(), metadata.level());
        for span in context.event_scope(event).into_iter().flat_map(Scope::from_root) {
            line.push(' ');
            line.push_str(span.name());
            if let Some(text) = span.extensions().get::<SpanText>() {
                line.push('{');
                line.push_str(text.0.trim_start());
                line.push('}');
            }
        }
        let mut fields = Fields::default();
        event.record(&mut fields);
        line.push_str(&fields.message);
        line.push_str(&fields.rest);
        line.push('\n');
        self.trace.push(&line);
    }
}
