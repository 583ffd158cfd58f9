//! Integration tests: one binary, which sees all crates, one module for each subject.
#![expect(clippy::unwrap_used, reason = "a test fails where it panics")]
mod alone;
mod api;
mod area_detector;
mod beam;
mod cli;
mod ctl;
mod dependencies;
mod desk;
mod flown;
mod guide;
mod house;
mod ioc;
mod late;
mod logic;
mod look;
mod manual;
mod motor;
mod panda;
mod panda_capture;
mod panda_detector;
mod panda_server;
mod panda_triggers;
mod pmac;
mod queue;
#[cfg(feature = "ca")]
mod reconnect;
mod replay;
mod run;
mod serve;
mod signals;
mod sim_world;
mod sim_world_panda;
mod storage;
mod supervise;
mod tidy;
mod transcript;
