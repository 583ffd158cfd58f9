//! A line that is flown with a PandA as detector and source of triggers.
use super::{IMMEDIATE, POSA_ABOVE, Rig, Row, line, with_panda};
use crate::{
    alone::is_alone,
    beam::{Beam, ROW_START, arm, ms, name, plan, simulate},
};
use bluefly_actors::supervise::Schedule;
use bluefly_sim::{
    Latency,
    faults::{Fault, Planned},
    trace::TraceLayer,
};
use tracing_subscriber::layer::SubscriberExt as _;

/// Ten frames of 100 ms from where x comes to 0 on.
fn table() -> [Row; 2] {
    let first = Row { repeats: 1, trigger: POSA_ABOVE, position: 0, times: [6_250_000, 6_250_000] };
    [first, Row { repeats: 9, trigger: IMMEDIATE, ..first }]
}

#[test]
fn rows_and_frames_of_a_line_are_where_they_were_planned() {
    simulate(async {
        let rig = Rig::new();
        let (camera, stage) = (rig.beam.camera().await.unwrap(), rig.beam.stage().await.unwrap());
        rig.wire();
        rig.write_table(&table());
        camera.open(&plan("a.h5")).await.unwrap();
        stage.move_to(&ROW_START).await.unwrap();
        stage.build(&line()).await.unwrap();
        camera.arm(&arm(0, 10)).await.unwrap();
        let reader = rig.reader();
        rig.told("*PCAP.ARM=");
        rig.told("BITS.A=1");
        stage.execute(|_| ()).await.unwrap();
        let rows = rig.rows(reader);
        let positions: Vec<i32> = rows.iter().map(|(x, _)| *x).collect();
        assert_eq!(positions, [0, 10, 20, 30, 40, 50, 60, 70, 80, 90].map(|x| x * 1_000));
        let periods: Vec<u64> = rows.windows(2).map(|pair| pair[1].1 - pair[0].1).collect();
        assert_eq!(periods, [12_500_000; 9]);
        assert_eq!(rig.ask("*PCAP.COMPLETION?"), "OK =Ok\n");
        assert_eq!(camera.disarm().await, Ok(10));
        assert_eq!(rig.beam.world.frames_written(&name("camera")), [1; 10]);
    });
}

/// What happens in flights in which the PandA is cut off and frozen, line by line.
fn traced(seed: u64) -> String {
    simulate(async {
        let beam = Beam::seeded(seed, |config| {
            with_panda(config);
            config.latency = Latency { least: ms(1), most: ms(20) };
            config.schedule = Schedule::Shuffled;
        });
        let (layer, trace) = TraceLayer::new(beam.clock.clone());
        let subscriber = tracing_subscriber::registry().with(layer);
        let guard = tracing::subscriber::set_default(subscriber);
        let rig = Rig::of(beam);
        let (camera, stage) = (rig.beam.camera().await.unwrap(), rig.beam.stage().await.unwrap());
        rig.wire();
        rig.write_table(&table());
        camera.open(&plan("a.h5")).await.unwrap();
        let (device, time) = (name("panda"), ms(70));
        let faults = [
            Planned { after: ms(900), fault: Fault::Disconnect { device: device.clone(), time } },
            Planned { after: ms(1_200), fault: Fault::Freeze { device, time } },
        ];
        rig.beam.world.schedule(faults.to_vec());
        stage.move_to(&ROW_START).await.unwrap();
        stage.build(&line()).await.unwrap();
        camera.arm(&arm(0, 10)).await.unwrap();
        let reader = rig.reader();
        rig.told("*PCAP.ARM=");
        rig.told("BITS.A=1");
        stage.execute(|_| ()).await.unwrap();
        let (rows, frames) = (rig.rows(reader), camera.disarm().await);
        tracing::info!(target: "bluefly::test", ?rows, ?frames, "flown");
        drop(guard);
        trace.text()
    })
}

#[test]
fn twenty_seeds_give_twenty_traces_each_always_the_same() {
    if !is_alone("sim_world_panda::flights::twenty_seeds_give_twenty_traces_each_always_the_same") {
        return;
    }
    let traces: Vec<String> = (0..20).map(traced).collect();
    for (seed, trace) in (0..20).zip(&traces) {
        assert_eq!(traced(seed), *trace, "seed {seed}");
        assert!(trace.contains("flown"), "seed {seed}");
        let others = traces.iter().filter(|other| *other == trace);
        assert_eq!(others.count(), 1, "seed {seed}");
    }
}
