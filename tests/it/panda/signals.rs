//! Fields of a PandA as signals: kinds, limits, choices, units, changes, and errors that name them.
use super::{
    MS,
    rig::{Rig, with_panda, words},
};
use bluefly_actors::signal::{
    Access, Alarm, Backlog, Kind, Metadata, NativeType, Range, Reading, SignalError,
    SignalProvider as _, SignalValue, Usage, Value,
};
use std::sync::Arc;

fn address(name: &str) -> String {
    format!("panda://p/{name}")
}

async fn get<T: SignalValue>(rig: &Rig, name: &str) -> Result<T, SignalError> {
    rig.connector.r(&address(name)).await?.get().await
}

async fn put<T: SignalValue>(rig: &Rig, name: &str, value: T) -> Result<(), SignalError> {
    rig.connector.w(&address(name)).await?.put(value).await
}

async fn keeps<T: SignalValue>(rig: &Rig, name: &str, value: T) {
    put(rig, name, value.clone()).await.unwrap();
    assert_eq!(get::<T>(rig, name).await, Ok(value), "{name}");
}

async fn metadata(rig: &Rig, name: &str, kind: Kind) -> Metadata {
    let channel = rig.signals.connect(&address(name), kind).await.unwrap();
    channel.metadata().await.unwrap()
}

#[test]
fn a_reading_has_value_time_and_alarm() {
    with_panda(async |rig| {
        let position = rig.connector.r::<i64>(&address("COUNTER1.OUT")).await.unwrap();
        rig.clock.sleep(250 * MS).await;
        let reading = position.read().await.unwrap();
        let timestamp_s = rig.clock.unix_s(rig.clock.now());
        assert_eq!(reading, Reading { value: 0, timestamp_s, alarm: Alarm::default() });
    });
}

#[test]
fn each_class_of_fields_has_its_type() {
    with_panda(async |rig| {
        keeps(&rig, "BITS.A", true).await;
        assert_eq!(get(&rig, "BITS.OUTA").await, Ok(true));
        keeps(&rig, "COUNTER1.STEP", 4_294_967_295_i64).await;
        keeps(&rig, "COUNTER1.START", -5_i64).await;
        keeps(&rig, "COUNTER1.START", -6.0).await;
        keeps(&rig, "CLOCK1.PERIOD", 0.25).await;
        keeps(&rig, "PULSE1.WIDTH", 0.125).await;
        keeps(&rig, "COUNTER1.TRIG_EDGE", "Either".to_owned()).await;
        keeps(&rig, "COUNTER1.ENABLE", "BITS.OUTA".to_owned()).await;
        keeps(&rig, "SEQ1.POSA", "COUNTER1.OUT".to_owned()).await;
        keeps(&rig, "LUT1.FUNC", "A&B".to_owned()).await;
        assert_eq!(get(&rig, "PCAP.HEALTH").await, Ok("OK".to_owned()));
        let rows: Arc<[f64]> = [1.0, 2.0, 3.0, 4_294_967_295.0].into();
        keeps(&rig, "SEQ1.TABLE", rows).await;
    });
}

#[test]
fn attributes_are_signals_too() {
    with_panda(async |rig| {
        keeps(&rig, "CLOCK1.PERIOD.UNITS", "ms".to_owned()).await;
        keeps(&rig, "CLOCK1.PERIOD", 250.0).await;
        assert_eq!(get(&rig, "CLOCK1.PERIOD.RAW").await, Ok(31_250_000_i64));
        keeps(&rig, "COUNTER1.OUT.SCALE", 0.5).await;
        keeps(&rig, "COUNTER1.OUT.OFFSET", 3.0).await;
        keeps(&rig, "COUNTER1.OUT.UNITS", "mm".to_owned()).await;
        assert_eq!(get(&rig, "COUNTER1.OUT.SCALED").await, Ok(3.0));
        keeps(&rig, "COUNTER1.OUT.CAPTURE", "Min Max Mean".to_owned()).await;
        keeps(&rig, "COUNTER1.ENABLE.DELAY", 31_i64).await;
        assert_eq!(get(&rig, "BITS.OUTA.OFFSET").await, Ok(1_i64));
        assert_eq!(get(&rig, "SEQ1.TABLE.MODE").await, Ok("INIT".to_owned()));
        let bits = get::<String>(&rig, "PCAP.BITS0.BITS").await.unwrap();
        assert!(bits.starts_with("TTLIN1.VAL\nTTLIN2.VAL\n"), "{bits}");
    });
}

#[test]
fn a_signal_tells_its_unit_limits_choices_and_rights() {
    with_panda(async |rig| {
        let range = Range { low: 0.0, high: 8.0 };
        let shift = metadata(&rig, "PCAP.SHIFT_SUM", Kind::Int).await;
        let long = Metadata::scalar(NativeType::Long);
        assert_eq!((shift.native, shift.access), (long.native, long.access));
        assert_eq!((shift.control, shift.display), (range, range));
        let period = metadata(&rig, "CLOCK1.PERIOD", Kind::Float).await;
        assert_eq!((period.native, &*period.units), (NativeType::Double, "s"));
        put(&rig, "COUNTER1.OUT.UNITS", "mm".to_owned()).await.unwrap();
        let scaled = metadata(&rig, "COUNTER1.OUT.SCALED", Kind::Float).await;
        assert_eq!((&*scaled.units, scaled.access), ("mm", Access { read: true, write: false }));
        let edge = metadata(&rig, "COUNTER1.TRIG_EDGE", Kind::Text).await;
        assert_eq!(edge.choices, ["Rising", "Falling", "Either"]);
        let set = metadata(&rig, "INENC1.SETP", Kind::Int).await;
        assert_eq!(set.access, Access { read: false, write: true });
        let table = metadata(&rig, "SEQ1.TABLE", Kind::Floats).await;
        assert_eq!(table.max_count, 1_048_576);
    });
}

#[test]
fn a_signal_of_any_kind_is_what_its_field_is() {
    with_panda(async |rig| {
        let kind = async |name: &str| {
            rig.connector.any(&address(name), Usage::Read).await.map(|signal| signal.kind())
        };
        assert_eq!(kind("BITS.A").await, Ok(Kind::Bool));
        assert_eq!(kind("COUNTER1.OUT").await, Ok(Kind::Int));
        assert_eq!(kind("CLOCK1.PERIOD").await, Ok(Kind::Float));
        assert_eq!(kind("PCAP.HEALTH").await, Ok(Kind::Text));
        assert_eq!(kind("SEQ1.TABLE").await, Ok(Kind::Floats));
    });
}

#[test]
fn what_cannot_be_connected_is_named() {
    with_panda(async |rig| {
        let unknown = |name: &str| format!("there is no signal panda://p/{name}");
        for name in ["NONE.A", "SEQ3.ACTIVE", "SEQ1.NONE", "BITS.A.NONE"] {
            assert_eq!(words(get::<bool>(&rig, name).await), unknown(name));
        }
        let nobody = rig.connector.r::<bool>("panda://q/BITS.A").await.err().unwrap();
        assert_eq!(nobody.to_string(), "there is no signal panda://q/BITS.A");
        let wrong = words(get::<bool>(&rig, "COUNTER1.OUT").await);
        assert_eq!(wrong, "panda://p/COUNTER1.OUT is 0, which is not the expected bool");
        let wrong = words(get::<bool>(&rig, "INENC1.SETP").await);
        let expected =
            "panda://p/INENC1.SETP is a record of write int, which cannot carry the expected bool";
        assert_eq!(wrong, expected);
    });
}

#[test]
fn what_is_refused_is_named_with_its_rule() {
    with_panda(async |rig| {
        let check = async |name: &str, value: Value, expected: &str| {
            let kind = value.kind();
            let channel = rig.signals.connect(&address(name), kind).await.unwrap();
            let put = channel.put(value, bluefly_actors::signal::Settle::Accepted).await;
            assert_eq!(words(put), format!("panda://p/{name} {expected}"));
        };
        check("PCAP.SHIFT_SUM", Value::Int(9), "refused 9: it takes 0 to 8").await;
        check("PCAP.SHIFT_SUM", Value::Int(-1), "refused -1: it takes 0 to 8").await;
        let whole = "refused 0.5: it takes whole numbers of 0 to 8";
        check("PCAP.SHIFT_SUM", Value::Float(0.5), whole).await;
        let finite = "refused inf: it takes finite numbers";
        check("CLOCK1.PERIOD", Value::Float(f64::INFINITY), finite).await;
        let long = "refused 1000000000: Time setting out of range";
        check("CLOCK1.PERIOD", Value::Float(1e9), long).await;
        let choice = "has no choice \"Up\": it has Rising, Falling, Either";
        check("COUNTER1.TRIG_EDGE", Value::Text("Up".to_owned()), choice).await;
        check("BITS.OUTA", Value::Bool(true), "may not be written by us").await;
        let words = Value::Floats([0.5].into());
        let word = "refused an array of 1: a word is a whole number of 32 bits";
        check("SEQ1.TABLE", words, word).await;
        let rows = "refused an array of 1: Table write is not a whole number of rows";
        check("SEQ1.TABLE", Value::Floats([1.0].into()), rows).await;
        let line = "refused \"a\\nb\": `LUT1.FUNC` cannot be sent: '\\n' is not printable";
        check("LUT1.FUNC", Value::Text("a\nb".to_owned()), line).await;
    });
}

#[test]
fn what_cannot_be_read_tells_why() {
    with_panda(async |rig| {
        let no_access = words(get::<i64>(&rig, "INENC1.SETP").await);
        assert_eq!(no_access, "panda://p/INENC1.SETP may not be read by us");
        let broken = words(get::<f64>(&rig, "SYSTEM.TEMP_ZYNQ").await);
        let expected = "panda://p/SYSTEM.TEMP_ZYNQ cannot be read: Extension server exception";
        assert_eq!(broken, expected);
    });
}

#[test]
fn an_observer_gets_the_present_value_and_every_change() {
    with_panda(async |rig| {
        let bit = rig.connector.rw::<bool>(&address("BITS.A")).await.unwrap();
        let mut setting = bit.r().observe(Backlog::Queue(10));
        let output = rig.connector.r::<bool>(&address("BITS.OUTA")).await.unwrap();
        let mut output = output.observe(Backlog::Queue(10));
        let begun = rig.now();
        assert!(!setting.next().await.unwrap().value);
        assert!(!output.next().await.unwrap().value);
        assert_eq!(rig.now(), begun, "the present value is asked for at once");
        bit.put(true).await.unwrap();
        assert!(setting.next().await.unwrap().value);
        assert!(output.next().await.unwrap().value);
        assert_eq!(rig.now(), begun + 100 * MS, "changes are asked for every 100 ms");
        // Nothing comes without a change.
        assert!(rig.clock.timeout(1_000 * MS, setting.next()).await.is_err());
    });
}

#[test]
fn what_no_group_of_changes_tells_is_asked_for_by_itself() {
    with_panda(async |rig| {
        let scaled = rig.connector.r::<f64>(&address("COUNTER1.OUT.SCALED")).await.unwrap();
        let mut scaled = scaled.observe(Backlog::Queue(10));
        assert_eq!(scaled.next().await.unwrap().value, 0.0);
        put(&rig, "COUNTER1.OUT.OFFSET", 3.0).await.unwrap();
        assert_eq!(scaled.next().await.unwrap().value, 3.0);
        let table = rig.connector.rw::<Arc<[f64]>>(&address("SEQ1.TABLE")).await.unwrap();
        let mut rows = table.r().observe(Backlog::Queue(10));
        assert_eq!(rows.next().await.unwrap().value.len(), 0);
        table.put([1.0, 2.0, 3.0, 4.0].into()).await.unwrap();
        assert_eq!(*rows.next().await.unwrap().value, [1.0, 2.0, 3.0, 4.0]);
    });
}
