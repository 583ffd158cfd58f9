//! A PandA that triggers no detector but itself.
use super::flight::{FRAMES, setup};
use crate::run::rig::{GRID, with_rig};

/// The detectors are triggered by the controller; a row is a word, the shortest there is.
const ALONE: [(&str, &str); 2] = [
    (
        "[device.panda.triggers.outputs]\ncamera = { output = \"TTLOUT1\" }\ndiode = { output = \
         \"TTLOUT2\" }\n",
        "",
    ),
    (
        "\"INENC1.VAL\" = [\"Mean\"]\n\"INENC2.VAL\" = [\"Mean\"]\n\"PCAP.GATE_DURATION\" = [\"Value\"]",
        "\"INENC1.VAL\" = [\"Value\"]",
    ),
];

#[test]
fn a_panda_that_triggers_itself_alone_captures_every_frame() {
    with_rig(setup(&ALONE), async |rig| {
        assert_eq!(rig.run(GRID).await, Ok(FRAMES));
        assert_eq!(rig.progress().recoveries, 0);
        rig.assert_complete(GRID, FRAMES);
        rig.assert_safe();
    });
}
