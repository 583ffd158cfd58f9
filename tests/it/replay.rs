//! The simulated hardware does what real hardware was recorded to do, step by step.
//!
//! A recording lists what was put and what was told. What is put is put again at the same times; what
//! is told must be the same values of each signal, and nothing that came clearly before something else
//! may come after it. Times are the business of the hardware.
use crate::beam::{Beam, LIMITS, simulate};
use bluefly_actors::{
    logic::trajectory::{ProfileStatus, TimeMode},
    signal::{Backlog, Connector, Kind, Value},
};
use bluefly_protocol::trajectory::AxisLimits;
use bluefly_sim::WorldConfig;
use serde::Deserialize;
use serde_json::{Value as Json, json};
use std::{cell::RefCell, collections::BTreeMap, rc::Rc, sync::Arc, time::Duration};

#[derive(Deserialize)]
struct Scenario {
    name: String,
    /// Values of signals before it began.
    before: BTreeMap<String, Json>,
    events: Vec<Event>,
}

/// At how many milliseconds, what (`put`, `put_callback`, its `done`, or a `monitor`), which signal,
/// and its value; null for a position that depends on the motor.
#[derive(Clone, Debug, Deserialize, PartialEq)]
struct Event(u64, String, String, Json);

impl Event {
    fn is_action(&self) -> bool {
        self.1 == "put" || self.1 == "put_callback"
    }
}

fn motor() -> Vec<Scenario> {
    serde_json::from_str(include_str!("../recordings/motor.json")).unwrap()
}

fn pmac() -> Vec<Scenario> {
    serde_json::from_str(include_str!("../recordings/pmac.json")).unwrap()
}

/// A value as it was recorded.
fn recorded(value: &Value) -> Json {
    match value {
        Value::Bool(value) => json!(u8::from(*value)),
        Value::Int(value) => json!(value),
        Value::Float(value) => json!(value),
        Value::Text(text) => json!(text),
        Value::Floats(values) => json!(values.len()),
    }
}

/// A recorded value as a signal of this kind takes it.
fn to_put(kind: Kind, value: &Json) -> Value {
    match kind {
        Kind::Bool => Value::Bool(value.as_f64() == Some(1.0)),
        Kind::Int => Value::Int(value.as_i64().unwrap()),
        Kind::Float => Value::Float(value.as_f64().unwrap()),
        Kind::Text => Value::Text(value.as_str().unwrap().to_owned()),
        Kind::Floats => panic!("no array was recorded"),
    }
}

/// Of which kind a signal is.
type Kinds = fn(&str) -> Kind;

fn motor_kind(field: &str) -> Kind {
    match field {
        "VAL" | "VELO" => Kind::Float,
        "DMOV" | "MOVN" | "LVIO" | "HLS" => Kind::Bool,
        "STOP" => Kind::Int,
        "SPMG" => Kind::Text,
        other => panic!("{other}"),
    }
}

fn pmac_kind(field: &str) -> Kind {
    if field.starts_with("ProfilePoints") {
        Kind::Int
    } else if field.ends_with("_RBV") {
        Kind::Text
    } else {
        Kind::Bool
    }
}

/// What was heard, and what each signal said before.
#[derive(Default)]
struct Heard {
    before: BTreeMap<String, Json>,
    events: Vec<Event>,
}

/// Does what was done, and hears until a while after.
async fn replay(beam: &Beam, prefix: &str, scenario: &Scenario, kind: Kinds) -> Heard {
    let heard = Rc::new(RefCell::new(Heard::default()));
    let (start, provider) = (beam.clock.now(), beam.world.provider());
    let now = {
        let clock = beam.clock.clone();
        move || (clock.now() - start).as_millis() as u64
    };
    let mut fields: Vec<&str> = Vec::new();
    for Event(_, source, field, _) in &scenario.events {
        if source == "monitor" && !fields.contains(&field.as_str()) {
            fields.push(field);
        }
    }
    for field in fields {
        let channel = provider.connect(&format!("{prefix}{field}"), kind(field)).await.unwrap();
        let mut monitor = channel.observe(Backlog::Queue(10_000));
        let mut last = recorded(&monitor.next().await.unwrap().value);
        heard.borrow_mut().before.insert(field.to_owned(), last.clone());
        let (heard, field, now) = (heard.clone(), field.to_owned(), now.clone());
        tokio::task::spawn_local(async move {
            loop {
                let value = recorded(&monitor.next().await.unwrap().value);
                // These were recorded as they changed only.
                let is_repeated = matches!(field.as_str(), "DMOV" | "VELO") && value == last;
                if !is_repeated {
                    let event = Event(now(), "monitor".to_owned(), field.clone(), value.clone());
                    heard.borrow_mut().events.push(event);
                }
                last = value;
            }
        });
    }
    for event in scenario.events.iter().filter(|event| event.is_action()) {
        let Event(at_ms, source, field, value) = event.clone();
        beam.clock.sleep_until(start + Duration::from_millis(at_ms)).await;
        let channel = provider.connect(&format!("{prefix}{field}"), kind(&field)).await.unwrap();
        heard.borrow_mut().events.push(Event(now(), source.clone(), field.clone(), value.clone()));
        let settle = match source.as_str() {
            "put" => bluefly_actors::signal::Settle::Accepted,
            _ => bluefly_actors::signal::Settle::Completed,
        };
        let put = channel.put(to_put(kind(&field), &value), settle);
        let is_recorded = |event: &Event| event.1 == "done" && event.2 == field;
        let tells = source == "put_callback" && scenario.events.iter().any(is_recorded);
        let (heard, now) = (heard.clone(), now.clone());
        tokio::task::spawn_local(async move {
            put.await.unwrap();
            if tells {
                heard.borrow_mut().events.push(Event(now(), "done".to_owned(), field, value));
            }
        });
        beam.clock.sleep(Duration::from_micros(1)).await;
    }
    beam.clock.sleep(Duration::from_secs(10)).await;
    heard.take()
}

/// What is put or told of each signal, in order: when, and its value.
type Told = BTreeMap<(String, String), Vec<(u64, Json)>>;

fn told(events: &[Event]) -> Told {
    let mut told = Told::new();
    for Event(at_ms, source, field, value) in events {
        let key = (source.clone(), field.clone());
        told.entry(key).or_default().push((*at_ms, value.clone()));
    }
    told
}

/// Drops the first value of `told` if that is no news to the other, who said it before.
fn drop_known(told: &mut Vec<(u64, Json)>, other: &[(u64, Json)], before: Option<&Json>) {
    let is_longer = told.len() == other.len() + 1;
    if is_longer && told.first().map(|(_, value)| value) == before {
        told.remove(0);
    }
}

/// Between events that are this far from each other there is an order.
const APART_MS: u64 = 150;

/// What differs, in words.
fn difference(scenario: &Scenario, heard: &Heard) -> Option<String> {
    let (mut real, mut ours) = (told(&scenario.events), told(&heard.events));
    for (key, list) in &mut ours {
        let known = real.entry(key.clone()).or_default();
        drop_known(list, known, scenario.before.get(&key.1));
        drop_known(known, list, heard.before.get(&key.1));
        for ((_, value), (_, recorded)) in list.iter_mut().zip(known) {
            if recorded.is_null() {
                *value = Json::Null;
            }
        }
    }
    for (key, known) in &mut real {
        drop_known(known, ours.entry(key.clone()).or_default(), heard.before.get(&key.1));
    }
    let name = &scenario.name;
    let values = |list: &[(u64, Json)]| -> Vec<Json> {
        list.iter().map(|(_, value)| value.clone()).collect()
    };
    for (key, known) in &real {
        let (expected, found) = (values(known), values(&ours[key]));
        if expected != found {
            return Some(format!("{name}: {key:?} was {expected:?}, and is {found:?}"));
        }
    }
    let times =
        |told: &Told| -> Vec<u64> { told.values().flatten().map(|(at_ms, _)| *at_ms).collect() };
    let pairs: Vec<(u64, u64)> = times(&real).into_iter().zip(times(&ours)).collect();
    let is_wrong =
        |(one, other): &(&(u64, u64), &(u64, u64))| one.0 + APART_MS <= other.0 && one.1 > other.1;
    let all = pairs.iter().flat_map(|one| pairs.iter().map(move |other| (one, other)));
    let mut wrong = all.filter(|pair| is_wrong(pair)).map(|pair| format!("{name}: {pair:?}"));
    wrong.next()
}

#[test]
fn a_motor_record_does_what_a_real_one_did() {
    let mut differences = Vec::new();
    for scenario in motor() {
        let difference = simulate(async {
            let position = scenario.before["RBV"].as_f64().unwrap();
            let beam = Beam::with(|config: &mut WorldConfig| {
                let motor = &mut config.motors[0];
                motor.limits = AxisLimits { max_acceleration: 50.0, ..LIMITS };
                motor.position = position;
                motor.resolution = 0.001;
                motor.base_velocity = 0.1;
                motor.switches = Some([-20.0, 20.0]);
            });
            let heard = replay(&beam, "sim://x.", &scenario, motor_kind).await;
            difference(&scenario, &heard)
        });
        differences.extend(difference);
    }
    assert_eq!(differences, Vec::<String>::new());
}

/// Brings a controller to where a recording begins: 100 points of 20 ms at one place are in its arrays.
async fn prepare(connector: &Connector, scenario: &Scenario) {
    let address = |field: &str| format!("sim://stage:{field}");
    let put = async |field: &str, value: Arc<[f64]>| {
        connector.w::<Arc<[f64]>>(&address(field)).await.unwrap().put(value).await.unwrap();
    };
    put("ProfileTimeArray", vec![20_000.0; 200].into()).await;
    put("A:Positions", vec![0.0; 200].into()).await;
    put("A:Velocities", vec![0.0; 200].into()).await;
    connector.w(&address("ProfileCalcVel")).await.unwrap().put(false).await.unwrap();
    connector.w(&address("A:UseAxis")).await.unwrap().put(true).await.unwrap();
    let mode = connector.w::<TimeMode>(&address("ProfileTimeMode")).await.unwrap();
    mode.put(TimeMode::Array).await.unwrap();
    let number = async |field: &str, value: i64| {
        connector.w::<i64>(&address(field)).await.unwrap().put(value).await.unwrap();
    };
    let points = match scenario.name.as_str() {
        "abort_mid_execute" | "build_while_executing" | "append_after_abort" => 200,
        "append_fails_no_room" | "append_twice_in_mid_execute_with_room" => 100,
        "build_more_than_numpoints" => 30,
        _ => 50,
    };
    let room = match scenario.name.as_str() {
        "append_fails_no_room" => 100,
        "build_more_than_numpoints" => 20,
        _ => 1_000,
    };
    number("ProfilePointsToBuild", points).await;
    number("ProfileNumPoints", room).await;
    let press = async |field: &str| {
        let button = connector.w::<bool>(&address(field)).await.unwrap();
        button.put(true).await.unwrap();
    };
    match scenario.name.as_str() {
        "execute_50" => press("ProfileBuild").await,
        "execute_again_without_rebuild" | "append_after_the_end" => {
            press("ProfileBuild").await;
            press("ProfileExecute").await;
        }
        "build_time_above_24_bit" => {
            let mut times = vec![20_000.0; 49];
            times.push(20e6);
            put("ProfileTimeArray", times.into()).await;
        }
        "version_mismatch" => {
            let version = connector.w::<f64>(&address("ProgramVersion_RBV")).await.unwrap();
            version.put(3.0).await.unwrap();
        }
        _ => {}
    }
}

/// Of what comes of appending, failure is compared: a build says that it went well, too, and so does
/// every append before it fails, which is news or not by what was before.
fn is_compared(event: &Event) -> bool {
    event.2 != "ProfileAppendStatus_RBV" || event.3 != json!(ProfileStatus::Success.text())
}

/// Told for a moment, and rarely heard.
const MOMENTARY: &str = "Appending points to trajectory";

#[test]
fn a_pmac_does_what_a_real_one_did() {
    let mut differences = Vec::new();
    for mut scenario in pmac() {
        let difference = simulate(async {
            let beam = Beam::new();
            prepare(&beam.connector, &scenario).await;
            let mut heard = replay(&beam, "sim://stage:", &scenario, pmac_kind).await;
            scenario.events.retain(is_compared);
            heard.events.retain(|event| is_compared(event) && event.3 != json!(MOMENTARY));
            difference(&scenario, &heard)
        });
        differences.extend(difference);
    }
    assert_eq!(differences, Vec::<String>::new());
}
