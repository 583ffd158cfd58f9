//! Settings of a PandA that are saved, and loaded into another.
use super::{LIMITS, served::connected};
use crate::{beam::simulate, panda_server::new_server};
use bluefly_actors::{
    backend::panda::control::{Control, Loaded},
    clock::Clock,
};
use bluefly_protocol::panda::{
    control::Command,
    describe::Inventory,
    settings::{Difference, Setting, Settings},
    table::{TableMode, TableText},
};
use bluefly_sim::panda::MemoryPanda;

const LINES: [&str; 14] = [
    "CLOCK1.PERIOD.UNITS=us",
    "CLOCK1.PERIOD=0.008",
    "PULSE1.WIDTH.UNITS=min",
    "PULSE1.WIDTH.RAW=281474976710655",
    "COUNTER1.STEP=4294967295",
    "COUNTER1.START=-5",
    "COUNTER1.TRIG_EDGE=Either",
    "COUNTER1.OUT.SCALE=0.1",
    "COUNTER1.OUT.UNITS=mm = \"x\" < y",
    "COUNTER1.OUT.CAPTURE=Min Max",
    "COUNTER1.TRIG.DELAY=31",
    "SEQ1.POSA=COUNTER1.OUT",
    "SEQ1.ENABLE=BITS.OUTA",
    "BITS.A=1",
];

async fn box_of(clock: &Clock) -> (Control, Inventory) {
    let panda = MemoryPanda::new(new_server(), clock);
    let control = connected(&panda, LIMITS, clock).await;
    let inventory = control.inventory().await.unwrap();
    (control, inventory)
}

async fn set_up(control: &Control) {
    for line in LINES {
        let (name, value) = line.split_once('=').unwrap();
        control.done(Command::assign(name, value).unwrap()).await.unwrap();
    }
    let words: Vec<u32> = (0..4 * 4_096).collect();
    let table = Command::table("SEQ1.TABLE", TableMode::Fixed, TableText::Base64, &words);
    control.done(table.unwrap()).await.unwrap();
}

#[test]
fn a_box_is_set_up_as_another_was_by_what_was_saved_as_text() {
    simulate(async {
        let clock = Clock::simulated();
        let (control, inventory) = box_of(&clock).await;
        set_up(&control).await;
        let saved = control.settings(&inventory).await.unwrap();
        let value = |name: &str| {
            let found = saved.iter().find(|(known, _)| *known == name);
            found.map(|(_, setting)| setting.to_string())
        };
        // Ticks: the ten digits of its unit would not be enough.
        assert_eq!(value("PULSE1.WIDTH.RAW").as_deref(), Some("281474976710655"));
        assert_eq!(value("PULSE1.WIDTH"), None);
        assert_eq!(value("SEQ1.TABLE").as_deref(), Some("16384 words"));
        assert_eq!(value("SEQ1.TABLE.QUEUED_LINES"), None);

        let read = Settings::parse(&format!("# of a test\n\n{saved}")).unwrap();
        assert_eq!(read, saved);
        let (other, its_inventory) = box_of(&clock).await;
        let loaded = other.load(&its_inventory, &read).await.unwrap();
        let refused: Vec<_> = loaded.refused.iter().map(|(command, _)| command.as_str()).collect();
        assert_eq!((refused, loaded.differences), (vec![], vec![]));
    });
}

#[test]
fn what_is_not_as_it_was_saved_is_told() {
    simulate(async {
        let clock = Clock::simulated();
        let (control, inventory) = box_of(&clock).await;
        let settings = Settings::parse("BITS.A=2\nBITS.B=1\nNONE.A=1\n").unwrap();
        let Loaded { refused, differences } = control.load(&inventory, &settings).await.unwrap();
        let refused: Vec<_> =
            refused.iter().map(|(command, error)| format!("{command}: {error}")).collect();
        assert_eq!(refused, ["BITS.A=2: Invalid bit value", "NONE.A=1: No such block"]);
        let told = |name: &str, wanted: Option<&str>, found: Option<&str>| {
            let value = |text: &str| Setting::Value(text.to_owned());
            let name = name.to_owned();
            Difference { name, wanted: wanted.map(value), found: found.map(value) }
        };
        let of_these: Vec<_> =
            differences.into_iter().filter(|different| different.wanted.is_some()).collect();
        let none = told("NONE.A", Some("1"), None);
        assert_eq!(of_these, [told("BITS.A", Some("2"), Some("0")), none]);
    });
}

#[test]
fn a_time_in_its_unit_was_told_as_not_set() {
    simulate(async {
        let clock = Clock::simulated();
        let (control, inventory) = box_of(&clock).await;
        let text =
            "PULSE1.WIDTH.UNITS=ms\nPULSE1.WIDTH=1.50\nPCAP1.TRIG=SEQ1.OUTA\nCOUNTER1.START=0x10\n";
        let settings = Settings::parse(text).unwrap();
        let of_these = |differences: Vec<Difference>| {
            let text = |setting: Option<Setting>| setting.map(|setting| setting.to_string());
            let wanted = differences.into_iter().filter(|different| different.wanted.is_some());
            wanted.map(|it| (it.name, text(it.found))).collect::<Vec<_>>()
        };
        let before = of_these(control.differences(&inventory, &settings).await.unwrap());
        let found = |name: &str, value: &str| (name.to_owned(), Some(value.to_owned()));
        let expected = [
            found("COUNTER1.START", "0"),
            found("PCAP.TRIG", "ZERO"),
            found("PULSE1.WIDTH", "0"),
            found("PULSE1.WIDTH.UNITS", "s"),
        ];
        assert_eq!(before, expected);
        let loaded = control.load(&inventory, &settings).await.unwrap();
        assert_eq!((loaded.refused, of_these(loaded.differences)), (vec![], vec![]));
    });
}

#[test]
fn settings_are_put_in_the_order_in_which_they_mean_the_same() {
    let inventory = simulate(async {
        let clock = Clock::simulated();
        box_of(&clock).await.1
    });
    let text = "COUNTER1.OUT.SCALE=2\nPCAP.ENABLE=ONE\nPCAP.GATE=ONE\nPULSE1.WIDTH.RAW=5\n\
                PULSE1.WIDTH.UNITS=ms\nSEQ1.POSA=ZERO\nSEQ1.TABLE<B\nAQAAAA==\n\nSEQ1.REPEATS=2\n";
    let commands = Settings::parse(text).unwrap().commands(&inventory).unwrap();
    let commands: Vec<_> = commands.iter().map(ToString::to_string).collect();
    let expected = [
        "PCAP.ENABLE=ZERO",
        "PULSE1.WIDTH.UNITS=ms",
        "PULSE1.WIDTH.RAW=5",
        "SEQ1.REPEATS=2",
        "SEQ1.TABLE<B",
        "COUNTER1.OUT.SCALE=2",
        "SEQ1.POSA=ZERO",
        "PCAP.GATE=ONE",
        "PCAP.ENABLE=ONE",
    ];
    assert_eq!(commands, expected);
}

#[test]
fn text_that_is_no_settings_is_named_by_its_line() {
    let check = |text: &str, expected: &str| {
        assert_eq!(Settings::parse(text).unwrap_err().to_string(), expected);
    };
    check("A.B=1\nA.C", "line 2: `A.C` is no NAME=VALUE and no NAME<B");
    check("A.B=1\n#\nA.B=2", "line 3: A.B is set twice");
    check("A=1", "`A` is no field name: BLOCK.FIELD or BLOCK.FIELD.ATTRIBUTE");
    check("SEQ1.TABLE<B\n!\n", "SEQ1.TABLE: line 1 of a table is not base 64");
    check(
        "SEQ1.TABLE<B\nAQA=\n",
        "SEQ1.TABLE: a table has 2 bytes, which are no whole words of four",
    );
}
