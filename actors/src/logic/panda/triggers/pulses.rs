//! PULSE blocks: the pulses of detectors that want others than one for each frame.
use super::{
    super::super::Task,
    PandaTriggers,
    setup::TriggerOutput,
    talk::{Talk, of},
};
use bluefly_protocol::{
    fault::{Fault, FaultClass},
    panda::describe::BlockName,
    plan::ScanPlan,
    sequencer::{Live, PulseRequest, PulseTrain, pulse_train},
};
use std::{num::NonZeroU32, time::Duration};

const NS_PER_TICK: u128 = 8;

impl PandaTriggers {
    /// The outputs that are used in a scan.
    fn outputs<'a>(&'a self, plan: &'a ScanPlan) -> impl Iterator<Item = &'a TriggerOutput> {
        let is_used = |output: &&TriggerOutput| plan.exposures().contains_key(&output.detector);
        self.setup.outputs.iter().filter(is_used)
    }

    /// When output A is high during a frame: whoever sees it is left alone before the next.
    pub(super) fn live(&self, plan: &ScanPlan) -> Live {
        let dead_times = self.outputs(plan).filter(|output| output.pulse.is_none());
        let longest =
            dead_times.map(|output| output.dead_time).fold(self.setup.dead_time, Duration::max);
        let ticks = longest.as_nanos().div_ceil(NS_PER_TICK);
        let ticks = u32::try_from(ticks).ok().and_then(NonZeroU32::new);
        // A dead time of more than 34 s leaves no frame that would fit.
        let dead_ticks =
            ticks.unwrap_or(if longest.is_zero() { NonZeroU32::MIN } else { NonZeroU32::MAX });
        Live::First { dead_ticks }
    }

    /// Fields that enable PULSE blocks, as far as nothing else is said of them.
    pub(super) fn driven_pulses(&self) -> impl Iterator<Item = String> {
        let blocks = self.setup.outputs.iter().filter_map(|output| output.pulse.as_ref());
        let enables = blocks.map(|block| of(block, "ENABLE"));
        enables
            .filter(|enable| self.setup.wires.iter().all(|(field, _)| field.to_string() != *enable))
    }

    /// What every PULSE block that is used makes of a frame.
    pub(super) fn trains<'a>(
        &'a self,
        task: Task<'_>,
        plan: &'a ScanPlan,
    ) -> Result<Vec<(&'a BlockName, PulseTrain)>, Fault> {
        let mut trains = Vec::new();
        for output in self.outputs(plan) {
            let rejected = |reason: String| task.fault(FaultClass::Rejected, reason);
            let TriggerOutput { detector, exposures_per_frame: exposures, .. } = output;
            let Some(block) = &output.pulse else {
                if exposures.get() > 1 {
                    return Err(rejected(format!(
                        "detector {detector}: {exposures} exposures per frame need a PULSE block"
                    )));
                }
                continue;
            };
            let request = PulseRequest {
                detector: detector.clone(),
                frame: plan.shortest_frame(),
                exposures: *exposures,
                exposure: plan.exposures().get(detector).copied(),
                dead_time: output.dead_time,
                place: output.place,
            };
            let train = pulse_train(&request).map_err(|error| rejected(error.to_string()))?;
            trains.push((block, train));
        }
        Ok(trains)
    }

    /// Sets every PULSE block that is used, and looks whether it is; none makes pulses before the
    /// first frame.
    pub(super) async fn set_pulses(&self, talk: &Talk<'_>, plan: &ScanPlan) -> Result<(), Fault> {
        let trains = self.trains(talk.task, plan)?.into_iter();
        let enables = self.driven_pulses().map(|enable| (enable, "ONE".to_owned()));
        let values: Vec<(String, String)> =
            trains.flat_map(|(block, train)| pulse(block, train)).chain(enables).collect();
        talk.put_all(&values).await
    }

    /// How many pulses each PULSE block has dropped, as far as they tell.
    pub(super) async fn dropped(&self, talk: &Talk<'_>) -> Result<Vec<u64>, Fault> {
        let blocks = self.setup.outputs.iter().filter_map(|output| output.pulse.as_ref());
        let mut dropped = Vec::new();
        for field in blocks.map(|block| of(block, "DROPPED")).filter(|field| talk.has(field)) {
            dropped.push(talk.number(&field, &talk.get(&field).await?)?);
        }
        Ok(dropped)
    }
}

fn pulse(block: &BlockName, train: PulseTrain) -> [(String, String); 5] {
    let PulseTrain { delay_ticks, width_ticks, step_ticks, pulses } = train;
    [
        (of(block, "TRIG_EDGE"), "Rising".to_owned()),
        (of(block, "DELAY.RAW"), delay_ticks.to_string()),
        (of(block, "WIDTH.RAW"), width_ticks.to_string()),
        (of(block, "STEP.RAW"), step_ticks.to_string()),
        (of(block, "PULSES"), pulses.get().to_string()),
    ]
}
