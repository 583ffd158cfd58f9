//! A simulated beamline at signal level, from one seed.
//!
//! What is simulated is hardware: the behaviour of devices behind their signals. Our own logic is
//! never copied here. Positions and frames are computed from elapsed time when they are asked for;
//! nothing sleeps once per frame.
pub mod config;
pub mod faults;
pub mod ioc;
pub mod panda;
mod serving;
pub mod sink;
pub mod trace;
pub mod world;

mod axis;
mod controller;
mod detector;
mod echo;
mod line;
mod motor;
mod multiplier;
mod picture;
mod pv;
mod stats;
mod train;
mod wires;
mod writer;

pub use config::{
    ControllerConfig, DetectorConfig, EncoderConfig, GeneratorConfig, InputConfig, Latency,
    MotorConfig, OutputConfig, PandaConfig, WorldConfig,
};
pub use world::{SimProvider, World};
