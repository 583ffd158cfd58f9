use super::super::{Config, EndReason, Event, Follows, Fpga, FpgaError};
use super::{finish, reason, row, scan, start, write_table};

const TRIGGER: u32 = 0x240;
const SAMPLES: u32 = 0x260;
const BITS2: u32 = 0x290;

/// Rows of one period each, with a pulse of OUTA.
fn pulses(num_pulses: u32, [high, low]: [u32; 2]) -> [u32; 4] {
    row(num_pulses, 0, [1, 0], 0, [high, low])
}

#[test]
fn a_second_at_one_megahertz_costs_four_ticks_a_row() {
    let mut fpga = scan(Config::default());
    write_table(&mut fpga, &[pulses(1000, [100, 25])], Follows::Nothing);
    fpga.set("SEQ1", "REPEATS", 1000).unwrap();
    start(&mut fpga, &[TRIGGER]);
    let before = fpga.num_ticks;
    let words = finish(&mut fpga, EndReason::Ok);
    // The first trigger comes with ENABLE.
    let expected: Vec<u32> = (0..1_000_000).map(|i| i * 125).collect();
    assert!(words == expected, "{} words", words.len());
    let ticks = fpga.num_ticks - before;
    assert!(ticks <= 4_000_020, "{ticks} ticks");
}

#[test]
fn a_capture_starts_with_enable_and_ends_with_it() {
    let mut fpga = scan(Config::default());
    write_table(&mut fpga, &[pulses(2, [100, 25])], Follows::Nothing);
    let now = start(&mut fpga, &[TRIGGER, SAMPLES, BITS2]);
    fpga.run_until(now + 1000);
    // BITS takes a tick, the way to SEQ1 two, SEQ1 one, the way to PCAP two and a register there.
    let enabled = now + 6;
    let events = fpga.take_events();
    let ends = Event::End { tick: enabled + 250, reason: EndReason::Ok };
    assert_eq!(events, [Event::Start { tick: enabled + 1 }, ends]);
    // ACTIVE of SEQ1 is bit 5 of the third quarter, OUTA is bit 7.
    assert_eq!(fpga.take_words(), [0, 0, 0xa0, 125, 125, 0xa0]);
    assert_eq!(fpga.get("SEQ1", "LINE_REPEAT"), Ok(2));
    assert_eq!(fpga.get("SEQ1", "TABLE_REPEAT"), Ok(1));
    assert_eq!(fpga.get("PCAP", "HEALTH"), Ok(0));
}

#[test]
fn triggers_closer_than_the_words_of_a_row_are_a_framing_error() {
    let run = |ticks: u32, reason| {
        let mut fpga = scan(Config::default());
        write_table(&mut fpga, &[pulses(100, [1, ticks - 1])], Follows::Nothing);
        start(&mut fpga, &[TRIGGER, SAMPLES, BITS2]);
        let words = finish(&mut fpga, reason);
        (words, fpga.get("PCAP", "HEALTH").unwrap())
    };
    let (words, health) = run(3, EndReason::Ok);
    // The words of the last trigger would come after ENABLE has fallen.
    assert_eq!((words.len(), health), (300, 0));
    let (words, health) = run(2, EndReason::FramingError);
    // The error is noticed two words later; the last one is of the second trigger already.
    assert_eq!((words, health), (vec![0, 0, 0xa0], 1));
}

#[test]
fn a_capture_is_disarmed_at_once() {
    let mut fpga = scan(Config::default());
    write_table(&mut fpga, &[pulses(0, [100, 25])], Follows::Nothing);
    start(&mut fpga, &[TRIGGER]);
    fpga.run_until(fpga.now() + 10_000);
    fpga.disarm();
    let words = fpga.take_words();
    assert_eq!(reason(&fpga.take_events()), Some(EndReason::Disarmed));
    assert_eq!(fpga.get("PCAP", "ACTIVE"), Ok(0));
    assert_eq!(words.last(), Some(&(125 * (words.len() as u32 - 1))));
    fpga.run_until(fpga.now() + 10_000);
    assert_eq!(fpga.take_words(), [0; 0]);
}

#[test]
fn a_counter_of_the_same_trigger_is_captured_before_it_counts() {
    let mut fpga = scan(Config::default());
    super::wire(&mut fpga, ("SEQ1", "OUTA"), ("COUNTER2", "TRIG"));
    fpga.set("COUNTER2", "ENABLE", super::HIGH).unwrap();
    write_table(&mut fpga, &[pulses(5, [10, 10])], Follows::Nothing);
    start(&mut fpga, &[0x70]);
    assert_eq!(finish(&mut fpga, EndReason::Ok), [0, 1, 2, 3, 4]);
}

#[test]
fn what_is_captured_does_not_change_within_a_capture() {
    let mut fpga = scan(Config::default());
    assert_eq!(fpga.capture(&[TRIGGER; 64]), Err(FpgaError::LongRow { words: 64, most: 63 }));
    write_table(&mut fpga, &[pulses(0, [100, 25])], Follows::Nothing);
    start(&mut fpga, &[TRIGGER]);
    assert_eq!(fpga.capture(&[TRIGGER, SAMPLES]), Err(FpgaError::Capturing));
    fpga.disarm();
    assert_eq!(fpga.capture(&[TRIGGER, SAMPLES]), Ok(()));
    assert_eq!(fpga.row_words(), 2);
}

#[test]
fn words_that_come_faster_than_memory_takes_them_overflow() {
    // Two words in three ticks, of which the memory takes one in two: 1024 are left over.
    let mut fpga = scan(Config { ticks_per_word: 2, ..Config::default() });
    write_table(&mut fpga, &[pulses(20_000, [1, 2])], Follows::Nothing);
    start(&mut fpga, &[TRIGGER, SAMPLES]);
    let words = finish(&mut fpga, EndReason::Overflow);
    assert_eq!(fpga.get("PCAP", "HEALTH"), Ok(2));
    // Half a word more for each of the rows.
    assert_eq!(words.len(), 2 * 2046);
}

#[test]
fn the_clock_stands_still_until_rows_are_taken() {
    let mut fpga = scan(Config { max_words: 100, ..Config::default() });
    write_table(&mut fpga, &[pulses(250, [100, 25])], Follows::Nothing);
    start(&mut fpga, &[TRIGGER]);
    let mut words = vec![];
    for expected in [100, 100, 50] {
        let until = fpga.now() + 100_000;
        let has_come_there = fpga.run_until(until) == until;
        assert_eq!(has_come_there, expected == 50);
        // What the processor does is done all the same.
        fpga.set("BITS", "D", i64::from(expected == 100)).unwrap();
        assert_eq!(fpga.get("BITS", "OUTD"), Ok(i64::from(expected == 100)));
        // The last row is on its way through the registers still.
        fpga.run_until(fpga.now() + 5);
        let taken = fpga.take_words();
        words.extend(taken);
    }
    words.extend(fpga.take_words());
    assert_eq!(words, (0..250).map(|i| i * 125).collect::<Vec<_>>());
}

/// What a run leaves behind, in steps of these lengths.
fn trace(steps: impl Fn(u64) -> u64) -> (Vec<u32>, Vec<Event>, i64) {
    let mut fpga: Fpga = scan(Config::default());
    super::wire(&mut fpga, ("CLOCK1", "OUT"), ("COUNTER1", "TRIG"));
    fpga.set("COUNTER1", "ENABLE", super::HIGH).unwrap();
    fpga.set("CLOCK1", "ENABLE", super::HIGH).unwrap();
    fpga.set("CLOCK1", "PERIOD", 7).unwrap();
    write_table(&mut fpga, &[pulses(30, [10, 25]), pulses(9, [7, 100])], Follows::Nothing);
    // Sum, difference and largest value of COUNTER1.OUT.
    start(&mut fpga, &[TRIGGER, 0x62, 0x61, 0x65]);
    let (mut words, mut events) = (vec![], vec![]);
    let end = fpga.now() + 5000;
    while fpga.now() < end {
        let until = (fpga.now() + steps(fpga.now())).min(end);
        fpga.run_until(until);
        words.extend(fpga.take_words());
        events.extend(fpga.take_events());
    }
    (words, events, fpga.get("COUNTER1", "OUT").unwrap())
}

#[test]
fn how_far_it_runs_at_once_changes_nothing() {
    let expected = trace(|_| 5000);
    assert_eq!(expected.0.len(), 39 * 4);
    for step in [1, 2, 3, 64, 65, 1001] {
        assert_eq!(trace(|_| step), expected, "steps of {step}");
    }
    assert_eq!(trace(|now| 1 + now % 97), expected);
}
