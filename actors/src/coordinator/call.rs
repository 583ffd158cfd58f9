//! Asking devices: a request, its status, and its end, each with a deadline; whatever goes wrong on
//! the way becomes one [`Fault`], whose class alone decides what the run does about it.
use crate::{
    clock::Clock,
    status::{OperationError, Outcome, Status},
    supervise::{AskError, Ref},
};
use actix::{Actor, Context, Handler, Message, dev::ToEnvelope};
use bluefly_protocol::{
    fault::{Fault, FaultClass, Refused},
    name::Name,
};
use std::time::Duration;

/// How long an actor may take to answer a message: handlers never wait for hardware.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// What a device answers at once: a status, or a refusal where the request allows one.
pub(super) trait Answer<P, T> {
    fn status(self) -> Result<Status<P, T>, Refused>;
}

impl<P, T> Answer<P, T> for Status<P, T> {
    fn status(self) -> Result<Self, Refused> {
        Ok(self)
    }
}

impl<P, T> Answer<P, T> for Result<Status<P, T>, Refused> {
    fn status(self) -> Self {
        self
    }
}

/// One device as the coordinator sees it.
pub(super) struct Caller<'a, A: Actor> {
    clock: &'a Clock,
    name: &'a Name,
    device: &'a Ref<A>,
}

impl<'a, A: Actor<Context = Context<A>>> Caller<'a, A> {
    pub(super) fn new(clock: &'a Clock, (name, device): (&'a Name, &'a Ref<A>)) -> Self {
        Self { clock, name, device }
    }

    /// The answer to `message`.
    pub(super) async fn ask<M>(&self, operation: &str, message: M) -> Result<M::Result, Fault>
    where
        A: Handler<M>,
        M: Message + Send + 'static,
        M::Result: Send,
        Context<A>: ToEnvelope<A, M>,
    {
        // Whoever else asks the device: no scan fails of it.
        let answer = self.device.insist(message, ANSWER_WITHIN).await;
        answer.map_err(|error| self.unanswered(operation, &error))
    }

    /// Starts an operation of the device.
    pub(super) async fn begin<M, P, T>(
        &self,
        operation: &str,
        message: M,
    ) -> Result<Status<P, T>, Fault>
    where
        A: Handler<M>,
        M: Message + Send + 'static,
        M::Result: Answer<P, T> + Send,
        Context<A>: ToEnvelope<A, M>,
    {
        let answer = self.ask(operation, message).await?;
        answer.status().map_err(|refused| self.fault(operation, FaultClass::Failed, refused))
    }

    /// Starts an operation of the device and resolves with what it comes to.
    pub(super) async fn call<M, P, T>(
        &self,
        operation: &str,
        message: M,
        within: Duration,
    ) -> Result<T, Fault>
    where
        A: Handler<M>,
        M: Message + Send + 'static,
        M::Result: Answer<P, T> + Send,
        P: Clone,
        T: Clone,
        Context<A>: ToEnvelope<A, M>,
    {
        let status = self.begin(operation, message).await?;
        self.finish(operation, &status, within).await
    }

    /// What an operation comes to.
    pub(super) async fn finish<P: Clone, T: Clone>(
        &self,
        operation: &str,
        status: &Status<P, T>,
        within: Duration,
    ) -> Result<T, Fault> {
        match self.clock.timeout(within, status.finished()).await {
            Ok(Ok(Outcome::Done(value))) => Ok(value),
            Ok(Ok(Outcome::Aborted)) => Err(self.fault(
                operation,
                FaultClass::Failed,
                "it was given up for another request",
            )),
            Ok(Err(error)) => Err(self.ended_badly(operation, error)),
            Err(_) => {
                let reason = format!("it takes longer than {within:?}");
                Err(self.fault(operation, FaultClass::Failed, reason))
            }
        }
    }

    pub(super) fn ended_badly(&self, operation: &str, error: OperationError) -> Fault {
        match error {
            OperationError::Fault(fault) => fault,
            OperationError::Lost { .. } => {
                self.fault(operation, FaultClass::Disconnected, "its actor crashed")
            }
        }
    }

    fn unanswered(&self, operation: &str, error: &AskError) -> Fault {
        let class = match error {
            AskError::Down(_) | AskError::Lost(_) | AskError::Timeout(_) => {
                FaultClass::Disconnected
            }
            AskError::Overloaded(_) => FaultClass::Failed,
        };
        self.fault(operation, class, error)
    }

    pub(super) fn fault(
        &self,
        operation: &str,
        class: FaultClass,
        reason: impl std::fmt::Display,
    ) -> Fault {
        Fault {
            device: self.name.clone(),
            operation: operation.to_owned(),
            class,
            reason: reason.to_string(),
        }
    }
}
