//! Every signal of a beamline, as it was found.
use crate::{
    cli::{
        table::{Align, table},
        text::one_line,
    },
    survey::{Answers, Signal},
};
use bluefly_actors::signal::{Access, Kind, Metadata, Usage, Value};
use bluefly_protocol::name::Name;
use serde_json::json;

/// Characters of a value that a table shows.
const MOST: usize = 24;

/// A row for each signal; of a device that is silent, one for all.
pub(super) fn signals_table(answers: &Answers) -> String {
    let header = ["DEVICE", "SIGNAL", "TYPE", "ACCESS", "UNITS", "VALUE", "REMARK"];
    let rows = answers.iter().flat_map(|(device, answer)| {
        if answer.is_silent() {
            return vec![silent(device, answer.signals.len())];
        }
        answer.signals.iter().map(|signal| row(device, signal)).collect()
    });
    table(header.map(|name| (name, Align::Left)), rows)
}

fn silent(device: &Name, num_signals: usize) -> [String; 7] {
    let texts = ["all", "-", "-", "-", "-"].map(str::to_owned);
    let [all, type_, access, units, value] = texts;
    let remark = format!("NOT CONNECTED: {num_signals} signals");
    [device.to_string(), all, type_, access, units, value, remark]
}

fn row(device: &Name, signal: &Signal) -> [String; 7] {
    let (device, address) = (device.to_string(), signal.wanted.address.clone());
    match &signal.found {
        Ok(found) => {
            let Metadata { access, units, .. } = &found.metadata;
            let value = found.value.as_ref().map(shown).unwrap_or_default();
            let access = access_text(*access).to_owned();
            let remark = signal.mismatches.join(", ");
            let type_ = type_text(&found.metadata);
            [device, address, type_, access, one_line(units), value, remark]
        }
        Err(error) => {
            let nothing = || "-".to_owned();
            let remark = format!("NOT CONNECTED: {error}");
            [device, address, nothing(), nothing(), nothing(), nothing(), remark]
        }
    }
}

/// The same for programs.
pub(super) fn listed(signal: &Signal) -> serde_json::Value {
    let wanted = &signal.wanted;
    let mut listed = json!({
        "signal": wanted.address,
        "connected": signal.found.is_ok(),
        "expected": {
            "kind": kind_word(wanted.kind),
            "usage": usage_word(wanted.usage),
            "choices": wanted.choices,
        },
        "mismatches": signal.mismatches,
    });
    match &signal.found {
        Ok(found) => {
            let Metadata { native, max_count, access, units, choices, .. } = &found.metadata;
            listed["type"] = json!(native);
            listed["count"] = json!(max_count);
            listed["access"] = json!(access);
            listed["units"] = json!(units);
            listed["choices"] = json!(choices);
            listed["value"] = found.value.as_ref().map_or(serde_json::Value::Null, value_json);
        }
        Err(error) => listed["error"] = json!(error.to_string()),
    }
    listed
}

fn type_text(metadata: &Metadata) -> String {
    let native = metadata.native.as_str();
    match metadata.max_count {
        1 => native.to_owned(),
        count => format!("{native}[{count}]"),
    }
}

const fn access_text(access: Access) -> &'static str {
    match (access.read, access.write) {
        (true, true) => "rw",
        (true, false) => "r",
        (false, true) => "w",
        (false, false) => "none",
    }
}

const fn kind_word(kind: Kind) -> &'static str {
    match kind {
        Kind::Bool => "bool",
        Kind::Int => "int",
        Kind::Float => "float",
        Kind::Text => "text",
        Kind::Floats => "floats",
    }
}

const fn usage_word(usage: Usage) -> &'static str {
    match usage {
        Usage::Read => "read",
        Usage::Write => "write",
        Usage::ReadWrite => "read_write",
        Usage::Trigger => "trigger",
    }
}

fn shown(value: &Value) -> String {
    let text = match value {
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Float(value) => value.to_string(),
        Value::Text(text) => one_line(text),
        Value::Floats(values) => format!("{} numbers", values.len()),
    };
    if text.chars().count() <= MOST {
        return text;
    }
    let start: String = text.chars().take(MOST - 1).collect();
    format!("{start}…")
}

/// Numbers that JSON has no word for are null.
fn value_json(value: &Value) -> serde_json::Value {
    match value {
        Value::Bool(value) => json!(value),
        Value::Int(value) => json!(value),
        Value::Float(value) => json!(value),
        Value::Text(text) => json!(text),
        Value::Floats(values) => json!({"length": values.len()}),
    }
}
