//! Supervision: actors that are started, watched, restarted and stopped by a tree of supervisors.
//!
//! actix gives actors, mailboxes and contexts; its own `Supervisor` restarts only on `ctx.stop()`,
//! never after a panic, without back-off or limit. Everything here stands on [`actix`]'s primitives
//! instead: a [`ChildSpec`] makes a fresh actor for each incarnation, a [`Supervisor`] keeps its
//! children alive by its [`Strategy`], a [`Ref`] addresses an actor across its restarts, and a
//! [`Tree`] answers what is running and tells of every death.
//!
//! ```no_run
//! use actix::{Actor, Context, Handler, Message};
//! use bluefly_actors::clock::Clock;
//! use bluefly_actors::random::Seed;
//! use bluefly_actors::supervise::{AskError, ChildSpec, Env, Lifeline, Strategy, Supervisor};
//! use std::time::Duration;
//!
//! struct Shutter(Lifeline);
//! impl Actor for Shutter {
//!     type Context = Context<Self>;
//! }
//! # #[derive(Message)] #[rtype(result = "()")] struct Open;
//! # impl Handler<Open> for Shutter { type Result = (); fn handle(&mut self, _: Open, _: &mut Context<Self>) {} }
//! # async fn example() -> Result<(), AskError> {
//! let (spec, shutter) = ChildSpec::new("shutter", |_, lifeline| Shutter(lifeline));
//! let env = Env::new(Clock::real(), Seed(1));
//! let tree = Supervisor::new(Strategy::OneForOne).child(spec).spawn("root", &env);
//! shutter.up().await?;
//! shutter.ask(Open, Duration::from_secs(1)).await?;
//! tree.shutdown().await;
//! # Ok(()) }
//! ```
mod child;
mod control;
mod env;
mod events;
mod exit;
mod life;
mod lifeline;
mod panics;
mod reference;
mod shuffle;
mod spec;
mod start;
mod supervisor;
mod tree;
mod watchdog;

pub use control::Vitals;
pub use env::{Env, Schedule};
pub use events::{Event, Events};
pub use exit::{Exit, Kill};
pub use lifeline::Lifeline;
pub use panics::install_panic_hook;
pub use reference::{AskError, Ref};
pub use shuffle::{Shuffled, shuffled};
pub use spec::{Backoff, ChildSpec, Ping, Restart};
pub use start::Seat;
pub use supervisor::{Strategy, Supervisor};
pub use tree::{Snapshot, State, Tree, TreeError};
pub use watchdog::{Blocked, Watchdog};
