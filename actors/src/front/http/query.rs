//! [`Query`]: the parameters of a request, all of them known.
use super::reply::Failure;
use actix_web::{FromRequest, HttpRequest, dev::Payload, web};
use bluefly_protocol::api::{ErrorCode, EventKinds, RunState, Terms, Wait};
use serde::{Deserialize, Deserializer, de, de::DeserializeOwned};
use std::{
    future::{Ready, ready},
    time::Duration,
};
use utoipa::IntoParams;

/// The parameters of a request.
pub(super) struct Query<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest for Query<T> {
    type Error = Failure;
    type Future = Ready<Result<Self, Failure>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let query = web::Query::<T>::from_query(request.query_string());
        ready(match query {
            Ok(query) => Ok(Self(query.into_inner())),
            Err(error) => Err(Failure::new(ErrorCode::BadRequest, "query", plain(&error))),
        })
    }
}

/// What is wrong, without what every such error begins with.
fn plain(error: &impl ToString) -> String {
    let text = error.to_string();
    text.strip_prefix("Query deserialize error: ").unwrap_or(&text).to_owned()
}

/// Of requests without parameters.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NoQuery {}

/// Of steps.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct StepQuery {
    /// Answer when what was begun has ended, or after so many seconds (at most 60; 0 unless given,
    /// 5 to prepare).
    #[param(value_type = Option<f64>, minimum = 0)]
    #[serde(default, deserialize_with = "seconds")]
    wait: Option<Duration>,
    /// Only if no step was begun after the one of this number, which `operation.number` of the
    /// status tells (0 if there is none); refused with 409 otherwise. What this very request began
    /// is no reason to refuse it: it may be made again if its answer was lost.
    operation: Option<u64>,
}

impl StepQuery {
    pub(super) fn or(&self, default: Duration) -> Terms {
        let wait = Wait::at_most(self.wait.unwrap_or(default));
        Terms { wait, operation: self.operation }
    }

    pub(super) fn or_none(&self) -> Terms {
        self.or(Duration::ZERO)
    }
}

/// Of what takes time.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct WaitQuery {
    /// Answer when what was begun has ended, or after so many seconds (at most 60; 0 unless given).
    #[param(value_type = Option<f64>, minimum = 0)]
    #[serde(default, deserialize_with = "seconds")]
    wait: Option<Duration>,
}

impl WaitQuery {
    pub(super) fn or_none(&self) -> Wait {
        Wait::at_most(self.wait.unwrap_or_default())
    }
}

/// Of the end of a run.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct AbortQuery {
    /// Answer when what was begun has ended, or after so many seconds (at most 60; 0 unless given).
    #[param(value_type = Option<f64>, minimum = 0)]
    #[serde(default, deserialize_with = "seconds")]
    pub(super) wait: Option<Duration>,
    /// Only if no step was begun after the one of this number, which `operation.number` of the
    /// status tells (0 if there is none), but one that ends something; refused with 409 otherwise.
    pub(super) operation: Option<u64>,
    /// Stands in the stop document, unless the body has one.
    pub(super) reason: Option<String>,
}

/// Of the status.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct StatusQuery {
    /// Answer when the revision is another one than this.
    pub(super) since: Option<u64>,
    /// Answer after so many seconds in any case (at most 60; 20 unless given).
    #[param(value_type = Option<f64>, minimum = 0)]
    #[serde(default, deserialize_with = "seconds")]
    pub(super) timeout: Option<Duration>,
}

/// Of rows.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct AssetQuery {
    /// The first row; 0 unless given.
    #[serde(default)]
    pub(super) start: u64,
    /// The row after the last one; as many as there are unless given.
    pub(super) stop: Option<u64>,
}

/// Of runs.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct RunsQuery {
    /// Only runs of this state.
    pub(super) state: Option<RunState>,
    /// The latest so many of those that have ended; 100 unless given, 1000 at most.
    #[param(maximum = 1000)]
    pub(super) limit: Option<usize>,
}

/// Of documents.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct DocumentsQuery {
    /// Documents of the run to leave out; 0 unless given.
    #[serde(default)]
    pub(super) start: usize,
    /// Documents at most; all unless given.
    pub(super) limit: Option<usize>,
}

/// Of events.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct EventsQuery {
    /// Kinds of events, separated by commas: document, tree, queue, progress; all unless given.
    #[param(value_type = Option<String>)]
    #[serde(default, deserialize_with = "kinds")]
    pub(super) kinds: Option<EventKinds>,
    /// Go on after the event of this number, as far as it is still known; with what comes from now
    /// on unless given.
    pub(super) since: Option<u64>,
}

/// Seconds, none of them negative.
fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let seconds = text.parse::<f64>().ok().filter(|seconds| *seconds >= 0.0);
    let wrong = || de::Error::custom(format!("{text:?} is no number of seconds"));
    let seconds = seconds.ok_or_else(wrong)?;
    // More than a year is as good as a year: longer than anybody is kept waiting.
    Ok(Some(Duration::from_secs_f64(seconds.min(3e7))))
}

fn kinds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<EventKinds>, D::Error> {
    String::deserialize(deserializer)?.parse().map(Some).map_err(de::Error::custom)
}
