//! [`PviDevice`]: the signals of a device as a PVI description lists them (process variables
//! introspection, of the Python package `pvi`): `*.pvi.device.yaml` read into JSON, its includes
//! resolved.
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// A device that describes itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PviDevice {
    pub label: String,
    /// In the order of the description.
    pub signals: Vec<PviSignal>,
}

/// One signal of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PviSignal {
    /// Names of its groups and its own: `AcquireControl.AcquireTime`.
    pub name: String,
    /// Where it stands in the description: `children[0].children[3]`.
    pub place: String,
    pub pvs: PviPvs,
}

/// The PVs of a signal, and what is done with them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PviPvs {
    Read {
        pv: String,
    },
    Write {
        pv: String,
    },
    /// Both may be the same.
    ReadWrite {
        read_pv: String,
        write_pv: String,
    },
    /// This value sets it off.
    Trigger {
        pv: String,
        value: String,
    },
}

/// A description cannot be used: where in it, and the value and the rule it breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {reason}")]
pub struct PviError {
    pub place: String,
    pub reason: String,
}

/// Groups within groups.
const MAX_DEPTH: usize = 16;
/// Signals of one device.
const MAX_SIGNALS: usize = 100_000;
/// Types of children that are no signals of this device.
const NO_SIGNALS: [&str; 3] = ["DeviceRef", "SignalRef", "IgnoredComponent"];

/// What is the same for all of a description.
struct Reader<'a> {
    macros: &'a BTreeMap<String, String>,
    signals: Vec<PviSignal>,
    names: BTreeMap<String, String>,
}

/// Where the reader is.
#[derive(Clone, Default)]
struct Spot {
    place: String,
    groups: Vec<String>,
}

impl PviDevice {
    /// Reads a description, with `macros` in place of `$(NAME)` in the names of PVs.
    pub fn from_value(
        description: &Value,
        macros: &BTreeMap<String, String>,
    ) -> Result<Self, PviError> {
        let top = Spot::default();
        let device = top.table(description)?;
        let label = top.text(device, "label")?;
        let mut reader = Reader { macros, signals: Vec::new(), names: BTreeMap::new() };
        reader.children(&top, device)?;
        Ok(Self { label, signals: reader.signals })
    }
}

impl Reader<'_> {
    fn children(&mut self, spot: &Spot, parent: &Map<String, Value>) -> Result<(), PviError> {
        let Some(children) = parent.get("children") else { return Ok(()) };
        let Some(children) = children.as_array() else {
            return Err(spot.wrong("children", format!("expected a list, found {children}")));
        };
        for (i, child) in children.iter().enumerate() {
            self.child(&spot.below(&format!("children[{i}]")), child)?;
        }
        Ok(())
    }

    fn child(&mut self, spot: &Spot, child: &Value) -> Result<(), PviError> {
        let child = spot.table(child)?;
        let kind = spot.text(child, "type")?;
        if kind == "Include" {
            let reason = "\"Include\" is to be resolved before: write the device with pvi";
            return Err(spot.wrong("type", reason));
        }
        let name = spot.text(child, "name")?;
        let mut spot = spot.clone();
        spot.groups.push(name);
        if kind == "Group" {
            if spot.groups.len() > MAX_DEPTH {
                return Err(spot.wrong("", format!("more than {MAX_DEPTH} groups in each other")));
            }
            return self.children(&spot, child);
        }
        let pvs = match kind.as_str() {
            "SignalR" => PviPvs::Read { pv: self.pv(&spot, child, "read_pv")? },
            "SignalW" => PviPvs::Write { pv: self.pv(&spot, child, "write_pv")? },
            "SignalRW" => {
                let write_pv = self.pv(&spot, child, "write_pv")?;
                let read_pv = match child.get("read_pv") {
                    Some(given) if given != "" => self.pv(&spot, child, "read_pv")?,
                    Some(_) | None => write_pv.clone(),
                };
                PviPvs::ReadWrite { read_pv, write_pv }
            }
            "SignalX" => {
                let pv = self.pv(&spot, child, "write_pv")?;
                let given = child.contains_key("value");
                let value = if given { spot.text(child, "value")? } else { "1".to_owned() };
                PviPvs::Trigger { pv, value }
            }
            other if NO_SIGNALS.contains(&other) => return Ok(()),
            other => return Err(spot.wrong("type", format!("{other:?} is no type of pvi"))),
        };
        self.add(spot, pvs)
    }

    fn add(&mut self, spot: Spot, pvs: PviPvs) -> Result<(), PviError> {
        let name = spot.groups.join(".");
        if let Some(first) = self.names.insert(name.clone(), spot.place.clone()) {
            return Err(spot.wrong("name", format!("{name:?} is the name of {first} already")));
        }
        if self.signals.len() == MAX_SIGNALS {
            return Err(spot.wrong("", format!("more than {MAX_SIGNALS} signals")));
        }
        self.signals.push(PviSignal { name, place: spot.place, pvs });
        Ok(())
    }

    /// The name of a PV, its macros resolved.
    fn pv(&self, spot: &Spot, child: &Map<String, Value>, key: &str) -> Result<String, PviError> {
        let text = spot.text(child, key)?;
        let mut pv = String::new();
        let mut rest = text.as_str();
        while let Some((before, behind)) = rest.split_once("$(") {
            let Some((name, behind)) = behind.split_once(')') else {
                return Err(spot.wrong(key, format!("{text:?} has a macro without its end")));
            };
            let Some(value) = self.macros.get(name) else {
                return Err(spot.wrong(key, format!("{text:?}: nothing is given for $({name})")));
            };
            pv = pv + before + value;
            rest = behind;
        }
        pv += rest;
        if pv.is_empty() || pv.contains(char::is_whitespace) {
            let reason = format!("{pv:?} is no name of a PV: expected a text without spaces");
            return Err(spot.wrong(key, reason));
        }
        Ok(pv)
    }
}

impl Spot {
    fn below(&self, key: &str) -> Self {
        Self { place: self.at(key), groups: self.groups.clone() }
    }

    fn at(&self, key: &str) -> String {
        match (self.place.as_str(), key) {
            ("", "") => "top of the description".to_owned(),
            ("", key) => key.to_owned(),
            (place, "") => place.to_owned(),
            (place, key) => format!("{place}.{key}"),
        }
    }

    fn wrong(&self, key: &str, reason: impl Into<String>) -> PviError {
        PviError { place: self.at(key), reason: reason.into() }
    }

    fn table<'v>(&self, value: &'v Value) -> Result<&'v Map<String, Value>, PviError> {
        value.as_object().ok_or_else(|| self.wrong("", format!("expected a table, found {value}")))
    }

    fn text(&self, table: &Map<String, Value>, key: &str) -> Result<String, PviError> {
        match table.get(key) {
            Some(Value::String(text)) if !text.is_empty() => Ok(text.clone()),
            Some(found) => Err(self.wrong(key, format!("expected a text, found {found}"))),
            None => Err(self.wrong("", format!("missing key {key:?}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn macros() -> BTreeMap<String, String> {
        [("P", "BL:"), ("R", "CAM:")].map(|(a, b)| (a.to_owned(), b.to_owned())).into()
    }

    fn check(children: &Value, error: &str) {
        let read = PviDevice::from_value(&json!({"label": "X", "children": children}), &macros());
        assert_eq!(read.map_err(|error| error.to_string()), Err(error.to_owned()));
    }

    #[test]
    fn signals_are_named_by_their_groups() {
        let description = json!({"label": "Camera", "children": [
            {"type": "Group", "name": "Control", "layout": {"type": "Grid"}, "children": [
                {"type": "SignalRW", "name": "Gain", "write_pv": "$(P)$(R)Gain"},
                {"type": "SignalRW", "name": "Time", "write_pv": "T", "read_pv": "T_RBV"},
                {"type": "SignalX", "name": "Stop", "write_pv": "S", "value": "0"},
            ]},
            {"type": "SignalR", "name": "State", "read_pv": "ST", "read_widget": {"type": "LED"}},
            {"type": "SignalX", "name": "Go", "write_pv": "G"},
            {"type": "SignalW", "name": "Set", "write_pv": "W"},
            {"type": "DeviceRef", "name": "Other", "pv": "O:PVI", "ui": "o.ui"},
        ]});
        let device = PviDevice::from_value(&description, &macros()).unwrap();
        let named: Vec<(&str, &str)> =
            device.signals.iter().map(|signal| (&*signal.name, &*signal.place)).collect();
        let expected = [
            ("Control.Gain", "children[0].children[0]"),
            ("Control.Time", "children[0].children[1]"),
            ("Control.Stop", "children[0].children[2]"),
            ("State", "children[1]"),
            ("Go", "children[2]"),
            ("Set", "children[3]"),
        ];
        assert_eq!((device.label.as_str(), named.as_slice()), ("Camera", expected.as_slice()));
        let pvs: Vec<PviPvs> = device.signals.into_iter().map(|signal| signal.pvs).collect();
        let text = str::to_owned;
        let both = |read: &str, write: &str| PviPvs::ReadWrite {
            read_pv: text(read),
            write_pv: text(write),
        };
        let trigger = |pv: &str, value: &str| PviPvs::Trigger { pv: text(pv), value: text(value) };
        let expected = [
            both("BL:CAM:Gain", "BL:CAM:Gain"),
            both("T_RBV", "T"),
            trigger("S", "0"),
            PviPvs::Read { pv: text("ST") },
            trigger("G", "1"),
            PviPvs::Write { pv: text("W") },
        ];
        assert_eq!(pvs, expected);
    }

    #[test]
    fn what_is_wrong_is_named_by_its_place() {
        let group = |child: Value| json!([{"type": "Group", "name": "G", "children": [child]}]);
        check(&json!(1), "children: expected a list, found 1");
        check(&json!([1]), "children[0]: expected a table, found 1");
        check(&json!([{"name": "A"}]), "children[0]: missing key \"type\"");
        check(&group(json!({"type": "SignalR"})), "children[0].children[0]: missing key \"name\"");
        let signal = |pv: &str| group(json!({"type": "SignalR", "name": "A", "read_pv": pv}));
        let at = "children[0].children[0].read_pv";
        check(&signal("$(Q)A"), &format!("{at}: \"$(Q)A\": nothing is given for $(Q)"));
        check(&signal("$(P"), &format!("{at}: \"$(P\" has a macro without its end"));
        let rule = "is no name of a PV: expected a text without spaces";
        check(&signal("a b"), &format!("{at}: \"a b\" {rule}"));
        check(&signal(""), &format!("{at}: expected a text, found \"\""));
        let lamp = json!({"type": "Lamp", "name": "A"});
        check(&group(lamp), "children[0].children[0].type: \"Lamp\" is no type of pvi");
        let include = json!({"type": "Include", "file_name": "a"});
        let rule = "\"Include\" is to be resolved before: write the device with pvi";
        check(&json!([include]), &format!("children[0].type: {rule}"));
        let twice = json!({"type": "SignalR", "name": "A", "read_pv": "A"});
        let error = "children[1].name: \"A\" is the name of children[0] already";
        check(&json!([twice, twice]), error);
        let deep = (0..17).fold(
            json!([]),
            |children, _| json!([{"type": "Group", "name": "G", "children": children}]),
        );
        let place = ["children[0]"; 17].join(".");
        check(&deep, &format!("{place}: more than 16 groups in each other"));
    }
}
