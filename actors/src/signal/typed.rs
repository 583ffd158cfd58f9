//! [`SignalR`], [`SignalW`], [`SignalRW`] and [`SignalX`]: signals with a type and a deadline.
use super::{
    Backlog, Metadata, Monitor, Reading, Settle, SignalError, SignalValue, Value, link::Link,
};
use std::{marker::PhantomData, rc::Rc, time::Duration};

/// A signal that can be read and observed.
pub struct SignalR<T> {
    link: Rc<Link>,
    value: PhantomData<T>,
}

/// A signal that can be written.
pub struct SignalW<T> {
    link: Rc<Link>,
    value: PhantomData<T>,
}

/// A signal that can be read, observed and written.
pub struct SignalRW<T> {
    read: SignalR<T>,
    write: SignalW<T>,
}

/// A signal that does something when it is triggered.
pub struct SignalX {
    link: Rc<Link>,
}

/// What happens to a signal, one reading after the other.
pub struct Observer<T> {
    link: Rc<Link>,
    monitor: Monitor,
    value: PhantomData<T>,
}

fn typed<T: SignalValue>(
    address: &str,
    reading: Reading<Value>,
) -> Result<Reading<T>, SignalError> {
    reading.map(|value| {
        T::from_value(value).map_err(|found| SignalError::WrongType {
            signal: address.to_owned(),
            expected: T::KIND,
            found,
        })
    })
}

impl<T: SignalValue> SignalR<T> {
    pub(super) const fn new(link: Rc<Link>) -> Self {
        Self { link, value: PhantomData }
    }

    pub fn address(&self) -> &str {
        self.link.address()
    }

    /// The value now.
    pub async fn get(&self) -> Result<T, SignalError> {
        Ok(self.read().await?.value)
    }

    /// The value now, with its time and alarm.
    pub async fn read(&self) -> Result<Reading<T>, SignalError> {
        let reading = self.link.get().await?;
        typed(self.link.address(), reading)
    }

    /// What its record says of itself.
    pub async fn metadata(&self) -> Result<Metadata, SignalError> {
        self.link.metadata().await
    }

    /// The present value and every change from now on.
    pub fn observe(&self, backlog: Backlog) -> Observer<T> {
        let monitor = self.link.observe(backlog);
        Observer { link: self.link.clone(), monitor, value: PhantomData }
    }

    /// Resolves with the first value, present or later, for which `holds`.
    ///
    /// Fails with [`SignalError::NotReached`] after `within`, and at once if the link drops.
    pub async fn wait_for(
        &self,
        within: Duration,
        holds: impl Fn(&T) -> bool,
    ) -> Result<T, SignalError> {
        let mut observer = self.observe(Backlog::Latest);
        let mut last = None;
        let reached = async {
            loop {
                let value = observer.next().await?.value;
                if holds(&value) {
                    return Ok(value);
                }
                last = Some(value);
            }
        };
        let reached = self.link.clock().timeout(within, reached).await;
        let signal = self.link.address().to_owned();
        reached.unwrap_or_else(|_| match last {
            Some(last) => {
                let last = last.into_value();
                Err(SignalError::NotReached { signal, last, after: within })
            }
            None => Err(SignalError::Timeout { signal, after: within }),
        })
    }
}

impl<T: SignalValue> SignalW<T> {
    pub(super) const fn new(link: Rc<Link>) -> Self {
        Self { link, value: PhantomData }
    }

    pub fn address(&self) -> &str {
        self.link.address()
    }

    /// Resolves once everything that `value` sets off is complete, within the usual deadline.
    pub async fn put(&self, value: T) -> Result<(), SignalError> {
        self.put_within(self.link.deadline(), value).await
    }

    /// Resolves once everything that `value` sets off is complete.
    pub async fn put_within(&self, within: Duration, value: T) -> Result<(), SignalError> {
        self.link.put(value.into_value(), Settle::Completed, within).await
    }

    /// Resolves once the device has taken `value`; what it sets off goes on.
    pub async fn send(&self, value: T) -> Result<(), SignalError> {
        self.link.put(value.into_value(), Settle::Accepted, self.link.deadline()).await
    }
}

impl<T: SignalValue> SignalRW<T> {
    pub(super) fn new(link: Rc<Link>) -> Self {
        Self { read: SignalR::new(Rc::clone(&link)), write: SignalW::new(link) }
    }

    pub fn address(&self) -> &str {
        self.read.address()
    }

    /// The reading side.
    pub const fn r(&self) -> &SignalR<T> {
        &self.read
    }

    /// The writing side.
    pub const fn w(&self) -> &SignalW<T> {
        &self.write
    }

    /// See [`SignalR::get`].
    pub async fn get(&self) -> Result<T, SignalError> {
        self.read.get().await
    }

    /// See [`SignalW::put`].
    pub async fn put(&self, value: T) -> Result<(), SignalError> {
        self.write.put(value).await
    }

    /// See [`SignalW::send`].
    pub async fn send(&self, value: T) -> Result<(), SignalError> {
        self.write.send(value).await
    }
}

impl SignalX {
    pub(super) const fn new(link: Rc<Link>) -> Self {
        Self { link }
    }

    pub fn address(&self) -> &str {
        self.link.address()
    }

    /// Resolves once what it does is done, within the usual deadline.
    pub async fn trigger(&self) -> Result<(), SignalError> {
        self.trigger_within(self.link.deadline()).await
    }

    /// Resolves once what it does is done.
    pub async fn trigger_within(&self, within: Duration) -> Result<(), SignalError> {
        self.link.put(Value::Int(1), Settle::Completed, within).await
    }

    /// Resolves once the device has begun.
    pub async fn send(&self) -> Result<(), SignalError> {
        self.link.put(Value::Int(1), Settle::Accepted, self.link.deadline()).await
    }
}

impl<T: SignalValue> Observer<T> {
    /// Resolves with the next reading, or with the loss of the link, after which values come again
    /// once the link is back. Silence is legal: there is no deadline here. Cancel safe.
    pub async fn next(&mut self) -> Result<Reading<T>, SignalError> {
        let reading = self.monitor.next().await?;
        typed(self.link.address(), reading)
    }

    /// As [`next`](Self::next), but fails with [`SignalError::Timeout`] after `within`.
    pub async fn next_within(&mut self, within: Duration) -> Result<Reading<T>, SignalError> {
        let link = self.link.clone();
        link.within(within, self.next()).await
    }
}
