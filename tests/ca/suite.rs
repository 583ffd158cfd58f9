//! What every provider of signals must do, asked of a set of PVs that a server has (`iocs/reference.db`
//! says which). A server may lack what a case needs: it is named when the suite is run.
use crate::alone::World;
use bluefly_actors::signal::{
    Access, Alarm, Backlog, Channel, Kind, Metadata, NativeType, Range, Reading, Settle, Severity,
    SignalError, SignalProvider as _, SignalValue, Value, put_all, read_all,
};
use futures_util::FutureExt as _;
use std::{panic::AssertUnwindSafe, pin::Pin, rc::Rc, sync::Arc, time::Duration};

type Case = for<'a> fn(&'a Subject<'a>) -> Pin<Box<dyn Future<Output = ()> + 'a>>;

/// The server that is asked.
struct Subject<'a> {
    world: &'a World,
    prefix: &'a str,
}

macro_rules! cases {
    ($($name:ident),+ $(,)?) => { &[$((stringify!($name), |subject| Box::pin($name(subject)))),+] };
}

const CASES: &[(&str, Case)] = cases![
    scalars_have_their_types,
    fields_have_their_types,
    whole_numbers_of_64_bits,
    what_is_put_is_got,
    a_choice_is_put_by_its_word,
    a_long_text_is_an_array_of_chars,
    an_empty_text,
    a_long_description_is_read_whole,
    an_array_that_is_empty,
    an_array_of_a_million,
    numbers_keep_to_their_type,
    a_record_of_another_type,
    a_record_that_is_not_there,
    rights_come_and_go,
    an_alarm_comes_with_the_value,
    an_alarm_without_a_change_of_value,
    an_undefined_value,
    nothing_is_lost_at_a_rate,
    who_is_slow_is_told,
    a_long_put_is_waited_for,
    a_put_behind_one_whose_caller_is_gone,
    a_put_behind_an_endless_one,
    a_put_that_is_refused,
    what_a_record_says_of_itself,
    what_a_record_says_of_itself_changes,
    aliases,
    a_batch,
    readings_have_the_time_of_the_record,
];

/// Runs all cases but those that the server `lacks` something for.
pub(crate) async fn run(world: &World, prefix: &str, lacks: &[&str]) {
    for lacking in lacks {
        assert!(CASES.iter().any(|(name, _)| name == lacking), "{lacking} is no case");
    }
    let subject = Subject { world, prefix };
    let mut failed = vec![];
    for (name, case) in CASES.iter().filter(|(name, _)| !lacks.contains(name)) {
        println!("case {name}");
        if AssertUnwindSafe(case(&subject)).catch_unwind().await.is_err() {
            failed.push(name);
        }
    }
    assert_eq!(failed, [&""; 0]);
}

impl Subject<'_> {
    fn address(&self, name: &str) -> String {
        format!("ca://{}{name}", self.prefix)
    }

    async fn get<T: SignalValue>(&self, name: &str) -> Result<T, SignalError> {
        self.world.connector.r(&self.address(name)).await?.get().await
    }

    async fn put<T: SignalValue>(&self, name: &str, value: T) -> Result<(), SignalError> {
        self.world.connector.w(&self.address(name)).await?.put(value).await
    }

    async fn send<T: SignalValue>(&self, name: &str, value: T) -> Result<(), SignalError> {
        self.world.connector.w(&self.address(name)).await?.send(value).await
    }

    async fn metadata(&self, name: &str, kind: Kind) -> Metadata {
        let channel = self.world.provider.connect(&self.address(name), kind).await.unwrap();
        channel.metadata().await.unwrap()
    }

    /// Puts by both ways, and gets what was put.
    async fn keeps<T: SignalValue>(&self, name: &str, values: [T; 2]) {
        let [completed, accepted] = values;
        self.put(name, completed.clone()).await.unwrap();
        assert_eq!(self.get::<T>(name).await, Ok(completed), "{name}");
        self.send(name, accepted.clone()).await.unwrap();
        assert_eq!(self.get::<T>(name).await, Ok(accepted), "{name}");
    }
}

fn text(words: &str) -> String {
    words.to_owned()
}

fn floats(values: &[f64]) -> Arc<[f64]> {
    values.into()
}

async fn scalars_have_their_types(subject: &Subject<'_>) {
    assert_eq!(subject.get("double").await, Ok(1.5));
    assert_eq!(subject.get("long").await, Ok(7_i64));
    assert_eq!(subject.get("long").await, Ok(7.0));
    assert_eq!(subject.get("bool").await, Ok(false));
    assert_eq!(subject.get("bool").await, Ok(text("Done")));
    assert_eq!(subject.get("choice").await, Ok(text("Idle")));
    assert_eq!(subject.get("choice").await, Ok(0_i64));
    assert_eq!(subject.get("string").await, Ok(text("some words")));
}

async fn fields_have_their_types(subject: &Subject<'_>) {
    assert_eq!(subject.get("double.PREC").await, Ok(3_i64));
    assert_eq!(subject.get("double.PROC").await, Ok(false));
    assert_eq!(subject.get("double.EGU").await, Ok(text("mm")));
}

/// They travel as floating-point numbers, which are exact so far.
async fn whole_numbers_of_64_bits(subject: &Subject<'_>) {
    subject.keeps("int64", [-9_007_199_254_740_991, 4_503_599_627_370_497_i64]).await;
    let given = subject.put("int64", 9_007_199_254_740_993_i64).await;
    let (signal, value) = (subject.address("int64"), Value::Int(9_007_199_254_740_993));
    let reason = text("no whole number beyond 9007199254740992 is exact");
    assert_eq!(given, Err(SignalError::Refused { signal, value, reason }));
}

async fn what_is_put_is_got(subject: &Subject<'_>) {
    subject.keeps("double", [-2.25, 1.5]).await;
    subject.keeps("long", [i64::from(i32::MIN), 7]).await;
    subject.keeps("bool", [true, false]).await;
    subject.keeps("string", [text("x".repeat(39).as_str()), text("some words")]).await;
    subject.keeps("shorts", [floats(&[1.0, -2.0, 32_767.0]), floats(&[5.0])]).await;
    let signal = subject.address("string");
    let given = subject.put("string", text(&"x".repeat(40))).await;
    assert_eq!(given, Err(SignalError::TooLong { signal, given: 40, holds: 39 }));
    let signal = subject.address("shorts");
    let given = subject.put("shorts", floats(&[0.0; 11])).await;
    assert_eq!(given, Err(SignalError::TooLong { signal, given: 11, holds: 10 }));
}

async fn a_choice_is_put_by_its_word(subject: &Subject<'_>) {
    subject.keeps("choice", [text("Error"), text("Idle")]).await;
    subject.keeps("bool", [text("Acquire"), text("Done")]).await;
    let (signal, value) = (subject.address("choice"), text("Acquiring"));
    let choices = ["Idle", "Acquire", "Error"].map(text).to_vec();
    let refused = subject.put("choice", value.clone()).await;
    assert_eq!(refused, Err(SignalError::NoChoice { signal, value, choices }));
}

async fn a_long_text_is_an_array_of_chars(subject: &Subject<'_>) {
    let longest = format!("/data/{}", "d".repeat(249));
    subject.keeps("path", [longest.clone(), text("/data")]).await;
    let signal = subject.address("path");
    let given = subject.put("path", longest + "d").await;
    assert_eq!(given, Err(SignalError::TooLong { signal, given: 256, holds: 255 }));
}

async fn an_empty_text(subject: &Subject<'_>) {
    subject.keeps("path", [text(""), text("/data")]).await;
}

async fn a_long_description_is_read_whole(subject: &Subject<'_>) {
    let words = text("A record of this kind, with a long text");
    assert_eq!(subject.get("double.DESC$").await, Ok(words.clone()));
    subject.keeps("double.DESC$", [text("Ångström"), words]).await;
}

async fn an_array_that_is_empty(subject: &Subject<'_>) {
    let empty = floats(&[]);
    assert_eq!(subject.get("empty").await, Ok(empty.clone()));
    let address = subject.address("empty");
    let array = subject.world.connector.rw::<Arc<[f64]>>(&address).await.unwrap();
    let mut observer = array.r().observe(Backlog::Queue(10));
    assert_eq!(observer.next().await.unwrap().value, empty);
    let refused = array.put(empty.clone()).await;
    let reason = text("an empty array cannot be put");
    let value = Value::Floats(empty);
    assert_eq!(refused, Err(SignalError::Refused { signal: address, value, reason }));
}

async fn an_array_of_a_million(subject: &Subject<'_>) {
    let values = |first: i32| (first..first + 1_000_000).map(f64::from).collect::<Arc<[f64]>>();
    let address = subject.address("big");
    let array = subject.world.connector.rw::<Arc<[f64]>>(&address).await.unwrap();
    let mut observer = array.r().observe(Backlog::Latest);
    observer.next().await.unwrap();
    array.put(values(1)).await.unwrap();
    assert!(array.get().await.unwrap() == values(1));
    assert!(observer.next().await.unwrap().value == values(1));
    let given = array.put((0..1_000_001).map(f64::from).collect()).await;
    let (given_count, holds) = (1_000_001, 1_000_000);
    assert_eq!(given, Err(SignalError::TooLong { signal: address, given: given_count, holds }));
}

async fn numbers_keep_to_their_type(subject: &Subject<'_>) {
    let signal = subject.address("long");
    let refused = async |value: f64| subject.put("long", value).await.unwrap_err();
    let reason = text("long holds whole numbers from -2147483648 to 2147483647");
    for value in [1.5, 2_147_483_648.0, f64::INFINITY] {
        let (signal, value, reason) = (signal.clone(), Value::Float(value), reason.clone());
        let Value::Float(number) = value else { unreachable!() };
        assert_eq!(refused(number).await, SignalError::Refused { signal, value, reason });
    }
    let (signal, found) = (subject.address("double"), Value::Float(1.5));
    let error = SignalError::WrongType { signal, expected: Kind::Int, found };
    assert_eq!(subject.get::<i64>("double").await, Err(error));
}

async fn a_record_of_another_type(subject: &Subject<'_>) {
    let check = async |name: &str, expected: Kind, found: &str| {
        let connected = subject.world.provider.connect(&subject.address(name), expected).await;
        let (signal, found) = (subject.address(name), text(found));
        let error = SignalError::WrongRecord { signal, expected, found };
        assert_eq!(connected.err(), Some(error));
    };
    check("string", Kind::Float, "string").await;
    check("double", Kind::Text, "double").await;
    check("choice", Kind::Bool, "enum with 3 choices").await;
    check("choice", Kind::Float, "enum with 3 choices").await;
    check("shorts", Kind::Float, "10 short").await;
    check("path", Kind::Int, "256 char").await;
    check("string", Kind::Floats, "string").await;
}

async fn a_record_that_is_not_there(subject: &Subject<'_>) {
    let address = subject.address("missing");
    let connected = subject.world.provider.connect(&address, Kind::Float);
    let connected = subject.world.clock.timeout(Duration::from_millis(300), connected).await;
    assert!(connected.is_err());
    let connected = subject.world.provider.connect("ca://", Kind::Float).await;
    assert_eq!(connected.err(), Some(SignalError::Unknown { signal: text("ca://") }));
    // Longer than a search can be.
    let address = format!("ca://{}", "x".repeat(2_000));
    let connected = subject.world.provider.connect(&address, Kind::Float);
    let connected = subject.world.clock.timeout(crate::alone::DEADLINE, connected).await.unwrap();
    let error = connected.err().unwrap();
    assert!(matches!(&error, SignalError::WrongRecord { .. }), "{error}");
}

async fn rights_come_and_go(subject: &Subject<'_>) {
    let signal = subject.address("guarded");
    let operation = "written";
    let denied = Err(SignalError::NoAccess { signal, operation });
    assert_eq!(subject.put("guarded", 4.0).await, denied);
    assert_eq!(subject.send("guarded", 4.0).await, denied);
    assert_eq!(subject.get("guarded").await, Ok(2.0));
    let channel = subject.world.provider.connect(&subject.address("guarded"), Kind::Float);
    let channel = channel.await.unwrap();
    for (unlocked, write) in [(true, true), (false, false)] {
        subject.put("unlocked", unlocked).await.unwrap();
        let granted = async {
            while channel.metadata().await.unwrap().access != (Access { read: true, write }) {
                subject.world.clock.sleep(Duration::from_millis(1)).await;
            }
        };
        subject.world.clock.timeout(crate::alone::DEADLINE, granted).await.unwrap();
        let put = channel.put(Value::Float(2.0), Settle::Completed).await;
        assert_eq!(put, if write { Ok(()) } else { denied.clone() });
    }
}

async fn an_alarm_comes_with_the_value(subject: &Subject<'_>) {
    let double = subject.world.connector.rw::<f64>(&subject.address("double")).await.unwrap();
    let mut observer = double.r().observe(Backlog::Queue(10));
    observer.next().await.unwrap();
    for (value, severity, words) in [
        (6.5, Severity::Minor, "HIGH"),
        (7.5, Severity::Major, "HIHI"),
        (-7.5, Severity::Major, "LOLO"),
        (1.5, Severity::None, ""),
    ] {
        double.put(value).await.unwrap();
        let expected = (value, Alarm { severity, text: text(words) });
        let read = double.r().read().await.unwrap();
        assert_eq!((read.value, read.alarm), expected);
        let seen = observer.next().await.unwrap();
        assert_eq!((seen.value, seen.alarm), expected);
    }
}

async fn an_alarm_without_a_change_of_value(subject: &Subject<'_>) {
    let double = subject.world.connector.rw::<f64>(&subject.address("double")).await.unwrap();
    let mut observer = double.r().observe(Backlog::Queue(10));
    assert_eq!(observer.next().await.unwrap().alarm.severity, Severity::None);
    for (limit, severity) in [(1.0, Severity::Minor), (6.0, Severity::None)] {
        subject.put("double.HIGH", limit).await.unwrap();
        subject.put("double.PROC", 1_i64).await.unwrap();
        let Reading { value, alarm, .. } = observer.next().await.unwrap();
        assert_eq!((value, alarm.severity), (1.5, severity));
    }
}

async fn an_undefined_value(subject: &Subject<'_>) {
    let undefined = subject.world.connector.r::<f64>(&subject.address("undefined")).await.unwrap();
    let alarm = Alarm { severity: Severity::Invalid, text: text("UDF") };
    assert_eq!(undefined.read().await.unwrap().alarm, alarm);
}

async fn nothing_is_lost_at_a_rate(subject: &Subject<'_>) {
    let counter = subject.world.connector.r::<f64>(&subject.address("fast")).await.unwrap();
    let mut observer = counter.observe(Backlog::Queue(1_000));
    let first = observer.next().await.unwrap().value;
    for i in 1..500 {
        assert_eq!(observer.next().await.unwrap().value, first + f64::from(i));
    }
    assert_eq!(subject.world.provider.replaced(), 0);
}

/// Each value came or is counted as lost.
async fn who_is_slow_is_told(subject: &Subject<'_>) {
    let counter = subject.world.connector.r::<f64>(&subject.address("fast")).await.unwrap();
    // The first one may be late already: then it is not known which one it was.
    let (mut observer, first) = loop {
        let mut observer = counter.observe(Backlog::Queue(5));
        if let Ok(reading) = observer.next().await {
            break (observer, reading.value);
        }
    };
    counter.wait_for(crate::alone::DEADLINE, |value| *value > first + 20.0).await.unwrap();
    let (mut last, mut came, mut gone) = (first, 0, 0);
    while let Some(next) = observer.next().now_or_never() {
        match next {
            Ok(reading) => (last, came) = (reading.value, came + 1),
            Err(SignalError::Overrun { lost, .. }) => gone += lost,
            Err(error) => panic!("{error}"),
        }
    }
    assert!(gone > 0);
    assert_eq!(last, first + (came + gone) as f64);
}

async fn a_long_put_is_waited_for(subject: &Subject<'_>) {
    let (connector, clock) = (&subject.world.connector, &subject.world.clock);
    let done = connector.rw::<i64>(&subject.address("slow:done")).await.unwrap();
    let slow = connector.x(&subject.address("slow.PROC")).await.unwrap();
    let half = Duration::from_millis(500);
    done.put(0).await.unwrap();
    let began = clock.now();
    slow.trigger().await.unwrap();
    assert!(clock.now() - began >= half);
    assert_eq!(done.get().await, Ok(1));

    done.put(0).await.unwrap();
    let began = clock.now();
    slow.send().await.unwrap();
    assert!(clock.now() - began < half);
    assert_eq!(done.get().await, Ok(0));
    done.r().wait_for(crate::alone::DEADLINE, |done| *done == 1).await.unwrap();
}

async fn a_put_behind_one_whose_caller_is_gone(subject: &Subject<'_>) {
    let (clock, slow) = (&subject.world.clock, begun_and_dropped(subject, "slow.PROC").await);
    let began = clock.now();
    slow.put(Value::Int(1), Settle::Completed).await.unwrap();
    assert!(clock.now() - began >= Duration::from_millis(500));
}

/// A server that is still at a put-callback of a channel blocks at the next one.
async fn a_put_behind_an_endless_one(subject: &Subject<'_>) {
    let endless = begun_and_dropped(subject, "endless.PROC").await;
    let mut behind = endless.put(Value::Int(1), Settle::Completed);
    assert_eq!((&mut behind).now_or_never(), None);
    subject.get::<f64>("double").await.unwrap();
    assert_eq!((&mut behind).now_or_never(), None);
    // Nobody's turn is needed for this.
    endless.put(Value::Int(1), Settle::Accepted).await.unwrap();
}

/// A put-callback that the server is at, though nobody waits for it any more.
async fn begun_and_dropped(subject: &Subject<'_>, name: &str) -> Rc<dyn Channel> {
    let channel = subject.world.provider.connect(&subject.address(name), Kind::Int).await.unwrap();
    let mut put = channel.put(Value::Int(1), Settle::Completed);
    assert_eq!((&mut put).now_or_never(), None);
    // What is asked later is answered.
    subject.get::<f64>("double").await.unwrap();
    drop(put);
    channel
}

async fn a_put_that_is_refused(subject: &Subject<'_>) {
    let (signal, value) = (subject.address("failing"), Value::Float(4.0));
    let check = |outcome: Result<(), SignalError>| match outcome {
        Err(SignalError::Refused { signal: named, value: refused, reason }) => {
            assert_eq!((named, refused), (signal.clone(), value.clone()));
            assert!(!reason.is_empty());
        }
        other => panic!("{other:?}"),
    };
    check(subject.put("failing", 4.0).await);
    check(subject.send("failing", 4.0).await);
    assert_eq!(subject.get("failing").await, Ok(3.0));
    // What was refused is not held against the next put.
    subject.send("double", 1.5).await.unwrap();
}

async fn what_a_record_says_of_itself(subject: &Subject<'_>) {
    let range = |low, high| Range { low, high };
    let expected = Metadata {
        native: NativeType::Double,
        max_count: 1,
        access: Access { read: true, write: true },
        units: text("mm"),
        precision: Some(3),
        display: range(-10.0, 10.0),
        control: range(-8.0, 8.0),
        warning: range(-6.0, 6.0),
        alarm: range(-7.0, 7.0),
        choices: vec![],
    };
    assert_eq!(subject.metadata("double", Kind::Float).await, expected);
    let choice = subject.metadata("choice", Kind::Text).await;
    assert_eq!((choice.native, choice.max_count), (NativeType::Enum, 1));
    assert_eq!(choice.choices, ["Idle", "Acquire", "Error"]);
    let long = subject.metadata("long", Kind::Int).await;
    assert_eq!((long.native, long.units), (NativeType::Long, text("counts")));
    for (name, kind, native, max_count) in [
        ("string", Kind::Text, NativeType::String, 1),
        ("path", Kind::Text, NativeType::Char, 256),
        ("empty", Kind::Floats, NativeType::Double, 100),
        ("shorts", Kind::Floats, NativeType::Short, 10),
        ("bool", Kind::Bool, NativeType::Enum, 1),
    ] {
        let found = subject.metadata(name, kind).await;
        assert_eq!((found.native, found.max_count), (native, max_count), "{name}");
    }
}

async fn what_a_record_says_of_itself_changes(subject: &Subject<'_>) {
    let double = subject.world.provider.connect(&subject.address("double"), Kind::Float);
    let double = double.await.unwrap();
    for units in ["um", "mm"] {
        subject.put("double.EGU", text(units)).await.unwrap();
        let renewed = async {
            while double.metadata().await.unwrap().units != units {
                subject.world.clock.sleep(Duration::from_millis(1)).await;
            }
        };
        subject.world.clock.timeout(crate::alone::DEADLINE, renewed).await.unwrap();
    }
}

async fn aliases(subject: &Subject<'_>) {
    let connector = &subject.world.connector;
    assert_eq!(connector.r::<f64>("ca://alias").await.unwrap().get().await, Ok(1.5));
    assert_eq!(connector.r::<i64>("ca://alias.PREC").await.unwrap().get().await, Ok(3));
}

async fn a_batch(subject: &Subject<'_>) {
    let connector = &subject.world.connector;
    let double = connector.rw::<f64>(&subject.address("double")).await.unwrap();
    let long = connector.rw::<f64>(&subject.address("long")).await.unwrap();
    let failing = connector.rw::<f64>(&subject.address("failing")).await.unwrap();
    put_all(&[(double.w(), 2.0), (long.w(), 8.0)]).await.unwrap();
    let values = |readings: Vec<Reading<f64>>| {
        readings.into_iter().map(|reading| reading.value).collect::<Vec<_>>()
    };
    let both = read_all(&[double.r(), long.r()]).await.unwrap();
    assert_eq!(values(both), [2.0, 8.0]);
    let refused = put_all(&[(double.w(), 1.5), (failing.w(), 1.0), (long.w(), 7.0)]).await;
    assert!(matches!(refused, Err(SignalError::Refused { .. })), "{refused:?}");
    let all = read_all(&[double.r(), failing.r(), long.r()]).await.unwrap();
    assert_eq!(values(all), [1.5, 3.0, 7.0]);
}

async fn readings_have_the_time_of_the_record(subject: &Subject<'_>) {
    let clock = &subject.world.clock;
    let double = subject.world.connector.rw::<f64>(&subject.address("double")).await.unwrap();
    let before = clock.unix_s(clock.now());
    double.put(1.5).await.unwrap();
    let put = double.r().read().await.unwrap().timestamp_s;
    assert!(before <= put && put <= clock.unix_s(clock.now()), "{before} {put}");
    assert_eq!(double.r().read().await.unwrap().timestamp_s, put);
}
