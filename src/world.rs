//! [`world_config`]: what a simulation puts behind the devices of a beamline.
use crate::assembly::detector_setup;
use bluefly_actors::{
    logic::{
        area_detector::{trigger_choices, trigger_word},
        detector::Dtype,
    },
    supervise::Schedule,
};
use bluefly_protocol::{
    beamline::{self, BeamlineSpec, CameraSpec, PandaSpec, Trigger},
    name::Name,
    panda::describe::{BlockName, FieldName},
};
use bluefly_sim::{
    ControllerConfig, DetectorConfig, EncoderConfig, GeneratorConfig, InputConfig, Latency,
    MotorConfig, OutputConfig, PandaConfig, WorldConfig,
};
use std::{collections::BTreeSet, path::Path, time::Duration};

/// Frames of which a simulated detector remembers the statistics.
const RING: usize = 4_096;

/// The hardware that a simulation puts behind the devices of a beamline.
pub fn world_config(spec: &BeamlineSpec, latency: Latency, schedule: Schedule) -> WorldConfig {
    let motors: Vec<MotorConfig> = spec
        .motors()
        .map(|motor| MotorConfig {
            address: motor.provider.to_string(),
            unit: motor.units.clone(),
            position: 0.0_f64.clamp(motor.limits.low, motor.limits.high),
            precision: motor.precision,
            is_compound: motor.is_compound,
            ..MotorConfig::new(motor.name.clone(), motor.limits)
        })
        .collect();
    let controllers = spec.trajectory_controllers().map(|controller| ControllerConfig {
        address: controller.provider.to_string(),
        cs: controller.cs.clone(),
        cs_address: controller.cs_provider.to_string(),
        buffer_length: controller.max_segments,
        shortest: controller.min_segment_duration,
        trigger_source: controller.trigger_source,
        ..ControllerConfig::new(controller.name.clone(), controller.axes.clone())
    });
    let detectors = spec.detectors().map(|detector| DetectorConfig {
        name: detector.name.clone(),
        address: detector.provider.to_string(),
        shape: detector.shape,
        dtype: dtype(detector.dtype),
        dead_time: detector.dead_time,
        triggers: triggers(&detector.camera),
        axes: motors.iter().map(|motor| motor.name.clone()).collect(),
        positions: detector.positions,
        statistics: detector.statistics,
        has_taken_a_frame: true,
        has_multiplier: detector_setup(spec, detector, Vec::new(), Path::new("")).has_multiplier(),
        missed_triggers: lost(spec, &detector.name),
        ring: RING,
        lateness: Duration::ZERO,
    });
    let generators = spec.generators().map(|generator| GeneratorConfig {
        name: generator.name.clone(),
        address: generator.provider.to_string(),
    });
    WorldConfig {
        controllers: controllers.collect(),
        detectors: detectors.collect(),
        generators: generators.collect(),
        pandas: spec.pandas().map(|panda| panda_config(spec, panda)).collect(),
        motors,
        latency,
        schedule,
    }
}

/// What a PandA is plugged into, as far as its inputs and outputs are simulated.
fn panda_config(spec: &BeamlineSpec, panda: &PandaSpec) -> PandaConfig {
    let encoders = panda.encoders.iter().filter_map(|(motor, encoder)| {
        let (motor, number) = (motor.clone(), place(&encoder.input, "INENC")?);
        Some(EncoderConfig { motor, number, scale: encoder.scale, offset: encoder.offset })
    });
    // The gate of each controller is at the input that the sequencer sees.
    let gates = panda.wiring.iter().filter(|wire| wire.field.field().starts_with("BIT"));
    let gates = gates.filter_map(|wire| wire.value.parse::<FieldName>().ok());
    let numbers: BTreeSet<u8> = gates.filter_map(|name| place(&name.block, "TTLIN")).collect();
    let inputs = spec.trajectory_controllers().flat_map(|controller| {
        numbers.iter().map(|number| InputConfig {
            controller: controller.name.clone(),
            bit: 0,
            number: *number,
        })
    });
    let outputs = panda.triggers.iter().flat_map(|triggers| &triggers.outputs);
    let outputs = outputs.filter_map(|(detector, plug)| {
        let number = place(&plug.output, "TTLOUT")?;
        Some(OutputConfig { number, detector: detector.clone() })
    });
    PandaConfig {
        name: panda.name.clone(),
        encoders: encoders.collect(),
        inputs: inputs.collect(),
        outputs: outputs.collect(),
    }
}

/// The number of a block of this kind.
fn place(block: &BlockName, kind: &str) -> Option<u8> {
    let number = block.instance().filter(|_| block.name() == kind)?;
    u8::try_from(number.get()).ok()
}

/// What the words of a camera mean.
fn triggers(camera: &CameraSpec) -> Vec<(String, Trigger)> {
    let meaning = |word: &str| {
        let has_word = |trigger: &Trigger| trigger_word(camera, *trigger) == Some(word);
        Trigger::ALL.into_iter().find(has_word)
    };
    // What a word means that nobody here uses is not simulated.
    let words = trigger_choices(camera).into_iter();
    words.map(|word| (word.to_owned(), meaning(word).unwrap_or(Trigger::Software))).collect()
}

fn lost(spec: &BeamlineSpec, detector: &Name) -> std::collections::BTreeSet<u64> {
    let device = spec.sim.devices.get(detector);
    device.into_iter().flat_map(|device| device.lose_frames.iter().copied()).collect()
}

pub(crate) fn dtype(dtype: beamline::Dtype) -> Dtype {
    match dtype {
        beamline::Dtype::U8 => Dtype::UInt8,
        beamline::Dtype::U16 => Dtype::UInt16,
        beamline::Dtype::U32 => Dtype::UInt32,
        beamline::Dtype::I8 => Dtype::Int8,
        beamline::Dtype::I16 => Dtype::Int16,
        beamline::Dtype::I32 => Dtype::Int32,
        beamline::Dtype::F32 => Dtype::Float32,
        beamline::Dtype::F64 => Dtype::Float64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::beamline_file;

    #[test]
    fn a_detector_on_a_panda_was_asked_for_a_pulse_block_of_its_own() {
        let check = |file: &str, expected: &[&str]| {
            let spec = beamline_file::read_text("panda.toml", file).expect("it is right");
            let config = world_config(&spec, Latency::default(), Schedule::Fifo);
            let detectors = config.detectors.iter().filter(|detector| detector.has_multiplier);
            let names: Vec<&str> = detectors.map(|detector| detector.name.as_str()).collect();
            assert_eq!(names, expected);
        };
        let file = include_str!("../etc/panda.toml");
        check(file, &[]);
        let plug = r#"diode = { output = "TTLOUT2", pulse = "PULSE1" }"#;
        assert!(file.contains(plug));
        check(&file.replace(plug, ""), &["diode"]);
    }
}
