//! Our client: typed signals and their observers, as devices use them.
use super::measure::{cpu_time, peak_memory_mib};
use actix::{Actor, Context, Handler, Message, prelude::SendError};
use bluefly_actors::{
    backend::channel_access::ChannelAccessConfig,
    clock::{Clock, Instant},
    signal::{Backlog, Connector, SignalError, SignalR, SignalRW, channel_access::ChannelAccess},
};
use serde_json::json;
use std::{cell::RefCell, rc::Rc, sync::Arc, time::Duration};

const SEQUENTIAL: usize = 5_000;
const PIPELINED: usize = 200_000;
const BACKLOG: Backlog = Backlog::Queue(1_000);
/// What is told to an actor and not yet heard.
const MAILBOX: usize = 1_000;
const DEADLINE: Duration = Duration::from_secs(30);
const TO_SETTLE: Duration = Duration::from_secs(1);

/// One phase in this process, whose environment says where the IOC is.
pub(crate) fn run(words: &[String]) {
    let number: usize = words[1].parse().unwrap();
    let seconds = || Duration::from_secs(words[2].parse().unwrap());
    actix_rt::System::new().block_on(async {
        let client = Client::start();
        match words[0].as_str() {
            "connect" => client.connect(number).await,
            "requests" => client.requests(number).await,
            "counters" => client.counters(number, seconds()).await,
            "actor" => client.actor(number, seconds()).await,
            "waveform" => client.waveform(Duration::from_secs(number as u64)).await,
            other => panic!("no phase is named {other}"),
        }
        .unwrap();
    });
    tell(
        &json!({"figure": "process", "cpu_s": cpu_time().as_secs_f64(), "peak_mib": peak_memory_mib()}),
    );
}

fn tell(figure: &serde_json::Value) {
    println!("{figure}");
}

struct Client {
    provider: ChannelAccess,
    connector: Connector,
    clock: Clock,
}

/// Each in a task of its own, as those of devices are.
async fn together<T: 'static>(
    futures: impl Iterator<Item = impl Future<Output = Result<T, SignalError>> + 'static>,
) -> Result<Vec<T>, SignalError> {
    let tasks: Vec<_> = futures.map(actix_rt::spawn).collect();
    let mut outcomes = Vec::with_capacity(tasks.len());
    for task in tasks {
        outcomes.push(task.await.unwrap()?);
    }
    Ok(outcomes)
}

/// Wall and CPU time from here on.
struct Stretch {
    began: Instant,
    cpu: Duration,
}

impl Client {
    fn start() -> Self {
        let clock = Clock::real();
        let config = ChannelAccessConfig::default();
        let provider = ChannelAccess::start(&config, clock.clone()).unwrap();
        let connector = Connector::new(Rc::new(provider.clone()), clock.clone(), DEADLINE);
        Self { provider, connector, clock }
    }

    fn stretch(&self) -> Stretch {
        Stretch { began: self.clock.now(), cpu: cpu_time() }
    }

    async fn pvs(&self, count: usize) -> Result<Vec<Rc<SignalRW<f64>>>, SignalError> {
        let connected = |index| {
            let connector = self.connector.clone();
            async move { Ok(Rc::new(connector.rw(&format!("ca://BENCH:p:{index:05}")).await?)) }
        };
        together((0..count).map(connected)).await
    }

    async fn connect(&self, count: usize) -> Result<(), SignalError> {
        let stretch = self.stretch();
        let pvs = self.pvs(count).await?;
        let ms = (self.clock.now() - stretch.began).as_secs_f64() * 1e3;
        tell(&json!({"figure": "connect", "ms": ms}));
        drop(pvs);
        Ok(())
    }

    async fn requests(&self, count: usize) -> Result<(), SignalError> {
        let pvs = self.pvs(count).await?;
        let mut latencies = Vec::new();
        for pv in pvs.iter().cycle().take(SEQUENTIAL) {
            let began = self.clock.now();
            pv.r().read().await?;
            latencies.push(self.clock.now() - began);
        }
        tell_latencies("get", &mut latencies);
        let stretch = self.stretch();
        // As many are under way as there are PVs: each is asked again once it has answered.
        let asked = |pv: &Rc<SignalRW<f64>>| {
            let pv = Rc::clone(pv);
            async move {
                for _ in 0..PIPELINED / count {
                    pv.r().read().await?;
                }
                Ok(())
            }
        };
        together(pvs.iter().map(asked)).await?;
        let took_s = (self.clock.now() - stretch.began).as_secs_f64();
        let cpu_s = cpu_time().saturating_sub(stretch.cpu).as_secs_f64();
        let per_s = (PIPELINED / count * count) as f64 / took_s;
        tell(&json!({"figure": "pipelined", "per_s": per_s, "cpu_s": cpu_s}));
        let mut latencies = Vec::new();
        for (index, pv) in pvs.iter().cycle().take(SEQUENTIAL).enumerate() {
            let began = self.clock.now();
            pv.put(index as f64).await?;
            latencies.push(self.clock.now() - began);
        }
        tell_latencies("put", &mut latencies);
        Ok(())
    }

    async fn counts(&self, count: usize) -> Result<Vec<SignalR<f64>>, SignalError> {
        let connected = |index| {
            let connector = self.connector.clone();
            async move { connector.r(&format!("ca://BENCH:cnt:{index:03}")).await }
        };
        together((0..count).map(connected)).await
    }

    /// One task for each PV, as those of devices.
    async fn counters(&self, count: usize, time: Duration) -> Result<(), SignalError> {
        let counters = Rc::new(RefCell::new(Counters::new(count)));
        let signals = self.counts(count).await?;
        for (index, signal) in signals.iter().enumerate() {
            let counters = Rc::clone(&counters);
            Self::count(signal, async move |count| counters.borrow_mut().update(index, count));
        }
        self.clock.sleep(TO_SETTLE).await;
        let (before, replaced) = (counters.borrow().totals(), self.provider.replaced());
        let stretch = self.stretch();
        self.clock.sleep(time).await;
        let after = counters.borrow().totals();
        self.tell_counters(&stretch, before, after, self.provider.replaced() - replaced);
        Ok(())
    }

    /// One actor, which is told each update; while its mailbox is full, updates wait with their signal.
    async fn actor(&self, count: usize, time: Duration) -> Result<(), SignalError> {
        let actor = Counters::new(count).start();
        let signals = self.counts(count).await?;
        for (index, signal) in signals.iter().enumerate() {
            let actor = actor.clone();
            Self::count(signal, async move |count| {
                if let Err(SendError::Full(counted)) = actor.try_send(Counted { index, count }) {
                    actor.send(counted).await.unwrap();
                }
            });
        }
        self.clock.sleep(TO_SETTLE).await;
        let (before, replaced) = (actor.send(GetTotals).await.unwrap(), self.provider.replaced());
        let stretch = self.stretch();
        self.clock.sleep(time).await;
        let after = actor.send(GetTotals).await.unwrap();
        self.tell_counters(&stretch, before, after, self.provider.replaced() - replaced);
        Ok(())
    }

    /// Hands over each count, and each loss on our side as what is left of the update.
    fn count(signal: &SignalR<f64>, mut update: impl AsyncFnMut(Count) + 'static) {
        let mut observer = signal.observe(BACKLOG);
        actix_rt::spawn(async move {
            loop {
                match observer.next().await {
                    Ok(reading) => update(Count::Value(reading.value)).await,
                    Err(SignalError::Overrun { lost, .. }) => update(Count::Overrun(lost)).await,
                    Err(error) => panic!("{error}"),
                }
            }
        });
    }

    fn tell_counters(&self, stretch: &Stretch, before: Totals, after: Totals, replaced: u64) {
        let took_s = (self.clock.now() - stretch.began).as_secs_f64();
        let cpu_s = cpu_time().saturating_sub(stretch.cpu).as_secs_f64();
        let here = after.overrun - before.overrun + replaced;
        tell(&json!({
            "figure": "counters",
            "per_s": (after.updates - before.updates) as f64 / took_s,
            "lost_per_s": (after.lost - before.lost) / took_s,
            "lost_here_per_s": here as f64 / took_s,
            "cpu_percent": 100.0 * cpu_s / took_s,
        }));
    }

    async fn waveform(&self, time: Duration) -> Result<(), SignalError> {
        let signal: SignalR<Arc<[f64]>> = self.connector.r("ca://BENCH:wf").await?;
        let mut observer = signal.observe(Backlog::Latest);
        let arrays = Rc::new(RefCell::new((0_u64, 0_u64)));
        let counted = Rc::clone(&arrays);
        actix_rt::spawn(async move {
            loop {
                let reading = observer.next().await.unwrap();
                let mut counted = counted.borrow_mut();
                counted.0 += 1;
                counted.1 += size_of_val(&*reading.value) as u64;
            }
        });
        self.clock.sleep(TO_SETTLE).await;
        let (before, stretch) = (*arrays.borrow(), self.stretch());
        self.clock.sleep(time).await;
        let (after, took_s) = (*arrays.borrow(), (self.clock.now() - stretch.began).as_secs_f64());
        tell(&json!({
            "figure": "waveform",
            "per_s": (after.0 - before.0) as f64 / took_s,
            "gb_per_s": (after.1 - before.1) as f64 / took_s / 1e9,
            "cpu_percent": 100.0 * cpu_time().saturating_sub(stretch.cpu).as_secs_f64() / took_s,
        }));
        Ok(())
    }
}

fn tell_latencies(figure: &str, latencies: &mut [Duration]) {
    latencies.sort_unstable();
    let us = |index: usize| latencies[index].as_secs_f64() * 1e6;
    let (median_us, p99_us) = (us(latencies.len() / 2), us(latencies.len() * 99 / 100));
    tell(&json!({"figure": figure, "median_us": median_us, "p99_us": p99_us}));
}

#[derive(Clone, Copy)]
enum Count {
    Value(f64),
    /// Readings that our side lost.
    Overrun(u64),
}

#[derive(Clone, Copy, Default)]
struct Totals {
    updates: u64,
    lost: f64,
    overrun: u64,
}

/// Updates of counters, and how many counts never came.
struct Counters {
    last: Vec<Option<f64>>,
    totals: Totals,
}

impl Counters {
    fn new(count: usize) -> Self {
        Self { last: vec![None; count], totals: Totals::default() }
    }

    fn update(&mut self, index: usize, count: Count) {
        match count {
            Count::Value(value) => {
                if let Some(last) = self.last[index].replace(value) {
                    self.totals.lost += (value - last - 1.0).max(0.0);
                }
                self.totals.updates += 1;
            }
            Count::Overrun(lost) => self.totals.overrun += lost,
        }
    }

    fn totals(&self) -> Totals {
        self.totals
    }
}

#[derive(Message)]
#[rtype(result = "()")]
struct Counted {
    index: usize,
    count: Count,
}

#[derive(Message)]
#[rtype(result = "Totals")]
struct GetTotals;

impl Actor for Counters {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX);
    }
}

impl Handler<Counted> for Counters {
    type Result = ();

    fn handle(&mut self, message: Counted, _: &mut Context<Self>) {
        self.update(message.index, message.count);
    }
}

impl Handler<GetTotals> for Counters {
    type Result = actix::MessageResult<GetTotals>;

    fn handle(&mut self, _: GetTotals, _: &mut Context<Self>) -> Self::Result {
        actix::MessageResult(self.totals())
    }
}
