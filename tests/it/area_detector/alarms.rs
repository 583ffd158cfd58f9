//! A driver that has lost its detector says so by alarms, and leaves the values as they were.
use crate::beam::{Beam, arm, name, plan, setup, simulate};
use bluefly_actors::{
    logic::area_detector::{AreaDetector, DetectorRecord},
    signal::{
        Alarm, Backlog, Channel, Connector, Kind, LocalFuture, Metadata, Monitor, Reading, Settle,
        Severity, SignalError, SignalProvider, Value, monitor,
    },
};
use bluefly_protocol::fault::FaultClass;
use std::{cell::RefCell, rc::Rc, time::Duration};

/// The signal that nobody knows the value of, if there is one.
type Sick = Rc<RefCell<Option<String>>>;

struct Provider(Rc<dyn SignalProvider>, Sick);

struct Wire {
    address: String,
    inner: Rc<dyn Channel>,
    sick: Sick,
}

impl SignalProvider for Provider {
    fn connect(
        &self,
        address: &str,
        kind: Kind,
    ) -> LocalFuture<Result<Rc<dyn Channel>, SignalError>> {
        let (connecting, address) = (self.0.connect(address, kind), address.to_owned());
        let sick = Rc::clone(&self.1);
        Box::pin(async move {
            Ok(Rc::new(Wire { address, inner: connecting.await?, sick }) as Rc<dyn Channel>)
        })
    }
}

fn invalid(reading: Reading<Value>) -> Reading<Value> {
    let alarm = Alarm { severity: Severity::Invalid, text: "COMM".to_owned() };
    Reading { alarm, ..reading }
}

impl Wire {
    fn is_sick(&self) -> bool {
        self.sick.borrow().as_ref() == Some(&self.address)
    }
}

impl Channel for Wire {
    fn get(&self) -> LocalFuture<Result<Reading<Value>, SignalError>> {
        let (reading, is_sick) = (self.inner.get(), self.is_sick());
        Box::pin(async move { if is_sick { reading.await.map(invalid) } else { reading.await } })
    }

    fn put(&self, value: Value, settle: Settle) -> LocalFuture<Result<(), SignalError>> {
        self.inner.put(value, settle)
    }

    fn observe(&self, backlog: Backlog) -> Monitor {
        let mut inner = self.inner.observe(backlog);
        if !self.is_sick() {
            return inner;
        }
        let (feed, monitor) = monitor(&self.address, backlog);
        tokio::task::spawn_local(
            async move { while feed.push(inner.next().await.map(invalid)) {} },
        );
        monitor
    }

    fn metadata(&self) -> LocalFuture<Result<Metadata, SignalError>> {
        self.inner.metadata()
    }
}

async fn camera(beam: &Beam) -> (AreaDetector, Sick) {
    let sick = Sick::default();
    let provider = Rc::new(Provider(beam.world.provider(), Rc::clone(&sick)));
    let connector = Connector::new(provider, beam.clock.clone(), Duration::from_secs(5));
    let record = DetectorRecord::connect(&connector, "sim://camera", &setup()).await.unwrap();
    (AreaDetector::new(name("camera"), record, setup()), sick)
}

#[test]
fn a_detector_whose_values_nobody_knows_was_armed() {
    let signals = [
        "cam1:Acquire_RBV",
        "cam1:NumImages_RBV",
        "cam1:TriggerMode_RBV",
        "cam1:AcquireTime_RBV",
        "HDF1:Capture_RBV",
        "HDF1:NumCaptured_RBV",
        "HDF1:ArrayCounter_RBV",
        "HDF1:UniqueId_RBV",
        "HDF1:DroppedArrays_RBV",
    ];
    for signal in signals {
        simulate(async {
            let beam = Beam::new();
            let (camera, sick) = camera(&beam).await;
            camera.open(&plan("a.h5")).await.unwrap();
            let address = format!("sim://camera:{signal}");
            *sick.borrow_mut() = Some(address.clone());
            let fault = camera.arm(&arm(0, 20)).await.unwrap_err();
            let text = format!(
                "camera: cannot arm for frames 0 to 19: the value of {address} is not known: it has \
                 alarm COMM"
            );
            assert_eq!((fault.class, fault.to_string()), (FaultClass::Failed, text));
            assert!(!beam.world.is_anything_armed());
            *sick.borrow_mut() = None;
            camera.make_safe().await.unwrap();
            camera.arm(&arm(0, 20)).await.unwrap();
            assert!(beam.world.is_anything_armed());
        });
    }
}
