//! [`Tap`]: between a data port and its reader, to change, hold or cut what is said.
use bluefly_actors::{
    backend::panda::control::{Dial, Dialed, Wire},
    clock::Clock,
};
use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::Notify,
};

#[derive(Clone)]
pub(super) struct Tap(Rc<Inner>);

struct Inner {
    port: Rc<dyn Dial>,
    /// What the port says, and what is said in its place.
    edits: RefCell<Vec<(String, String)>>,
    is_held: Cell<bool>,
    /// What the port says arrives so much later.
    lag: Cell<Duration>,
    clock: Clock,
    cuts: Notify,
}

impl Tap {
    pub(super) fn new(port: Rc<dyn Dial>, clock: Clock) -> Self {
        let (edits, is_held, lag) = (RefCell::default(), Cell::new(false), Cell::default());
        Self(Rc::new(Inner { port, edits, is_held, lag, clock, cuts: Notify::new() }))
    }

    /// From now on what the port says arrives so much later.
    pub(super) fn lag(&self, lag: Duration) {
        self.0.lag.set(lag);
    }

    /// From now on the port says `now` in place of `was`, a piece of what it says at once.
    pub(super) fn edit(&self, was: &str, now: &str) {
        self.0.edits.borrow_mut().push((was.to_owned(), now.to_owned()));
    }

    /// From now on nothing that the port says arrives.
    pub(super) fn hold(&self) {
        self.0.is_held.set(true);
    }

    /// Closes the connection.
    pub(super) fn cut(&self) {
        self.0.cuts.notify_waiters();
    }
}

impl Inner {
    fn edited(&self, mut bytes: Vec<u8>) -> Vec<u8> {
        for (was, now) in &*self.edits.borrow() {
            let found = bytes.windows(was.len()).position(|part| part == was.as_bytes());
            if let Some(at) = found {
                bytes.splice(at..at + was.len(), now.bytes());
            }
        }
        bytes
    }
}

impl Dial for Tap {
    fn dial(&self) -> Dialed {
        let tap = Rc::clone(&self.0);
        Box::pin(async move {
            let port = tap.port.dial().await?;
            let (ours, theirs) = tokio::io::duplex(1 << 20);
            tokio::task::spawn_local(async move {
                let (mut from, mut to) = tokio::io::split(port);
                let (mut input, mut output) = tokio::io::split(theirs);
                let (mut said, mut asked) = (vec![0; 1 << 16], vec![0; 1 << 10]);
                loop {
                    tokio::select! { biased;
                        () = tap.cuts.notified() => return,
                        Ok(length) = from.read(&mut said) => {
                            let edited = tap.edited(said[..length].to_vec());
                            tap.clock.sleep(tap.lag.get()).await;
                            if length == 0 || !tap.is_held.get() && output.write_all(&edited).await.is_err() {
                                return;
                            }
                        }
                        Ok(length) = input.read(&mut asked) => {
                            if length == 0 || to.write_all(&asked[..length]).await.is_err() {
                                return;
                            }
                        }
                        else => return,
                    }
                }
            });
            Ok(Box::new(ours) as Box<dyn Wire>)
        })
    }

    fn peer(&self) -> String {
        "a tapped data port".to_owned()
    }
}
