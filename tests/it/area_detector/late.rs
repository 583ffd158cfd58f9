//! What an IOC says late, or halfway, or while another request is under way.
use crate::beam::{Beam, ROW_START, arm, ms, name, plan, setup, simulate, snake};
use bluefly_actors::{
    logic::area_detector::{AreaDetector, DetectorRecord, DetectorSetup},
    signal::{
        Absence, Backlog, Channel, Connector, Kind, LocalFuture, Metadata, Monitor, Reading,
        Settle, SignalError, SignalProvider, Value, monitor,
    },
};
use bluefly_protocol::fault::FaultClass;
use bluefly_sim::faults::Fault as Trouble;
use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::Rc,
    time::Duration,
};
use tokio::sync::oneshot;

/// What stands between a detector and its signals.
#[derive(Default)]
pub(super) struct Between {
    /// Puts until the server dies with one.
    pub(super) puts_left: Cell<Option<u32>>,
    /// What is read at first in place of the value, of these signals.
    stale: RefCell<BTreeMap<String, Value>>,
    flushes: Cell<u32>,
    most_flushes: Cell<u32>,
    /// Three frames less are told from now on of those that were written.
    is_reopened: Cell<bool>,
}

struct Provider(Rc<dyn SignalProvider>, Rc<Between>);

struct Wire(String, Rc<dyn Channel>, Rc<Between>);

impl SignalProvider for Provider {
    fn connect(
        &self,
        address: &str,
        kind: Kind,
    ) -> LocalFuture<Result<Rc<dyn Channel>, SignalError>> {
        let (connecting, address) = (self.0.connect(address, kind), address.to_owned());
        let between = Rc::clone(&self.1);
        Box::pin(async move {
            Ok(Rc::new(Wire(address, connecting.await?, between)) as Rc<dyn Channel>)
        })
    }
}

impl Channel for Wire {
    fn get(&self) -> LocalFuture<Result<Reading<Value>, SignalError>> {
        let (reading, stale) = (self.1.get(), self.2.stale.borrow_mut().remove(&self.0));
        Box::pin(async move {
            let reading = reading.await?;
            Ok(Reading { value: stale.unwrap_or_else(|| reading.value.clone()), ..reading })
        })
    }

    fn put(&self, value: Value, settle: Settle) -> LocalFuture<Result<(), SignalError>> {
        let left = self.2.puts_left.get();
        self.2.puts_left.set(left.and_then(|left| left.checked_sub(1)));
        if left == Some(0) {
            let signal = self.0.clone();
            let absence = Box::new(Absence::Unknown);
            return Box::pin(async move { Err(SignalError::Lost { signal, value, absence }) });
        }
        if !self.0.ends_with(":FlushNow") {
            return self.1.put(value, settle);
        }
        let (putting, between) = (self.1.put(value, settle), Rc::clone(&self.2));
        Box::pin(async move {
            between.flushes.set(between.flushes.get() + 1);
            between.most_flushes.set(between.most_flushes.get().max(between.flushes.get()));
            let (done, completed) = oneshot::channel();
            // It goes on whatever becomes of the caller.
            tokio::task::spawn_local(async move {
                let put = putting.await;
                between.flushes.set(between.flushes.get() - 1);
                drop(done.send(put));
            });
            completed.await.unwrap()
        })
    }

    fn observe(&self, backlog: Backlog) -> Monitor {
        let mut inner = self.1.observe(backlog);
        if !self.0.ends_with(":NumCaptured_RBV") {
            return inner;
        }
        let ((feed, monitor), between) = (monitor(&self.0, backlog), Rc::clone(&self.2));
        tokio::task::spawn_local(async move {
            loop {
                let mut item = inner.next().await;
                if let (true, Ok(Reading { value: Value::Int(written), .. })) =
                    (between.is_reopened.get(), &mut item)
                {
                    *written -= 3;
                }
                if !feed.push(item) {
                    return;
                }
            }
        });
        monitor
    }

    fn metadata(&self) -> LocalFuture<Result<Metadata, SignalError>> {
        self.1.metadata()
    }
}

async fn camera(beam: &Beam) -> (AreaDetector, Rc<Between>) {
    camera_with(beam, setup()).await
}

pub(super) async fn camera_with(beam: &Beam, setup: DetectorSetup) -> (AreaDetector, Rc<Between>) {
    let between = Rc::<Between>::default();
    let provider = Rc::new(Provider(beam.world.provider(), Rc::clone(&between)));
    let connector = Connector::new(provider, beam.clock.clone(), Duration::from_secs(5));
    let record = DetectorRecord::connect(&connector, "sim://camera", &setup).await.unwrap();
    (AreaDetector::new(name("camera"), record, setup), between)
}

#[test]
fn frames_that_are_told_after_the_end_of_their_acquisition_are_not_lost() {
    simulate(async {
        let beam = Beam::with(|config| config.detectors[0].lateness = ms(7));
        let camera = beam.camera().await.unwrap();
        let stage = beam.stage().await.unwrap();
        camera.open(&plan("a.h5")).await.unwrap();
        stage.move_to(&ROW_START).await.unwrap();
        stage.build(&snake()).await.unwrap();
        camera.arm(&arm(0, 20)).await.unwrap();
        let start = beam.clock.now();
        let taken = async {
            camera.on_disk(|_| ()).await.unwrap();
            // The last frame is ready at 3,451 ms.
            assert_eq!(beam.clock.now() - start, ms(3_458));
        };
        let (executed, ()) = futures_util::join!(stage.execute(|_| ()), taken);
        executed.unwrap();
        assert_eq!(camera.disarm().await, Ok(20));
        camera.close().await.unwrap();
        beam.assert_safe();
    });
}

#[test]
fn one_flush_is_under_way_at_a_time_though_nobody_waits_for_it() {
    simulate(async {
        let beam = Beam::new();
        let (camera, between) = camera(&beam).await;
        let stage = beam.stage().await.unwrap();
        camera.open(&plan("a.h5")).await.unwrap();
        stage.move_to(&ROW_START).await.unwrap();
        stage.build(&snake()).await.unwrap();
        camera.arm(&arm(0, 20)).await.unwrap();
        let delay = ms(3_000);
        beam.world.fault(&Trouble::SlowWrite { detector: name("camera"), delay });
        let flushing = async {
            while between.flushes.get() == 0 {
                beam.clock.sleep(ms(1)).await;
            }
        };
        tokio::select! { biased;
            () = flushing => {}
            _ = futures_util::future::join(stage.execute(|_| ()), camera.on_disk(|_| ())) => {
                unreachable!("a flush was slow")
            }
        }
        stage.halt().await.unwrap();
        camera.disarm().await.unwrap();
        assert_eq!((between.flushes.get(), between.most_flushes.get()), (0, 1));
    });
}

#[test]
fn a_file_that_somebody_opens_anew_is_told() {
    simulate(async {
        let beam = Beam::new();
        let (camera, between) = camera(&beam).await;
        let stage = beam.stage().await.unwrap();
        camera.open(&plan("a.h5")).await.unwrap();
        stage.move_to(&ROW_START).await.unwrap();
        stage.build(&snake()).await.unwrap();
        camera.arm(&arm(0, 20)).await.unwrap();
        let later = async {
            beam.clock.sleep(ms(1_000)).await;
            between.is_reopened.set(true);
        };
        let taking = camera.on_disk(|_| ());
        let (taken, _, ()) = futures_util::join!(taking, stage.execute(|_| ()), later);
        let fault = taken.unwrap_err();
        let text = "count of frames written went back from 5 to 3 (sim://camera:HDF1:NumCaptured_RBV): \
                    someone opened its file anew";
        assert_eq!((fault.class, fault.reason.as_str()), (FaultClass::Failed, text));
        // None of its rows is known any more.
        assert_eq!(camera.disarm().await, Ok(0));
    });
}

#[test]
fn a_readback_that_comes_after_its_put_is_waited_for() {
    simulate(async {
        let beam = Beam::new();
        let (camera, between) = camera(&beam).await;
        camera.open(&plan("a.h5")).await.unwrap();
        let late = [
            ("NumImages", Value::Int(100)),
            ("TriggerMode", Value::Text("Internal".to_owned())),
            ("AcquireTime", Value::Float(1.0)),
        ];
        for (pv, value) in late {
            between.stale.borrow_mut().insert(format!("sim://camera:cam1:{pv}_RBV"), value);
        }
        camera.arm(&arm(0, 20)).await.unwrap();
        assert!(between.stale.borrow().is_empty());
    });
}

#[test]
fn columns_that_are_shorter_than_their_index_hold_no_frame() {
    simulate(async {
        let beam = Beam::new();
        let (camera, between) = camera(&beam).await;
        camera.take_one(ms(10)).await.unwrap();
        assert_eq!(camera.summary(0..1).await.unwrap().total.len(), 1);
        for column in ["TSTotal", "TSTimestamp"] {
            let empty = Value::Floats([].into());
            between.stale.borrow_mut().insert(format!("sim://camera:STAT1:{column}"), empty);
            let fault = camera.summary(0..1).await.unwrap_err();
            let told = (FaultClass::Lost, "frame 0 is not in a ring of 1024");
            assert_eq!((fault.class, fault.reason.as_str()), told);
        }
    });
}
