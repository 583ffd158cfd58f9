//! [`Ref`]: the address of an actor across its restarts.
use super::control::{Asked, Vitals};
use crate::{clock::Clock, watch};
use actix::{
    Actor, Context, Handler, Message,
    dev::{ToEnvelope, channel::AddressSender},
    prelude::SendError,
};
use std::{fmt, sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

/// A message did not get through. Says nothing of what the actor thinks of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// No incarnation is running. The message was not delivered.
    #[error("{0}: is not running")]
    Down(Arc<str>),
    /// The mailbox is full. The message was not delivered.
    #[error("{0}: mailbox is full")]
    Overloaded(Arc<str>),
    /// No answer came in time. The message may have been handled, or may be handled still.
    #[error("{0}: did not answer in time")]
    Timeout(Arc<str>),
    /// The incarnation that had the message died. The message may have been handled.
    #[error("{0}: died before it answered")]
    Lost(Arc<str>),
}

impl AskError {
    /// Whom the message was for.
    pub fn id(&self) -> &str {
        match self {
            Self::Down(id) | Self::Overloaded(id) | Self::Timeout(id) | Self::Lost(id) => id,
        }
    }
}

/// The incarnation that messages go to at present.
pub(super) struct Published<A: Actor> {
    /// **Invariant:** there is one sender for an incarnation and it is only borrowed. Every clone
    /// has a guaranteed place in the mailbox, so that clones would never find it full.
    pub(super) sender: AddressSender<A>,
    pub(super) clock: Clock,
    pub(super) vitals: Arc<Vitals>,
    /// Cancelled when an incarnation is given up that may go on, blocked on a thread of its own:
    /// what it still answers reaches nobody.
    pub(super) given_up: Option<CancellationToken>,
}

/// What whoever has asked needs to wait for the answer.
struct Line {
    clock: Clock,
    given_up: Option<CancellationToken>,
    asked: Asked,
}

impl<A: Actor> Published<A> {
    fn line(&self) -> Line {
        let asked = Asked::of(&self.vitals);
        Line { clock: self.clock.clone(), given_up: self.given_up.clone(), asked }
    }
}

/// Stable, typed address of a supervised actor: the same before and after a restart.
///
/// Cheap to clone, usable from any thread.
pub struct Ref<A: Actor> {
    id: Arc<str>,
    published: watch::Receiver<Option<Published<A>>>,
}

impl<A: Actor> Clone for Ref<A> {
    fn clone(&self) -> Self {
        Self { id: Arc::clone(&self.id), published: self.published.clone() }
    }
}

impl<A: Actor> fmt::Debug for Ref<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ref({})", self.id)
    }
}

impl<A: Actor<Context = Context<A>>> Ref<A> {
    pub(super) fn new(id: Arc<str>, published: watch::Receiver<Option<Published<A>>>) -> Self {
        Self { id, published }
    }

    pub fn id(&self) -> &str {
        &self.id
    }

    /// Whether an incarnation is running.
    pub fn is_up(&self) -> bool {
        self.published.borrow().as_ref().is_some_and(|to| to.sender.connected())
    }

    /// Resolves once an incarnation is running, for callers who can wait out a restart; with
    /// [`AskError::Down`] if there never will be one.
    pub async fn up(&self) -> Result<(), AskError> {
        let mut published = self.published.clone();
        let connected =
            |to: &Option<Published<A>>| to.as_ref().is_some_and(|to| to.sender.connected());
        let waited = published.wait_for(connected).await;
        waited.map(drop).map_err(|_| AskError::Down(Arc::clone(&self.id)))
    }

    /// Delivers an event: nobody answers. Fails with [`AskError::Down`] or [`AskError::Overloaded`].
    pub fn tell<M>(&self, message: M) -> Result<(), AskError>
    where
        A: Handler<M>,
        M: Message + Send + 'static,
        M::Result: Send,
        Context<A>: ToEnvelope<A, M>,
    {
        let published = self.published.borrow();
        let to = published.as_ref().ok_or_else(|| AskError::Down(Arc::clone(&self.id)))?;
        to.sender.try_send(message, true).map_err(|error| self.undelivered(&error))
    }

    /// The answer to `message`, awaited for at most `within`.
    ///
    /// Dropping the future takes the message back if its handling has not begun.
    pub async fn ask<M>(&self, message: M, within: Duration) -> Result<M::Result, AskError>
    where
        A: Handler<M>,
        M: Message + Send + 'static,
        M::Result: Send,
        Context<A>: ToEnvelope<A, M>,
    {
        let down = || AskError::Down(Arc::clone(&self.id));
        let (answer, to) = {
            let published = self.published.borrow();
            let to = published.as_ref().ok_or_else(down)?;
            let answer = to.sender.send(message).map_err(|error| self.undelivered(&error))?;
            (answer, to.line())
        };
        self.answered(answer, to, within).await
    }

    /// Like [`ask`](Self::ask), but a full mailbox does not refuse the message: for those whose
    /// messages are few, and must get through whatever others ask.
    pub async fn insist<M>(&self, message: M, within: Duration) -> Result<M::Result, AskError>
    where
        A: Handler<M>,
        M: Message + Send + 'static,
        M::Result: Send,
        Context<A>: ToEnvelope<A, M>,
    {
        let (answer, to) = {
            let published = self.published.borrow();
            let to = published.as_ref().ok_or_else(|| AskError::Down(Arc::clone(&self.id)))?;
            // A clone has a place of its own in the mailbox.
            let sender = actix::Addr::new(to.sender.clone());
            (sender.send(message), to.line())
        };
        self.answered(answer, to, within).await
    }

    async fn answered<T, E>(
        &self,
        answer: impl Future<Output = Result<T, E>>,
        Line { clock, given_up, asked }: Line,
        within: Duration,
    ) -> Result<T, AskError> {
        let lost = || AskError::Lost(Arc::clone(&self.id));
        let answer = async {
            match given_up {
                None => answer.await.map_err(|_| lost()),
                Some(given_up) => tokio::select! { biased;
                    () = given_up.cancelled() => Err(lost()),
                    answer = answer => answer.map_err(|_| lost()),
                },
            }
        };
        let in_time = clock.timeout(within, answer).await;
        drop(asked);
        in_time.unwrap_or_else(|_| Err(AskError::Timeout(Arc::clone(&self.id))))
    }

    /// Like [`insist`](Self::insist), also of an incarnation that is given up.
    pub(super) async fn probe<M>(&self, message: M, within: Duration) -> Result<M::Result, AskError>
    where
        A: Handler<M>,
        M: Message + Send + 'static,
        M::Result: Send,
        Context<A>: ToEnvelope<A, M>,
    {
        let (request, clock) = {
            let published = self.published.borrow();
            let to = published.as_ref().ok_or_else(|| AskError::Down(Arc::clone(&self.id)))?;
            // A clone has a place of its own in the mailbox.
            (actix::Addr::new(to.sender.clone()).send(message), to.clock.clone())
        };
        let in_time = clock.timeout(within, request).await;
        let answer = in_time.map_err(|_| AskError::Timeout(Arc::clone(&self.id)))?;
        answer.map_err(|_| AskError::Lost(Arc::clone(&self.id)))
    }

    fn undelivered<M>(&self, error: &SendError<M>) -> AskError {
        match error {
            SendError::Full(_) => AskError::Overloaded(Arc::clone(&self.id)),
            SendError::Closed(_) => AskError::Down(Arc::clone(&self.id)),
        }
    }
}
