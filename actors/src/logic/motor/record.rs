//! [`MotorRecord`]: the signals of one motor.
use crate::signal::{Connector, SignalError, SignalR, SignalRW, SignalX, choices};

choices! {
    /// `.SPMG`: whether a motor record moves at all.
    pub enum Spmg {
        /// Nothing moves; what moved has stopped, and its target is forgotten.
        Stop = "Stop",
        /// Nothing moves. A target that is put is gone to after a Go, but one that a motion was under
        /// way to is not.
        Pause = "Pause",
        /// One motion, and then Pause.
        Move = "Move",
        Go = "Go",
    }
}

/// The signals of an EPICS motor record. Positions in its EGU.
pub struct MotorRecord {
    /// `.VAL`: a put-callback completes when the motion ends, wherever that is.
    pub setpoint: SignalRW<f64>,
    /// `.RBV`; its alarm tells a broken motor.
    pub readback: SignalR<f64>,
    /// `.DMOV`
    pub done_moving: SignalR<bool>,
    /// `.STOP`: decelerates; always as a plain put, since a put-callback waits for the one of VAL.
    pub stop: SignalX,
    /// `.SPMG`
    pub mode: SignalR<Spmg>,
    /// `.VELO`, EGU/s: becomes VBAS if less is put; more than VMAX is taken.
    pub velocity: SignalRW<f64>,
    /// `.VBAS`, EGU/s.
    pub base_velocity: SignalR<f64>,
    /// `.VMAX`, EGU/s; zero: no maximum.
    pub max_velocity: SignalR<f64>,
    /// `.ACCL`: seconds to reach `velocity`.
    pub acceleration_time_s: SignalR<f64>,
    /// `.LLM` and `.HLM`; both zero: no limits.
    pub low_limit: SignalR<f64>,
    pub high_limit: SignalR<f64>,
    /// `.LVIO`: the last setpoint was beyond a soft limit, and was not taken.
    pub limit_violation: SignalR<bool>,
    /// `.LLS` and `.HLS`: the motor stands on a limit switch.
    pub low_switch: SignalR<bool>,
    pub high_switch: SignalR<bool>,
    /// `.MRES`: one step of the motor; negative for a motor that counts backwards.
    pub resolution: SignalR<f64>,
    /// `.RDBD`: how near is there.
    pub deadband: SignalR<f64>,
    /// `.DLY`: seconds to stand still after a move.
    pub settle_s: SignalR<f64>,
    /// `.EGU`
    pub unit: SignalR<String>,
    /// `.PREC`: decimal places that mean something.
    pub precision: SignalR<i64>,
}

impl MotorRecord {
    /// Connects every signal of the record at `address` (`sim://x`).
    pub async fn connect(connector: &Connector, address: &str) -> Result<Self, SignalError> {
        let field = |name: &str| format!("{address}.{name}");
        Ok(Self {
            setpoint: connector.rw(&field("VAL")).await?,
            readback: connector.r(&field("RBV")).await?,
            done_moving: connector.r(&field("DMOV")).await?,
            stop: connector.x(&field("STOP")).await?,
            mode: connector.r(&field("SPMG")).await?,
            velocity: connector.rw(&field("VELO")).await?,
            base_velocity: connector.r(&field("VBAS")).await?,
            max_velocity: connector.r(&field("VMAX")).await?,
            acceleration_time_s: connector.r(&field("ACCL")).await?,
            low_limit: connector.r(&field("LLM")).await?,
            high_limit: connector.r(&field("HLM")).await?,
            limit_violation: connector.r(&field("LVIO")).await?,
            low_switch: connector.r(&field("LLS")).await?,
            high_switch: connector.r(&field("HLS")).await?,
            resolution: connector.r(&field("MRES")).await?,
            deadband: connector.r(&field("RDBD")).await?,
            settle_s: connector.r(&field("DLY")).await?,
            unit: connector.r(&field("EGU")).await?,
            precision: connector.r(&field("PREC")).await?,
        })
    }
}
