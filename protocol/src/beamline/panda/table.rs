//! [`PandaTable`]: a PandA as written.
use crate::beamline::Quantity;
use serde::Deserialize;
use std::collections::BTreeMap;

/// `[device.NAME]` of type `panda`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct PandaTable {
    pub provider: String,
    #[serde(default = "two_seconds")]
    pub connection_timeout: Quantity,
    #[serde(default = "five_seconds")]
    pub frame_timeout: Quantity,
    #[serde(default)]
    pub wiring: BTreeMap<String, String>,
    #[serde(default)]
    pub encoders: BTreeMap<String, EncoderTable>,
    #[serde(default)]
    pub triggers: Option<PandaTriggersTable>,
    #[serde(default)]
    pub capture: Option<BTreeMap<String, Vec<String>>>,
}

/// `[device.NAME.encoders]` of type `panda`: one of its entries.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct EncoderTable {
    pub input: String,
    pub scale: Quantity,
    pub offset: Quantity,
}

/// `[device.NAME.triggers]` of type `panda`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct PandaTriggersTable {
    pub sequencer: String,
    pub start_on: String,
    #[serde(default)]
    pub positions: BTreeMap<String, String>,
    #[serde(default)]
    pub gate: Option<String>,
    pub outputs: BTreeMap<String, PandaOutputTable>,
}

/// `[device.NAME.triggers.outputs]` of type `panda`: one of its entries.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct PandaOutputTable {
    pub output: String,
    #[serde(default)]
    pub pulse: Option<String>,
}

fn two_seconds() -> Quantity {
    Quantity("2 s".into())
}

fn five_seconds() -> Quantity {
    Quantity("5 s".into())
}
