//! HTTP and WebSocket: one door to the [`Desk`](super::desk::Desk).
//!
//! A route does no more than to make a request of what came in and JSON of what is answered. The
//! workers have threads of their own, with less priority than that of the devices.
mod actor;
mod app;
mod body;
mod buckets;
mod config;
mod counters;
mod devices;
mod documents;
mod events;
mod frames;
mod front;
mod gate;
mod health;
mod metrics;
mod openapi;
mod page;
mod query;
mod reply;
mod runs;
mod status;
mod steps;
mod stopwatch;
mod thread;
mod visits;

pub use actor::HttpServer;
pub use config::{HttpConfig, Limits, Rate, Token};
pub use openapi::openapi;
pub use page::{PAGE, POLICY};
