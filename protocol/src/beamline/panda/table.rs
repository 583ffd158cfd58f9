//! [`PandaTable`]: a PandA as written.
use crate::beamline::{BeamlineError, Quantity};
use serde::Deserialize;
use serde_json::Value;
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
    #[serde(default)]
    pub sequencer: Option<String>,
    #[serde(default)]
    pub start_on: Option<String>,
    #[serde(default)]
    pub positions: Option<BTreeMap<String, String>>,
    #[serde(default)]
    pub gate: Option<String>,
    #[serde(default)]
    pub compare: Option<String>,
    #[serde(default)]
    pub axis: Option<String>,
    #[serde(default)]
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

/// Refuses a field that is not quoted: its dots make tables of it.
pub(in crate::beamline) fn quoted(key: &str, panda: &Value) -> Result<(), BeamlineError> {
    for table in ["wiring", "capture"] {
        let Some(fields) = panda.get(table).and_then(Value::as_object) else { continue };
        for (block, value) in fields {
            let (mut field, mut inner) = (block.clone(), value);
            while let Some((name, value)) = inner.as_object().and_then(|table| table.iter().next())
            {
                field = format!("{field}.{name}");
                inner = value;
            }
            if inner != value {
                let reason = format!("a table: quote the key, \"{field}\" = {inner}");
                return Err(BeamlineError::new(format!("{key}.{table}.{block}"), reason));
            }
        }
    }
    Ok(())
}

fn two_seconds() -> Quantity {
    Quantity("2 s".into())
}

fn five_seconds() -> Quantity {
    Quantity("5 s".into())
}
