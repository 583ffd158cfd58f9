use super::super::{Config, EndReason, Follows, Fpga, FpgaError, TableError};
use super::{finish, row, scan, start, write_table};

const TRIGGER: u32 = 0x240;
const UNREADY: i64 = 0;
const WAIT_ENABLE: i64 = 1;

/// As many lines of one pulse in ten ticks.
fn lines(num_lines: usize) -> Vec<[u32; 4]> {
    vec![row(1, 0, [1, 0], 0, [4, 6]); num_lines]
}

fn queued(fpga: &Fpga) -> usize {
    fpga.queued_words(fpga.block("SEQ1").unwrap())
}

fn health(fpga: &Fpga) -> i64 {
    fpga.get("SEQ1", "HEALTH").unwrap()
}

fn assert_every_ten_ticks(words: &[u32], num_rows: u32) {
    assert_eq!(words.len(), num_rows as usize);
    assert!(words.iter().zip(0..).all(|(tick, i)| *tick == 10 * i), "{words:?}");
}

#[test]
fn a_table_longer_than_the_ring_is_read_again_for_every_repeat() {
    let mut fpga = scan(Config::default());
    write_table(&mut fpga, &lines(10_000), Follows::Nothing);
    assert_eq!(queued(&fpga), 40_000);
    fpga.set("SEQ1", "REPEATS", 3).unwrap();
    start(&mut fpga, &[TRIGGER]);
    assert_every_ten_ticks(&finish(&mut fpga, EndReason::Ok), 30_000);
    assert_eq!(health(&fpga), 0);
    assert_eq!(fpga.get("SEQ1", "TABLE_REPEAT"), Ok(3));
    assert_eq!(fpga.get("SEQ1", "TABLE_LINE"), Ok(10_000));
    assert_eq!(fpga.get("SEQ1", "STATE"), Ok(WAIT_ENABLE));
    assert_eq!(queued(&fpga), 40_000);
}

#[test]
fn a_table_that_fits_is_released_once_it_is_read() {
    let mut fpga = scan(Config::default());
    write_table(&mut fpga, &lines(4095), Follows::Nothing);
    assert_eq!(queued(&fpga), 4 * 4095);
    fpga.run_until(fpga.now() + 20_000);
    assert_eq!(queued(&fpga), 0);
    start(&mut fpga, &[TRIGGER]);
    assert_every_ten_ticks(&finish(&mut fpga, EndReason::Ok), 4095);
    // It stays there.
    fpga.set("BITS", "A", 0).unwrap();
    start(&mut fpga, &[TRIGGER]);
    assert_every_ten_ticks(&finish(&mut fpga, EndReason::Ok), 4095);
}

#[test]
fn parts_of_a_table_follow_each_other_without_a_gap() {
    let mut fpga = scan(Config::default());
    for num_lines in [5000, 1, 6000, 200] {
        write_table(&mut fpga, &lines(num_lines), Follows::More);
    }
    assert_eq!(queued(&fpga), 4 * 11_201);
    start(&mut fpga, &[TRIGGER]);
    let mut words = vec![];
    while queued(&fpga) > 4 * 6200 {
        fpga.run_until(fpga.now() + 1000);
        words.extend(fpga.take_words());
    }
    // The first part is in the ring once 905 of its lines are gone. It is released 125 lines later, so
    // long the driver takes, and the one line of the second part as much later again.
    assert_eq!(words.len(), 1200);
    write_table(&mut fpga, &lines(799), Follows::Nothing);
    let seq = fpga.block("SEQ1").unwrap();
    let more = fpga.write_table(seq, lines(1).as_flattened(), Follows::Nothing).unwrap_err();
    let source = TableError::Completed;
    assert_eq!(more, FpgaError::Table { block: "SEQ1".to_owned(), source });
    words.extend(finish(&mut fpga, EndReason::Ok));
    assert_every_ten_ticks(&words, 12_000);
    assert_eq!(health(&fpga), 0);
    assert_eq!(fpga.get("SEQ1", "TABLE_LINE"), Ok(12_000));
    assert_eq!(fpga.get("SEQ1", "STATE"), Ok(UNREADY));
    fpga.run_until(fpga.now() + 10_000);
    assert_eq!(queued(&fpga), 0);
}

#[test]
fn a_part_that_comes_too_late_is_an_underrun() {
    let mut fpga = scan(Config::default());
    write_table(&mut fpga, &lines(300), Follows::More);
    start(&mut fpga, &[TRIGGER]);
    assert_every_ten_ticks(&finish(&mut fpga, EndReason::Ok), 300);
    assert_eq!(health(&fpga), 1);
    assert_eq!(fpga.get("SEQ1", "TABLE_LINE"), Ok(300));
    assert_eq!(fpga.get("SEQ1", "STATE"), Ok(UNREADY));
}

#[test]
fn a_table_over_another_one_makes_it_not_ready() {
    let mut fpga = scan(Config::default());
    write_table(&mut fpga, &lines(10), Follows::Nothing);
    fpga.run_until(fpga.now() + 100);
    assert_eq!(fpga.get("SEQ1", "STATE"), Ok(WAIT_ENABLE));
    // The driver takes no second one, unless it is reset; the register of the hardware does.
    let seq = fpga.block("SEQ1").unwrap();
    let second = fpga.write_table(seq, lines(3).as_flattened(), Follows::Nothing);
    assert!(matches!(second, Err(FpgaError::Table { source: TableError::Completed, .. })));
    fpga.clear_table(seq).unwrap();
    fpga.run_until(fpga.now() + 100);
    assert_eq!(fpga.get("SEQ1", "STATE"), Ok(UNREADY));
    write_table(&mut fpga, &lines(3), Follows::Nothing);
    start(&mut fpga, &[TRIGGER]);
    assert_every_ten_ticks(&finish(&mut fpga, EndReason::Ok), 3);
}

#[test]
fn disabled_in_the_middle_of_a_long_table_it_begins_anew() {
    let mut fpga = scan(Config::default());
    write_table(&mut fpga, &lines(6000), Follows::Nothing);
    let started = start(&mut fpga, &[TRIGGER]);
    fpga.run_until(started + 25_000);
    fpga.set("BITS", "A", 0).unwrap();
    let words = finish(&mut fpga, EndReason::Ok);
    assert_eq!(words.len(), 2500);
    start(&mut fpga, &[TRIGGER]);
    assert_every_ten_ticks(&finish(&mut fpga, EndReason::Ok), 6000);
}

#[test]
fn disabled_in_the_middle_of_a_short_table_it_begins_anew() {
    let mut fpga = scan(Config::default());
    let lines = [10, 20, 30].map(|ticks| row(1, 0, [1, 0], 0, [4, ticks - 4]));
    write_table(&mut fpga, &lines, Follows::Nothing);
    fpga.set("SEQ1", "REPEATS", 0).unwrap();
    let started = start(&mut fpga, &[TRIGGER]);
    fpga.run_until(started + 80);
    fpga.set("BITS", "A", 0).unwrap();
    assert_eq!(finish(&mut fpga, EndReason::Ok), [0, 10, 30, 60, 70]);
    fpga.set("SEQ1", "REPEATS", 1).unwrap();
    start(&mut fpga, &[TRIGGER]);
    assert_eq!(finish(&mut fpga, EndReason::Ok), [0, 10, 30]);
}

#[test]
fn tables_that_do_not_fit_are_refused() {
    let mut fpga = scan(Config::default());
    let seq = fpga.block("SEQ1").unwrap();
    let refused = |fpga: &mut Fpga, words: &[u32], follows| {
        fpga.write_table(seq, words, follows).unwrap_err().to_string()
    };
    assert_eq!(
        refused(&mut fpga, &[1, 2, 3], Follows::More),
        "the table of SEQ1 was not taken: 3 words are no rows of 4 words"
    );
    assert_eq!(
        refused(&mut fpga, &vec![0; (1 << 20) + 4], Follows::More),
        "the table of SEQ1 was not taken: 1048580 words, but a buffer holds 1048576"
    );
    for _ in 0..8 {
        write_table(&mut fpga, &lines(1 << 18), Follows::More);
    }
    assert_eq!(
        refused(&mut fpga, &[0; 4], Follows::More),
        "the table of SEQ1 was not taken: all 8 buffers are in use"
    );
    let pcap = fpga.block("PCAP").unwrap();
    assert_eq!(fpga.clear_table(pcap).unwrap_err().to_string(), "PCAP has no field TABLE");
}

#[test]
fn a_generator_takes_a_position_of_its_table_at_every_trigger() {
    let mut fpga = super::fpga();
    let pgen = fpga.block("PGEN2").unwrap();
    let positions: Vec<u32> = (0..5000_u32).map(|i| i * 3).collect();
    fpga.write_table(pgen, &positions, Follows::Nothing).unwrap();
    fpga.set("PGEN2", "REPEATS", 2).unwrap();
    super::wire(&mut fpga, ("CLOCK1", "OUT"), ("PGEN2", "TRIG"));
    fpga.run_until(fpga.now() + 1000);
    fpga.set("PGEN2", "ENABLE", super::HIGH).unwrap();
    fpga.set("CLOCK1", "ENABLE", super::HIGH).unwrap();
    let begin = fpga.now() + 1;
    fpga.set("CLOCK1", "PERIOD", 20).unwrap();
    // A tick out of CLOCK1, two to PGEN2, one through it.
    for i in [0, 1, 63, 64, 4095, 4096, 4999, 5000, 9999] {
        fpga.run_until(begin + 20 * i + 4);
        assert_eq!(fpga.get("PGEN2", "OUT"), Ok(i.cast_signed() % 5000 * 3), "position {i}");
    }
    assert_eq!(fpga.get("PGEN2", "ACTIVE"), Ok(0));
    assert_eq!(fpga.get("PGEN2", "HEALTH"), Ok(0));
}
