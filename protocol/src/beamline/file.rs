//! [`BeamlineFile`]: a beamline file as written, key by key, before anything is checked.
use super::{BeamlineError, DeviceType, PandaTable, panda::quoted, table};
use serde::{Deserialize, Deserializer, de};
use serde_json::Value;
use std::{collections::BTreeMap, fmt};

/// A number with its unit, as written: `10 mm/s`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quantity(pub String);

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Quantity;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text with number and unit, such as \"10 mm/s\" or \"1 ms\"")
            }
            fn visit_str<E>(self, text: &str) -> Result<Quantity, E> {
                Ok(Quantity(text.to_owned()))
            }
        }
        deserializer.deserialize_str(Visitor)
    }
}

/// A whole file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BeamlineFile {
    pub beamline: BeamlineTable,
    pub data: DataTable,
    pub publish: PublishTable,
    pub supervision: SupervisionTable,
    pub queue: QueueTable,
    pub api: ApiTable,
    pub ca: CaTable,
    pub device: BTreeMap<String, DeviceTable>,
    pub sim: SimTable,
}

/// `[beamline]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct BeamlineTable {
    pub name: String,
}

/// `[data]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub struct DataTable {
    pub directory: String,
    pub path_template: String,
    pub min_free: Quantity,
    pub flush_period: Quantity,
    pub queue_size: Quantity,
    pub queue_duration: Quantity,
}

/// `[publish]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub struct PublishTable {
    pub lag: String,
    pub collect_period: Quantity,
}

/// `[supervision]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub struct SupervisionTable {
    pub on_crash: String,
    pub max_crashes_per_run: u32,
    pub retries_for_lost_frames: u32,
    pub restart_delay: Quantity,
    pub max_restart_delay: Quantity,
    pub max_restarts: u32,
    pub restart_window: Quantity,
}

/// `[queue]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub struct QueueTable {
    pub after_failure: String,
    pub after_restart: String,
    pub max_queued: usize,
}

/// `[api]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub struct ApiTable {
    pub listen: String,
    pub token_file: Option<String>,
    pub tls_certificate: Option<String>,
    pub tls_key: Option<String>,
    pub allowed_hosts: Vec<String>,
    pub max_body: Quantity,
    pub max_clients: usize,
    pub max_requests_per_s: u32,
    pub workers: usize,
}

/// `[ca]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub struct CaTable {
    pub address_list: Vec<String>,
    pub auto_address_list: bool,
    pub connection_timeout: Quantity,
    pub max_array_bytes: Quantity,
    pub watchdog_period: Quantity,
    pub watchdog_timeout: Quantity,
    pub aliases: BTreeMap<String, String>,
}

/// `[device.NAME]`, by its `type`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceTable {
    Motor(MotorTable),
    TrajectoryController(TrajectoryControllerTable),
    Detector(DetectorTable),
    Generator(GeneratorTable),
    Panda(PandaTable),
}

/// `[device.NAME]` of type `motor`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct MotorTable {
    pub provider: String,
    pub units: String,
    pub limits: [Quantity; 2],
    pub velocity: Quantity,
    pub acceleration: Quantity,
    #[serde(default = "no_time")]
    pub settle_time: Quantity,
    #[serde(default = "three")]
    pub precision: u32,
    #[serde(default)]
    pub compound: bool,
}

/// `[device.NAME]` of type `trajectory_controller`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct TrajectoryControllerTable {
    pub provider: String,
    pub axes: Vec<String>,
    #[serde(default = "thousand")]
    pub max_segments: usize,
    #[serde(default = "one_microsecond")]
    pub min_segment_duration: Quantity,
    #[serde(default = "four_seconds")]
    pub max_segment_duration: Quantity,
    #[serde(default = "no_time")]
    pub min_turnaround: Quantity,
    #[serde(default)]
    pub points: Option<String>,
    #[serde(default = "none")]
    pub trigger_bits: String,
    #[serde(default = "trigger_box")]
    pub triggers: String,
    #[serde(default = "first_cs")]
    pub cs: String,
    #[serde(default)]
    pub cs_provider: Option<String>,
}

/// `[device.NAME]` of type `detector`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct DetectorTable {
    pub provider: String,
    pub shape: [usize; 2],
    pub dtype: String,
    #[serde(default = "sim_detector")]
    pub camera: String,
    #[serde(default = "edge")]
    pub trigger: String,
    #[serde(default, deserialize_with = "table::optional")]
    pub trigger_words: Option<TriggerWordsTable>,
    pub dead_time: Quantity,
    #[serde(default)]
    pub exposure: Option<Quantity>,
    #[serde(default = "one")]
    pub exposures_per_frame: u32,
    #[serde(default = "five_seconds")]
    pub frame_timeout: Quantity,
    #[serde(default = "yes")]
    pub statistics: bool,
    #[serde(default = "yes")]
    pub positions: bool,
    #[serde(default, deserialize_with = "table::optional")]
    pub paths: Option<PathsTable>,
}

/// `[device.NAME.trigger_words]` of type `detector`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct TriggerWordsTable {
    pub internal: String,
    #[serde(default)]
    pub edge: Option<String>,
    #[serde(default)]
    pub gate: Option<String>,
}

/// `[device.NAME.paths]` of type `detector`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct PathsTable {
    pub here: String,
    pub ioc: String,
}

/// `[device.NAME]` of type `generator`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct GeneratorTable {
    pub provider: String,
}

/// `[sim]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub struct SimTable {
    pub seed: u64,
    #[serde(deserialize_with = "table::named")]
    pub device: BTreeMap<String, SimDeviceTable>,
}

/// `[sim.device.NAME]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub struct SimDeviceTable {
    pub lose_frames: Vec<u64>,
}

impl Default for DataTable {
    fn default() -> Self {
        Self {
            directory: "data".into(),
            path_template: "{run}-{device}.h5".into(),
            min_free: quantity("1 GiB"),
            flush_period: quantity("100 ms"),
            queue_size: quantity("256 MiB"),
            queue_duration: quantity("5 s"),
        }
    }
}

impl Default for PublishTable {
    fn default() -> Self {
        Self { lag: "eager".into(), collect_period: quantity("1 s") }
    }
}

impl Default for SupervisionTable {
    fn default() -> Self {
        Self {
            on_crash: "resume".into(),
            max_crashes_per_run: 3,
            retries_for_lost_frames: 3,
            restart_delay: quantity("100 ms"),
            max_restart_delay: quantity("10 s"),
            max_restarts: 3,
            restart_window: quantity("60 s"),
        }
    }
}

impl Default for QueueTable {
    fn default() -> Self {
        Self { after_failure: "hold".into(), after_restart: "hold".into(), max_queued: 1_000 }
    }
}

impl Default for ApiTable {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8470".into(),
            token_file: None,
            tls_certificate: None,
            tls_key: None,
            allowed_hosts: vec![],
            max_body: quantity("4 MiB"),
            max_clients: 512,
            max_requests_per_s: 20_000,
            workers: 2,
        }
    }
}

impl Default for CaTable {
    fn default() -> Self {
        Self {
            address_list: vec![],
            auto_address_list: true,
            connection_timeout: quantity("2 s"),
            max_array_bytes: quantity("16 MiB"),
            watchdog_period: quantity("200 ms"),
            watchdog_timeout: quantity("500 ms"),
            aliases: BTreeMap::new(),
        }
    }
}

impl BeamlineFile {
    /// Reads the tables of a file; `file` is what any format (TOML, JSON) was parsed to.
    pub fn from_value(file: Value) -> Result<Self, BeamlineError> {
        let tables: Tables = read("", file)?;
        let device = tables.device.into_iter().map(|(name, table)| {
            let table = device_table(&format!("device.{name}"), table)?;
            Ok((name, table))
        });
        Ok(Self {
            beamline: read("beamline", tables.beamline)?,
            data: read("data", tables.data)?,
            publish: read("publish", tables.publish)?,
            supervision: read("supervision", tables.supervision)?,
            queue: read("queue", tables.queue)?,
            api: read("api", tables.api)?,
            ca: read("ca", tables.ca)?,
            device: device.collect::<Result<_, BeamlineError>>()?,
            sim: read("sim", tables.sim)?,
        })
    }
}

/// The top of a file, whose tables are read one by one so that an error knows its key.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
struct Tables {
    beamline: Value,
    #[serde(default = "empty")]
    data: Value,
    #[serde(default = "empty")]
    publish: Value,
    #[serde(default = "empty")]
    supervision: Value,
    #[serde(default = "empty")]
    queue: Value,
    #[serde(default = "empty")]
    api: Value,
    #[serde(default = "empty")]
    ca: Value,
    #[serde(default)]
    device: BTreeMap<String, Value>,
    #[serde(default = "empty")]
    sim: Value,
}

fn device_table(key: &str, mut table: Value) -> Result<DeviceTable, BeamlineError> {
    let types = || DeviceType::ALL.map(DeviceType::as_str).join(", ");
    let Some(keys) = table.as_object_mut() else {
        return Err(BeamlineError::new(key, format!("expected a table, found {table}")));
    };
    let Some(written) = keys.remove("type") else {
        let reason = format!("missing key \"type\"; expected one of {}", types());
        return Err(BeamlineError::new(key, reason));
    };
    let known = DeviceType::ALL.into_iter().find(|known| written == known.as_str());
    match known {
        Some(DeviceType::Motor) => read(key, table).map(DeviceTable::Motor),
        Some(DeviceType::TrajectoryController) => {
            read(key, table).map(DeviceTable::TrajectoryController)
        }
        Some(DeviceType::Detector) => read(key, table).map(DeviceTable::Detector),
        Some(DeviceType::Generator) => read(key, table).map(DeviceTable::Generator),
        Some(DeviceType::Panda) => {
            quoted(key, &table)?;
            read(key, table).map(DeviceTable::Panda)
        }
        None => Err(BeamlineError::new(
            format!("{key}.type"),
            format!("{written} is no type of device; expected one of {}", types()),
        )),
    }
}

/// `table` as a `T`; an error names the key below `prefix`.
fn read<T: de::DeserializeOwned>(prefix: &str, table: Value) -> Result<T, BeamlineError> {
    if table.is_array() {
        // To serde one of the right length is a table.
        let key = if prefix.is_empty() { "top of the file" } else { prefix };
        return Err(BeamlineError::new(key, "invalid type: sequence, expected a table"));
    }
    serde_path_to_error::deserialize(table).map_err(|error| {
        let path = error.path().to_string();
        let (field, reason) = reworded(&error.into_inner().to_string());
        let mut keys: Vec<&str> = vec![prefix, &path];
        // The path of an unknown key may or may not end in that key.
        if let Some(field) = field.as_deref().filter(|field| path.rsplit('.').next() != Some(field))
        {
            keys.push(field);
        }
        keys.retain(|key| !key.is_empty() && *key != ".");
        let key = if keys.is_empty() { "top of the file".into() } else { keys.join(".") };
        BeamlineError::new(key, reason)
    })
}

/// serde's `message` in the words of a file: the unknown key if that is what it is about, and why.
fn reworded(message: &str) -> (Option<String>, String) {
    let plain = |text: &str| text.replace('`', "");
    if let Some((field, expected)) =
        message.strip_prefix("unknown field `").and_then(|rest| rest.split_once("`, "))
    {
        return (Some(field.to_owned()), format!("unknown key; {}", plain(expected)));
    }
    let reason = match message.strip_prefix("missing field ") {
        Some(field) => format!("missing key {:?}", plain(field)),
        None => plain(message),
    };
    (None, reason)
}

fn quantity(text: &str) -> Quantity {
    Quantity(text.to_owned())
}

fn empty() -> Value {
    Value::Object(serde_json::Map::new())
}

fn no_time() -> Quantity {
    quantity("0 s")
}

fn one_microsecond() -> Quantity {
    quantity("1 us")
}

fn four_seconds() -> Quantity {
    quantity("4 s")
}

fn five_seconds() -> Quantity {
    quantity("5 s")
}

const fn one() -> u32 {
    1
}

const fn three() -> u32 {
    3
}

const fn thousand() -> usize {
    1_000
}

const fn yes() -> bool {
    true
}

fn sim_detector() -> String {
    "sim_detector".into()
}

fn edge() -> String {
    "edge".into()
}

fn none() -> String {
    "none".into()
}

fn trigger_box() -> String {
    "box".into()
}

fn first_cs() -> String {
    "CS1".into()
}
