//! A PandA as a detector and as a source of triggers.
use crate::pandas::PandaPlace;
use bluefly_actors::{
    backend::panda::capture::CHUNK_ROWS,
    clock::Clock,
    device::panda::PandaLink,
    logic::{
        detector::DetectorLogic,
        panda::{
            capture::{CaptureColumn, CaptureSetup, Encoder, PandaCapture},
            triggers::{PandaTriggers, TriggerOutput, TriggerSetup},
            wired::Wired,
        },
        triggers::TriggerLogic,
    },
    storage::StorageClient,
};
use bluefly_protocol::{
    beamline::{
        BeamlineSpec, DetectorSpec, PandaOutput, PandaSource, PandaSpec, PandaStart,
        PandaTriggersSpec, Trigger,
    },
    exposures::ExposuresPerFrame,
    name::Name,
    panda::{
        describe::{Captured, Inventory},
        wiring::Wire,
    },
    plan::DetectorCapability,
    sequencer::{Bus, PositionInput, PulsePlace, SequencerError, StartOn, TableLimits},
};
use std::{rc::Rc, time::Duration};

/// Captures the rows of a PandA, if it is a detector.
pub(super) fn capture(
    spec: &BeamlineSpec,
    panda: &PandaSpec,
    place: &PandaPlace,
    storage: &StorageClient,
) -> Option<Rc<dyn DetectorLogic>> {
    if !panda.is_detector() {
        return None;
    }
    let ports = (place.link.seat.clone(), Rc::clone(&place.data));
    let setup = capture_setup(spec, panda);
    let logic = PandaCapture::new(panda.name.clone(), ports, storage.clone(), setup);
    Some(Rc::new(wired(panda, place, logic)))
}

/// What the file asks a PandA to capture that it cannot, each with its key.
pub(crate) fn cannot_capture(
    spec: &BeamlineSpec,
    panda: &PandaSpec,
    inventory: &Inventory,
) -> Vec<String> {
    let wrong = capture_setup(spec, panda).wrong(inventory).into_iter();
    let name = &panda.name;
    wrong.map(|(field, reason)| format!("device.{name}.capture.{field}: {reason}")).collect()
}

fn capture_setup(spec: &BeamlineSpec, panda: &PandaSpec) -> CaptureSetup {
    let columns = panda.capture.iter().map(|captured| column(panda, captured)).collect();
    CaptureSetup { columns, flush_period: spec.data.flush_period }
}

/// Triggers detectors by a block of a PandA, if it is to.
pub(super) fn triggers(
    spec: &BeamlineSpec,
    panda: &PandaSpec,
    (place, clock): (&PandaPlace, &Clock),
) -> Result<Option<Rc<dyn TriggerLogic>>, SequencerError> {
    let Some(triggers) = &panda.triggers else { return Ok(None) };
    let setup = trigger_setup(spec, panda, triggers)?;
    let (name, seat, clock) = (panda.name.clone(), place.link.seat.clone(), clock.clone());
    let logic = match &triggers.source {
        PandaSource::Sequencer { .. } => PandaTriggers::new(name, seat, clock, setup),
        PandaSource::Comparison { .. } => PandaTriggers::comparing(name, seat, clock, setup),
    };
    Ok(Some(Rc::new(wired(panda, place, logic))))
}

/// What a scan may ask of a PandA that is a detector.
pub(super) fn capability(panda: &PandaSpec) -> DetectorCapability {
    DetectorCapability {
        dead_time: panda.dead_time(),
        exposure: None,
        trigger: Trigger::Edge,
        exposures_per_frame: ExposuresPerFrame::ONE,
        exposure_bytes: panda.row_bytes(),
        file_bytes: panda.row_bytes() * CHUNK_ROWS as u64,
    }
}

fn wired<L>(panda: &PandaSpec, PandaPlace { link, .. }: &PandaPlace, logic: L) -> Wired<L> {
    let PandaLink { seat, wiring, .. } = link.clone();
    Wired::new(panda.name.clone(), (seat, wiring), logic)
}

fn column(panda: &PandaSpec, captured: &Captured) -> CaptureColumn {
    let Captured { name, captures } = captured;
    let on_it = panda.encoders.iter().find(|(_, encoder)| {
        name.field() == "VAL" && name.attribute().is_none() && name.block == encoder.input
    });
    let encoder = on_it.map(|(axis, encoder)| Encoder {
        axis: axis.clone(),
        scale: encoder.scale,
        offset: encoder.offset,
        units: encoder.units.clone(),
    });
    CaptureColumn { field: name.clone(), captures: captures.clone(), encoder }
}

fn trigger_setup(
    spec: &BeamlineSpec,
    panda: &PandaSpec,
    triggers: &PandaTriggersSpec,
) -> Result<TriggerSetup, SequencerError> {
    let start = start(panda, &triggers.source)?;
    let detector = |name: &Name| spec.detectors().find(|detector| detector.name == *name);
    let outputs = triggers.outputs.iter();
    let outputs =
        outputs.filter_map(|(name, output)| Some(trigger_output(detector(name)?, output)));
    // Whoever wires what enables a block has it do so.
    let enables = panda.wiring.iter().filter(|wire| wire.field.field() == "ENABLE");
    let wires = enables.map(|Wire { field, value, .. }| (field.clone(), value.clone()));
    Ok(TriggerSetup {
        sequencer: triggers.source.block().clone(),
        start,
        wires: wires.collect(),
        outputs: outputs.collect(),
        rows: panda.row_inputs(),
        dead_time: if panda.is_detector() { panda.dead_time() } else { Duration::ZERO },
        tables: TableLimits::STREAMING,
    })
}

/// The position that it compares to trigger, if that is how it does.
pub(super) fn compared(panda: &PandaSpec) -> Option<PositionInput> {
    let PandaTriggersSpec { source, .. } = panda.triggers.as_ref()?;
    let PandaSource::Comparison { axis, .. } = source else { return None };
    let encoder = panda.encoders.get(axis)?;
    let input = PositionInput::new(axis.clone(), Bus::A, encoder.scale, encoder.offset);
    Some(input.expect("a file has finite scales other than 0"))
}

fn start(panda: &PandaSpec, source: &PandaSource) -> Result<StartOn, SequencerError> {
    let input = |(axis, bus): (&Name, Bus)| {
        let encoder = panda.encoders.get(axis)?;
        Some(PositionInput::new(axis.clone(), bus, encoder.scale, encoder.offset))
    };
    let start_on = match source {
        // It has one input.
        PandaSource::Comparison { axis, .. } => {
            let inputs = input((axis, Bus::A)).into_iter();
            return Ok(StartOn::Position(inputs.collect::<Result<_, _>>()?));
        }
        PandaSource::Sequencer { start_on, .. } => start_on,
    };
    match start_on {
        PandaStart::Position(positions) => {
            let inputs = positions.iter().filter_map(|(axis, bus)| input((axis, *bus)));
            Ok(StartOn::Position(inputs.collect::<Result<_, _>>()?))
        }
        PandaStart::Gate(bit) => Ok(StartOn::Gate(*bit)),
        PandaStart::Time => Ok(StartOn::Time),
    }
}

fn trigger_output(detector: &DetectorSpec, output: &PandaOutput) -> TriggerOutput {
    TriggerOutput {
        detector: detector.name.clone(),
        pulse: output.pulse.clone(),
        exposures_per_frame: detector.exposures_per_frame,
        dead_time: detector.dead_time,
        place: PulsePlace::Beginning,
    }
}
