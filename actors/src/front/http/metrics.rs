//! Figures of the process, for Prometheus.
use super::{
    counters::Counters,
    front::{Front, Shared},
    query::{NoQuery, Query},
    reply::{Answer, Failure},
    stopwatch::Flight,
};
use crate::{
    storage::StorageReport,
    supervise::{Snapshot, State},
};
use actix_web::HttpResponse;
use bluefly_protocol::api::{ErrorBody, ErrorCode, Status};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric, text::encode},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
    registry::Registry,
};
use std::fmt::Error;

/// Figures of the process, as text for Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "process",
    responses((status = 200, content_type = "application/openmetrics-text", body = String),
        (status = "default", body = ErrorBody)))]
pub(super) async fn metrics(front: Shared, _: Query<NoQuery>) -> Answer {
    let mut registry = Registry::with_prefix("bluefly");
    registry.register_collector(Box::new(Figures::of(&front).await));
    let mut text = String::new();
    encode(&mut text, &registry)
        .map_err(|error| Failure::new(ErrorCode::Failed, "metrics", error.to_string()))?;
    Ok(HttpResponse::Ok().content_type(CONTENT_TYPE).body(text))
}

const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Everything at one moment.
#[derive(Debug)]
struct Figures {
    actors: Vec<Snapshot>,
    status: Status,
    flight: Flight,
    storage: StorageReport,
    /// Of a process that has a queue.
    waiting: Option<usize>,
    http: Counters,
    events: u64,
}

impl Figures {
    async fn of(front: &Front) -> Self {
        let waiting = front.desk.num_waiting().await;
        let mut actors = vec![];
        front.desk.tree().into_iter().for_each(|tree| flatten(tree, &mut actors));
        Self {
            actors,
            status: front.desk.status(),
            flight: front.stopwatch.flight(front.clock.now()),
            storage: front.desk.storage(),
            waiting,
            events: front.desk.feed().latest(),
            http: front.tally.counters(front.desk.feed().latest()),
        }
    }

    fn of_actors(&self, to: &mut DescriptorEncoder) -> Result<(), Error> {
        type Value = fn(&Snapshot) -> f64;
        let figures: [(&str, &str, MetricType, Value); 5] = [
            ("actor_up", "Whether the actor is up", MetricType::Gauge, |actor| {
                f64::from(u8::from(actor.state == State::Up))
            }),
            ("actor_restarts", "Restarts of the actor", MetricType::Counter, |actor| {
                actor.restarts as f64
            }),
            (
                "actor_requests_unanswered",
                "Requests that the actor has not answered, those in its mailbox among them",
                MetricType::Gauge,
                |actor| actor.asked as f64,
            ),
            ("actor_polls", "Polls of this incarnation", MetricType::Counter, |actor| {
                actor.polls as f64
            }),
            (
                "actor_busy_seconds",
                "Time in the polls of this incarnation",
                MetricType::Counter,
                |actor| actor.busy_us as f64 / 1e6,
            ),
        ];
        for (name, help, kind, value) in figures {
            let values = self.actors.iter().map(|actor| (actor.id.as_str(), value(actor)));
            family(to, (name, help, kind), "actor", values)?;
        }
        Ok(())
    }

    fn of_scan(&self, to: &mut DescriptorEncoder) -> Result<(), Error> {
        let progress = &self.status.progress;
        let phase = progress.phase.to_string();
        family(
            to,
            ("scan_phase", "The phase, by name", MetricType::Gauge),
            "phase",
            [(&*phase, 1.0)],
        )?;
        gauge(to, "scan_frames", "Frames of the prepared scan", progress.frames_total as f64)?;
        gauge(to, "scan_frames_done", "Frames on disk, of this scan", progress.frames_done as f64)?;
        let help = "Frames whose documents are out, of this scan";
        gauge(to, "scan_frames_published", help, progress.frames_published as f64)?;
        let detectors =
            progress.detectors.iter().map(|(name, frames)| (name.as_str(), *frames as f64));
        let about = ("detector_frames", "Frames on disk, of this scan", MetricType::Gauge);
        family(to, about, "detector", detectors)?;
        let help = "Times that the run went back to the last complete frame by itself";
        gauge(to, "run_recoveries", help, f64::from(progress.recoveries))?;
        gauge(to, "scan_predicted_seconds", "Predicted time of the scan", progress.predicted_s)?;
        let help = "Predicted size of the data of the scan";
        gauge(to, "scan_predicted_bytes", help, progress.predicted_bytes as f64)?;
        let elapsed_s = self.flight.elapsed.as_secs_f64();
        gauge(to, "scan_elapsed_seconds", "Time since the kickoff, until its end", elapsed_s)?;
        let done = progress.frames_done as f64;
        let rate = if elapsed_s > 0.0 { done / elapsed_s } else { 0.0 };
        gauge(to, "scan_frames_per_second", "Frames on disk a second, since the kickoff", rate)?;
        let share =
            if progress.frames_total > 0 { done / progress.frames_total as f64 } else { 0.0 };
        let dead_s = (elapsed_s - share * progress.predicted_s).max(0.0);
        let help = "Time since the kickoff beyond that which was predicted for the frames done";
        gauge(to, "scan_dead_seconds", help, dead_s)
    }

    fn of_queues(&self, to: &mut DescriptorEncoder) -> Result<(), Error> {
        if let Some(waiting) = self.waiting {
            gauge(to, "runs_waiting", "Runs that wait for their turn", waiting as f64)?;
        }
        let StorageReport { queued_commands, queued_bytes, streams } = &self.storage;
        let help = "Commands that wait for the writer";
        gauge(to, "storage_queued_commands", help, *queued_commands as f64)?;
        let help = "Bytes that wait for the writer";
        gauge(to, "storage_queued_bytes", help, *queued_bytes as f64)?;
        gauge(to, "storage_streams", "Files that are being written", streams.len() as f64)
    }

    fn of_server(&self, to: &mut DescriptorEncoder) -> Result<(), Error> {
        let answers =
            self.http.answers.iter().map(|(status, count)| (status.to_string(), *count as f64));
        let about = ("http_requests", "Requests answered, by status", MetricType::Counter);
        family(to, about, "status", answers)?;
        let in_flight = self.http.in_flight as f64;
        gauge(to, "http_requests_in_flight", "Requests not yet answered", in_flight)?;
        counter(to, "events", "Events that were told", self.events as f64)?;
        gauge(to, "event_listeners", "Clients that listen to events", self.http.listeners as f64)?;
        let help = "Events by which the slowest listener is behind";
        gauge(to, "event_lag", help, self.http.lag as f64)
    }
}

impl Collector for Figures {
    fn encode(&self, mut to: DescriptorEncoder) -> Result<(), Error> {
        self.of_actors(&mut to)?;
        self.of_scan(&mut to)?;
        self.of_queues(&mut to)?;
        self.of_server(&mut to)
    }
}

/// `tree` and all below it, without structure.
fn flatten(mut tree: Snapshot, into: &mut Vec<Snapshot>) {
    let children = std::mem::take(&mut tree.children);
    into.push(tree);
    for child in children {
        flatten(child, into);
    }
}

fn gauge(to: &mut DescriptorEncoder, name: &str, help: &str, value: f64) -> Result<(), Error> {
    let metric = to.encode_descriptor(name, help, None, MetricType::Gauge)?;
    ConstGauge::new(value).encode(metric)
}

fn counter(to: &mut DescriptorEncoder, name: &str, help: &str, value: f64) -> Result<(), Error> {
    let metric = to.encode_descriptor(name, help, None, MetricType::Counter)?;
    ConstCounter::new(value).encode(metric)
}

/// One figure for each value of a label.
fn family<L: AsRef<str>>(
    to: &mut DescriptorEncoder,
    (name, help, kind): (&str, &str, MetricType),
    label: &str,
    values: impl IntoIterator<Item = (L, f64)>,
) -> Result<(), Error> {
    let mut metric = to.encode_descriptor(name, help, None, kind)?;
    for (of, value) in values {
        let labels = [(label, of.as_ref())];
        let metric = metric.encode_family(&labels)?;
        if matches!(kind, MetricType::Counter) {
            ConstCounter::new(value).encode(metric)?;
        } else {
            ConstGauge::new(value).encode(metric)?;
        }
    }
    Ok(())
}
