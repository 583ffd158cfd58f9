//! What a beamline file is right without, and a scan is not.
use crate::assembly::capabilities;
use bluefly_protocol::{
    beamline::{BeamlineSpec, DeviceType, PandaSpec, Trigger},
    trajectory::TriggerBits,
};
use std::{io, iter, path::Path};

/// What is missing for scans to be flown, or makes them fail.
pub(super) fn remarks(spec: &BeamlineSpec) -> Vec<String> {
    let captures = spec.pandas().any(PandaSpec::is_detector);
    let of_type = |wanted| {
        let is_so = spec.devices.values().any(|device| device.device_type() == wanted);
        is_so || wanted == DeviceType::Detector && captures
    };
    let needs = [
        (DeviceType::TrajectoryController, "no scan can be flown"),
        (DeviceType::Generator, "the beamline cannot be put into operation"),
        (DeviceType::Detector, "a scan only moves, and takes nothing"),
    ];
    let missing = needs
        .into_iter()
        .filter(|(wanted, _)| !of_type(*wanted))
        .map(|(wanted, so)| format!("there is no device of type {:?}: {so}", wanted.as_str()));
    let out_of_reach = out_of_reach(spec, std::path::absolute(&spec.data.directory));
    let conflict = capabilities(spec).conflict().map(|conflict| {
        let told = conflict.to_string();
        format!("no scan can be flown: {}", told.trim_start_matches("$: "))
    });
    missing.chain(conflict).chain(out_of_reach).chain(left_out(spec)).chain(unwired(spec)).collect()
}

/// Rows of a PandA come for its triggers, if those are led to where it captures.
fn unwired(spec: &BeamlineSpec) -> impl Iterator<Item = String> {
    spec.pandas().flat_map(|panda| {
        let PandaSpec { name, triggers, .. } = panda;
        let source = triggers.as_ref().map(|triggers| &triggers.source);
        panda.unwired().zip(iter::repeat(source)).filter_map(move |(field, source)| {
            let source = source?;
            let output = if field == "PCAP.ENABLE" { "ACTIVE" } else { source.frames() };
            Some(format!(
                "device.{name} captures at its triggers, and nothing in device.{name}.wiring leads \
                 them to {field}: no row comes unless somebody has set it, such as \"{field}\" = \
                 \"{}.{output}\"",
                source.block()
            ))
        })
    })
}

/// Detectors that wait for pulses which nobody here makes: a PandA triggers others, and no controller
/// makes one for each frame.
fn left_out(spec: &BeamlineSpec) -> impl Iterator<Item = String> {
    let is_for_frames = |bits| bits == TriggerBits::EveryPoint;
    let mut controllers = spec.trajectory_controllers();
    let none_but_pandas = !controllers.any(|controller| is_for_frames(controller.trigger_bits));
    let pandas = || spec.pandas().filter_map(|panda| Some((panda, panda.triggers.as_ref()?)));
    let panda = pandas().next().filter(|_| none_but_pandas).map(|(panda, _)| &panda.name);
    panda.into_iter().flat_map(move |panda| {
        spec.detectors().filter_map(move |detector| {
            let name = &detector.name;
            let waits = matches!(detector.trigger, Trigger::Edge | Trigger::Gate);
            let is_plugged_in =
                pandas().any(|(_, triggers)| triggers.outputs.contains_key(name));
            (waits && !is_plugged_in).then(|| {
                format!(
                    "device.{name} waits for pulses, and nothing in this file makes them: it is not \
                     in device.{panda}.triggers.outputs"
                )
            })
        })
    })
}

/// Detectors that cannot reach `directory`, which the file has as a relative one.
fn out_of_reach(
    spec: &BeamlineSpec,
    directory: io::Result<impl AsRef<Path>>,
) -> impl Iterator<Item = String> {
    let directory = directory.ok().filter(|_| Path::new(&spec.data.directory).is_relative());
    directory.into_iter().flat_map(|directory| {
        spec.detectors().filter_map(move |detector| {
            let (here, directory) = (&detector.paths.as_ref()?.here, directory.as_ref());
            (!detector.reaches(directory)).then(|| {
                format!(
                    "device.{}.paths.here, {here:?}, does not contain data.directory, which is {} \
                     from here: write that as an absolute path",
                    detector.name,
                    directory.display()
                )
            })
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::beamline_file;

    const EXAMPLE: &str = include_str!("../../../etc/example.toml");

    fn spec(text: &str) -> BeamlineSpec {
        beamline_file::read_text("example.toml", text).expect("it is right")
    }

    #[test]
    fn a_beamline_that_could_fly_nothing_passed_without_a_word() {
        let bare = spec("[beamline]\nname = \"bare\"\n");
        let expected = [
            "there is no device of type \"trajectory_controller\": no scan can be flown",
            "there is no device of type \"generator\": the beamline cannot be put into operation",
            "there is no device of type \"detector\": a scan only moves, and takes nothing",
        ];
        assert_eq!(remarks(&bare), expected);
    }

    #[test]
    fn a_detector_that_no_panda_triggers_was_not_remarked() {
        let check = |edits: &[(&str, &str)], expected: &[&str]| {
            let text = include_str!("../../../etc/panda.toml").to_owned();
            let text = edits.iter().fold(text, |text, (from, to)| {
                assert!(text.contains(from), "{from} is not in the file");
                text.replace(from, to)
            });
            assert_eq!(remarks(&spec(&text)), expected);
        };
        let without = ("diode = { output = \"TTLOUT2\", pulse = \"PULSE1\" }", "");
        let diode = "device.diode waits for pulses, and nothing in this file makes them: it is not in \
                     device.panda.triggers.outputs";
        check(&[], &[]);
        check(&[without], &[diode]);
        check(&[without, ("trigger_bits = \"row_gate\"", "trigger_bits = \"every_point\"")], &[]);
        let single = ("exposures_per_frame = 2", "trigger = \"internal\"");
        check(&[without, single, ("exposure = \"500 us\"", "")], &[]);
    }

    #[test]
    fn a_panda_that_captures_at_no_trigger_passed_without_a_word() {
        let wires = [("ENABLE", "SEQ1.ACTIVE"), ("TRIG", "SEQ1.OUTA")];
        for (field, value) in wires {
            let wire = format!("\"PCAP.{field}\" = \"{value}\"\n");
            let text = include_str!("../../../etc/panda.toml");
            assert!(text.contains(&wire), "{wire} is not in the file");
            let told = format!(
                "device.panda captures at its triggers, and nothing in device.panda.wiring leads them \
                 to PCAP.{field}: no row comes unless somebody has set it, such as {}",
                wire.trim_end()
            );
            assert_eq!(remarks(&spec(&text.replace(&wire, ""))), [told]);
        }
    }

    #[test]
    fn detectors_that_can_have_no_scan_together_passed_without_a_word() {
        let camera = "\n[device.diode]\ntype = \"detector\"\nprovider = \"sim://diode\"\n\
                      shape = [1, 2]\ndtype = \"uint16\"\ndead_time = \"1 ms\"\n";
        let check = |trigger: &str, expected: &[&str]| {
            let text = format!("{EXAMPLE}{camera}trigger = {trigger:?}\n");
            let remarks = remarks(&spec(&text)).into_iter();
            let told = remarks.filter(|remark| remark.starts_with("no scan"));
            assert_eq!(told.collect::<Vec<_>>(), expected);
        };
        check("edge", &[]);
        check("internal", &[]);
        let text = "no scan can be flown: detector diode takes a frame at a command (trigger = \
                    \"software\"), camera by \"edge\": all detectors of a beamline do, or none";
        check("software", &[text]);
    }

    #[test]
    fn a_relative_directory_is_where_the_command_is_typed() {
        let check = |directory: &str, expected: &[&str]| {
            let real = spec(&EXAMPLE.replace("sim://camera", "ca://camera"));
            let found: Vec<_> = out_of_reach(&real, Ok(directory)).collect();
            assert_eq!(found, expected);
        };
        check("/data", &[]);
        check("/data/today/data", &[]);
        check(
            "/home/data",
            &["device.camera.paths.here, \"/data\", does not contain data.directory, which is \
               /home/data from here: write that as an absolute path"],
        );
    }
}
