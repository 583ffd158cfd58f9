//! [`Pv`]: one simulated signal.
use crate::line::{Line, disconnected};
use bluefly_actors::signal::{
    Alarm, Backlog, Channel, Feed, LocalFuture, Metadata, Monitor, Reading, Settle, SignalError,
    SignalValue, Value, monitor,
};
use std::{
    cell::{OnceCell, RefCell},
    rc::Rc,
    sync::Arc,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// What a device does with a value: what completes the put (nothing: it is complete), or why not.
pub(crate) type Handled = Result<Option<LocalFuture<()>>, String>;

/// One put-callback at a time for everything that shares it: the fields of a record.
pub(crate) type Turn = Arc<Semaphore>;

pub(crate) fn turn() -> Turn {
    Arc::new(Semaphore::new(1))
}

pub(crate) struct Pv {
    pub address: String,
    line: Rc<Line>,
    reading: RefCell<Reading<Value>>,
    metadata: RefCell<Metadata>,
    /// Computes the value when it is asked for.
    compute: OnceCell<Box<dyn Fn() -> Value>>,
    on_put: OnceCell<Box<dyn Fn(Value) -> Handled>>,
    /// Taken by each put-callback until it is complete.
    turn: OnceCell<Turn>,
    feeds: RefCell<Vec<Feed>>,
}

impl Pv {
    /// A signal that nobody can write.
    pub(crate) fn readback<T: SignalValue>(line: &Rc<Line>, address: String, value: T) -> Rc<Self> {
        let now = line.host.clock.now();
        let timestamp_s = line.host.clock.unix_s(now);
        let reading = Reading { value: value.into_value(), timestamp_s, alarm: Alarm::default() };
        let pv = Rc::new(Self {
            address,
            line: line.clone(),
            reading: RefCell::new(reading),
            metadata: RefCell::new(T::usual_metadata()),
            compute: OnceCell::new(),
            on_put: OnceCell::new(),
            turn: OnceCell::new(),
            feeds: RefCell::default(),
        });
        line.add(&pv);
        pv
    }

    /// A signal that keeps what is written to it.
    pub(crate) fn setting(line: &Rc<Line>, address: String, value: impl SignalValue) -> Rc<Self> {
        let pv = Self::readback(line, address, value);
        let weak = Rc::downgrade(&pv);
        pv.on_put(move |value| {
            if let Some(pv) = weak.upgrade() {
                pv.post_value(value);
            }
            Ok(None)
        });
        pv
    }

    /// The same, of a record that looks like this. Whether it can be written is not said here.
    pub(crate) fn like(self: Rc<Self>, metadata: Metadata) -> Rc<Self> {
        self.metadata.replace(metadata);
        self
    }

    fn metadata(&self) -> Metadata {
        let metadata = self.metadata.borrow().clone();
        if self.on_put.get().is_some() { metadata } else { metadata.read_only() }
    }

    /// Says what the device does with a value written; set once.
    pub(crate) fn on_put(&self, handler: impl Fn(Value) -> Handled + 'static) {
        assert!(self.on_put.set(Box::new(handler)).is_ok(), "{} has one handler", self.address);
    }

    /// Lets put-callbacks wait for those before them to complete, as a record does; set once.
    pub(crate) fn in_turn(&self, turn: &Turn) {
        assert!(self.turn.set(turn.clone()).is_ok(), "{} has one turn", self.address);
    }

    /// Says how the value is computed; set once.
    pub(crate) fn compute(&self, compute: impl Fn() -> Value + 'static) {
        assert!(self.compute.set(Box::new(compute)).is_ok(), "{} is computed once", self.address);
    }

    pub(crate) fn value(&self) -> Value {
        self.compute.get().map_or_else(|| self.reading.borrow().value.clone(), |compute| compute())
    }

    /// The value, of a type known from its construction.
    pub(crate) fn get<T: SignalValue>(&self) -> T {
        T::from_value(self.value()).expect("a simulated signal keeps its type")
    }

    pub(crate) fn post(&self, value: impl SignalValue) {
        self.post_value(value.into_value());
    }

    pub(crate) fn post_value(&self, value: Value) {
        if self.reading.borrow().value != value {
            self.renew(value);
        }
    }

    /// Tells observers a value also if it is no other.
    pub(crate) fn tell(&self, value: impl SignalValue) {
        self.renew(value.into_value());
    }

    /// Tells a value with its alarm, if either changed.
    pub(crate) fn post_with(&self, value: impl SignalValue, alarm: Alarm) {
        let value = value.into_value();
        let is_new = {
            let reading = self.reading.borrow();
            reading.value != value || reading.alarm != alarm
        };
        if is_new {
            self.reading.borrow_mut().alarm = alarm;
            self.renew(value);
        }
    }

    pub(crate) fn post_alarm(&self, alarm: Alarm) {
        if self.reading.borrow().alarm != alarm {
            self.reading.borrow_mut().alarm = alarm;
            self.renew(self.value());
        }
    }

    /// Tells observers the computed value, if it changed.
    pub(crate) fn refresh(&self) {
        self.feeds.borrow_mut().retain(Feed::is_observed);
        if !self.feeds.borrow().is_empty() {
            self.post_value(self.value());
        }
    }

    fn renew(&self, value: Value) {
        let clock = &self.line.host.clock;
        let timestamp_s = clock.unix_s(clock.now());
        {
            let mut reading = self.reading.borrow_mut();
            reading.value = value;
            reading.timestamp_s = timestamp_s;
        }
        if self.line.is_up() {
            self.tell_present();
        }
    }

    fn read(&self) -> Reading<Value> {
        let reading = self.reading.borrow().clone();
        match self.compute.get() {
            None => reading,
            Some(compute) => {
                let clock = &self.line.host.clock;
                let timestamp_s = clock.unix_s(clock.now());
                Reading { value: compute(), timestamp_s, alarm: reading.alarm }
            }
        }
    }

    /// Tells every observer what the value is.
    pub(crate) fn tell_present(&self) {
        if !self.feeds.borrow().is_empty() {
            let reading = self.read();
            self.feeds.borrow_mut().retain(|feed| feed.push(Ok(reading.clone())));
        }
    }

    /// Tells every observer that the link is lost.
    pub(crate) fn tell_loss(&self) {
        self.feeds.borrow_mut().retain(|feed| feed.push(Err(disconnected(&self.address))));
    }

    fn handle(&self, value: Value) -> Result<Option<LocalFuture<()>>, SignalError> {
        let refused = |value: Value, reason: String| SignalError::Refused {
            signal: self.address.clone(),
            value,
            reason,
        };
        match self.on_put.get() {
            None => Err(refused(value, "it is read-only".to_owned())),
            Some(handler) => handler(value.clone()).map_err(|reason| refused(value, reason)),
        }
    }
}

/// What completes a put-callback, and its turn, which others wait for until then.
struct Completion {
    completion: Option<LocalFuture<()>>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Completion {
    async fn complete(self) {
        if let Some(completion) = self.completion {
            completion.await;
        }
        drop(self.permit);
    }
}

impl Pv {
    /// Takes a value that has arrived, in its turn.
    async fn take(
        &self,
        (value, settle): (Value, Settle),
        place: u64,
    ) -> Result<Completion, SignalError> {
        let turn = self.turn.get().filter(|_| settle == Settle::Completed);
        let Some(turn) = turn else {
            let taken = self.taken(value, settle, None);
            self.line.leave_place(place);
            return taken;
        };
        let Ok(permit) = turn.clone().try_acquire_owned() else {
            // Others that come later go on.
            self.line.leave_place(place);
            let permit = turn.clone().acquire_owned().await.expect("a turn is never closed");
            return self.taken(value, settle, Some(permit));
        };
        let permit = Some(permit);
        let taken = self.taken(value, settle, permit);
        self.line.leave_place(place);
        taken
    }

    fn taken(
        &self,
        value: Value,
        settle: Settle,
        permit: Option<OwnedSemaphorePermit>,
    ) -> Result<Completion, SignalError> {
        let completion = self.handle(value)?.filter(|_| settle == Settle::Completed);
        Ok(Completion { completion, permit })
    }
}

/// A connection to a simulated signal.
pub(crate) struct PvChannel(pub Rc<Pv>);

impl Channel for PvChannel {
    fn get(&self) -> LocalFuture<Result<Reading<Value>, SignalError>> {
        let pv = self.0.clone();
        Box::pin(async move {
            pv.line.admit(&pv.address)?;
            let arrival = pv.line.arrival(std::time::Duration::ZERO);
            pv.line.reach(&pv.address, arrival).await?;
            Ok(pv.read())
        })
    }

    fn put(&self, value: Value, settle: Settle) -> LocalFuture<Result<(), SignalError>> {
        let pv = self.0.clone();
        Box::pin(async move {
            pv.line.admit(&pv.address)?;
            let arrival = pv.line.arrival(pv.line.take_put_delay());
            let place = pv.line.take_place();
            let (reply, answer) = oneshot::channel();
            let (done, completed) = oneshot::channel();
            // Once sent it cannot be taken back, whatever becomes of the caller.
            let sent = pv.clone();
            pv.line.host.spawn(async move {
                let reached = sent.line.reach(&sent.address, arrival).await;
                sent.line.in_place(place).await;
                let taken = match reached {
                    Ok(()) => sent.take((value, settle), place).await,
                    Err(error) => {
                        sent.line.leave_place(place);
                        Err(error)
                    }
                };
                // Nobody may be waiting any more.
                match taken {
                    Ok(completion) => {
                        drop(reply.send(Ok(())));
                        completion.complete().await;
                        if done.send(()).is_err() {
                            tracing::trace!("nobody waited");
                        }
                    }
                    Err(error) => drop(reply.send(Err(error))),
                }
            });
            answer.await.map_err(|_| disconnected(&pv.address))??;
            match settle {
                Settle::Accepted => Ok(()),
                Settle::Completed => pv.line.unless_down(&pv.address, completed).await.map(drop),
            }
        })
    }

    fn observe(&self, backlog: Backlog) -> Monitor {
        let (feed, monitor) = monitor(&self.0.address, backlog);
        feed.push(match self.0.line.admit(&self.0.address) {
            Ok(()) => Ok(self.0.read()),
            Err(error) => Err(error),
        });
        self.0.feeds.borrow_mut().push(feed);
        monitor
    }

    fn metadata(&self) -> LocalFuture<Result<Metadata, SignalError>> {
        let pv = self.0.clone();
        Box::pin(async move {
            pv.line.admit(&pv.address)?;
            let arrival = pv.line.arrival(std::time::Duration::ZERO);
            pv.line.reach(&pv.address, arrival).await?;
            Ok(pv.metadata())
        })
    }
}
