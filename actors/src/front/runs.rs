//! Runs that are submitted as a whole.
use super::desk::{ANSWER_WITHIN, Desk, unanswered};
use crate::queue::{CountWaiting, Get, List, RunQueue, Submit};
use actix::{Context, Handler, Message, dev::ToEnvelope};
use bluefly_protocol::api::{ApiError, ErrorCode, FlightBody, Queue, Reply, Run};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How long a specification may take to be checked.
const CHECK_WITHIN: Duration = Duration::from_mins(1);

const COUNT_WITHIN: Duration = Duration::from_secs(1);

impl Desk {
    pub(super) async fn submit(&self, body: FlightBody) -> Result<Reply, ApiError> {
        self.takes_work()?;
        let FlightBody { spec, metadata, uid } = body;
        // Whoever goes away, or is told that it took too long, has queued nothing.
        let given_up = CancellationToken::new();
        let _waiting = given_up.clone().drop_guard();
        let submit = Submit { spec, metadata, uid, given_up };
        let run = self.ask_queue(submit, CHECK_WITHIN).await?;
        Ok(Reply::Run(Box::new(run)))
    }

    pub(super) async fn runs(&self, list: List) -> Result<Reply, ApiError> {
        Ok(Reply::Runs(self.ask_queue(list, ANSWER_WITHIN).await?))
    }

    /// How many runs wait for their turn, if the queue says so soon.
    pub(super) async fn num_waiting(&self) -> Option<usize> {
        let queue = self.parts().queue.as_ref()?;
        match queue.ask(CountWaiting, COUNT_WITHIN).await {
            Ok(count) => Some(count),
            Err(error) => {
                tracing::debug!(%error, "runs are not counted");
                None
            }
        }
    }

    pub(super) async fn run(&self, uid: String) -> Result<Reply, ApiError> {
        let unknown =
            ApiError::new(ErrorCode::NotFound, "runs", format!("there is no run {uid:?}"));
        let run = self.ask_queue(Get(uid), ANSWER_WITHIN).await?.ok_or(unknown)?;
        Ok(Reply::Run(Box::new(run)))
    }

    /// Asks something that is answered with a run.
    pub(super) async fn of_run<M>(&self, message: M) -> Result<Reply, ApiError>
    where
        RunQueue: Handler<M>,
        M: Message<Result = Result<Run, ApiError>> + Send + 'static,
        Context<RunQueue>: ToEnvelope<RunQueue, M>,
    {
        Ok(Reply::Run(Box::new(self.ask_queue(message, ANSWER_WITHIN).await?)))
    }

    /// Asks something that is answered with how the queue stands.
    pub(super) async fn of_gate<M>(&self, message: M) -> Result<Reply, ApiError>
    where
        RunQueue: Handler<M>,
        M: Message<Result = Result<Queue, ApiError>> + Send + 'static,
        Context<RunQueue>: ToEnvelope<RunQueue, M>,
    {
        Ok(Reply::Queue(self.ask_queue(message, ANSWER_WITHIN).await?))
    }

    async fn ask_queue<M, T>(&self, message: M, within: Duration) -> Result<T, ApiError>
    where
        RunQueue: Handler<M>,
        M: Message<Result = Result<T, ApiError>> + Send + 'static,
        T: Send + 'static,
        Context<RunQueue>: ToEnvelope<RunQueue, M>,
    {
        let missing = || ApiError::new(ErrorCode::NotFound, "runs", "this process has no queue");
        let queue = self.parts().queue.as_ref().ok_or_else(missing)?;
        queue.ask(message, within).await.map_err(|error| unanswered(&error))?
    }
}
