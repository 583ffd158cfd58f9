use super::super::{FpgaError, Output, OutputEdge};
use super::{HIGH, fpga, wire};

const OUT: Output = Output::Ttl(2);

fn edge(tick: u64, is_high: bool) -> OutputEdge {
    OutputEdge { tick, output: OUT, is_high }
}

#[test]
fn a_level_takes_two_ticks_through_a_selector_and_its_delay() {
    let mut fpga = fpga();
    fpga.follow(OUT);
    wire(&mut fpga, ("TTLIN2", "VAL"), ("TTLOUT3", "VAL"));
    let input = fpga.block("TTLIN2").unwrap();
    for delay in [0_u64, 1, 31] {
        let field = fpga.field("TTLOUT3", "VAL").unwrap();
        fpga.write_delay(field, delay.cast_signed()).unwrap();
        let begin = fpga.now() + 100;
        for (tick, is_high) in [(0, true), (1, false), (5, true), (50, false)] {
            fpga.set_input(input, begin + tick, is_high).unwrap();
        }
        fpga.run_until(begin + 200);
        let expected = [(0, true), (1, false), (5, true), (50, false)]
            .map(|(tick, is_high)| edge(begin + tick + 2 + delay, is_high));
        assert_eq!(fpga.take_edges(), expected, "DELAY {delay}");
    }
}

#[test]
fn a_position_takes_one_tick_through_a_selector() {
    let mut fpga = fpga();
    fpga.follow(OUT);
    wire(&mut fpga, ("TTLIN1", "VAL"), ("COUNTER1", "TRIG"));
    wire(&mut fpga, ("COUNTER1", "OUT"), ("PCOMP1", "INP"));
    wire(&mut fpga, ("PCOMP1", "OUT"), ("TTLOUT3", "VAL"));
    for (block, field, value) in
        [("COUNTER1", "ENABLE", HIGH), ("PCOMP1", "START", 1), ("PCOMP1", "WIDTH", 1)]
    {
        fpga.set(block, field, value).unwrap();
    }
    fpga.set("PCOMP1", "ENABLE", HIGH).unwrap();
    let input = fpga.block("TTLIN1").unwrap();
    let begin = fpga.now() + 100;
    fpga.set_input(input, begin, true).unwrap();
    fpga.run_until(begin + 100);
    // Two ticks to COUNTER, one through it, one to PCOMP, one through it, two to the output.
    assert_eq!(fpga.take_edges(), [edge(begin + 7, true)]);
}

#[test]
fn what_is_on_its_way_comes_through_a_new_delay() {
    let mut fpga = fpga();
    fpga.follow(OUT);
    wire(&mut fpga, ("TTLIN1", "VAL"), ("TTLOUT3", "VAL"));
    let input = fpga.block("TTLIN1").unwrap();
    let field = fpga.field("TTLOUT3", "VAL").unwrap();
    fpga.write_delay(field, 30).unwrap();
    let begin = fpga.now() + 10;
    for (tick, is_high) in [(0, true), (4, false), (16, true)] {
        fpga.set_input(input, begin + tick, is_high).unwrap();
    }
    // The first two edges have passed 20 of the delay, the third has not come to it.
    fpga.run_until(begin + 10);
    fpga.write_delay(field, 20).unwrap();
    fpga.run_until(begin + 100);
    let expected = [edge(begin + 22, true), edge(begin + 26, false), edge(begin + 38, true)];
    assert_eq!(fpga.take_edges(), expected);
}

#[test]
fn changes_are_told_once_even_if_they_are_undone() {
    let mut fpga = fpga();
    fpga.take_bits();
    fpga.take_positions();
    fpga.set("BITS", "C", 1).unwrap();
    fpga.set("BITS", "C", 0).unwrap();
    fpga.set("COUNTER3", "SET", 5).unwrap();
    fpga.set("COUNTER3", "SET", 0).unwrap();
    fpga.set("COUNTER4", "SET", -5).unwrap();
    let bits = fpga.take_bits();
    assert_eq!((bits.levels >> 35 & 1, bits.changed), (0, 1 << 35));
    assert_eq!(fpga.take_bits().changed, 0);
    let positions = fpga.take_positions();
    assert_eq!((positions.values[8], positions.values[9]), (0, -5));
    assert_eq!(positions.changed, 1 << 8 | 1 << 9);
    assert_eq!(fpga.take_positions().changed, 0);
}

#[test]
fn a_selector_takes_the_level_that_is_there() {
    let mut fpga = fpga();
    fpga.set("BITS", "B", 1).unwrap();
    wire(&mut fpga, ("BITS", "OUTB"), ("SRGATE2", "ENABLE"));
    fpga.set("SRGATE2", "SET", HIGH).unwrap();
    assert_eq!(fpga.get("SRGATE2", "OUT"), Ok(1));
    fpga.set("BITS", "B", 0).unwrap();
    assert_eq!(fpga.get("SRGATE2", "OUT"), Ok(0));
}

#[test]
fn calc_follows_a_moving_encoder_count_by_count() {
    use super::super::{Motion, Place};
    let mut fpga = fpga();
    wire(&mut fpga, ("INENC1", "VAL"), ("CALC1", "INPA"));
    wire(&mut fpga, ("INENC2", "VAL"), ("CALC1", "INPB"));
    fpga.set("CALC1", "TYPEB", 1).unwrap();
    let begin = fpga.now();
    let velocities = [0.375, -0.21875];
    for (i, velocity) in velocities.into_iter().enumerate() {
        let place = Place { position: 0.0, velocity };
        fpga.move_encoder(i, &Motion::line(begin, 1000, place)).unwrap();
    }
    for tick in 2..1200_u64 {
        fpga.run_until(begin + tick);
        let [one, other] =
            velocities.map(|v| (v * (tick - 2).min(1000) as f64 + 0.5).floor() as i64);
        assert_eq!(fpga.get("CALC1", "OUT"), Ok(one - other), "tick {tick}");
    }
}

#[test]
fn wrong_names_and_values_are_refused_with_a_rule() {
    let mut fpga = fpga();
    let text = |outcome: Result<(), FpgaError>| outcome.unwrap_err().to_string();
    assert_eq!(text(fpga.set("SEQ3", "REPEATS", 1)), "there is no block SEQ3");
    assert_eq!(text(fpga.set("SEQ", "REPEATS", 1)), "there is no block SEQ");
    assert_eq!(text(fpga.set("SEQ1", "REPEAT", 1)), "SEQ1 has no field REPEAT");
    assert_eq!(fpga.set("PCAP1", "SHIFT_SUM", 8), Ok(()));
    assert_eq!(
        text(fpga.set("PCAP", "SHIFT_SUM", 9)),
        "PCAP.SHIFT_SUM cannot be written with 9: it is a param uint 8 from 0 to 8"
    );
    assert_eq!(
        text(fpga.set("SEQ2", "ENABLE", 130)),
        "SEQ2.ENABLE cannot be written with 130: it is a bit_mux from 0 to 129"
    );
    assert_eq!(
        text(fpga.set("CLOCK1", "OUT", 1)),
        "CLOCK1.OUT cannot be written with 1: it is a bit_out, which is not written"
    );
    assert_eq!(
        text(fpga.set("PULSE1", "DELAY", 1 << 48)),
        "PULSE1.DELAY cannot be written with 281474976710656: it is a time from 0 to 281474976710655"
    );
    let field = fpga.field("TTLOUT1", "VAL").unwrap();
    assert_eq!(
        text(fpga.write_delay(field, 32)),
        "TTLOUT1.VAL.DELAY cannot be written with 32: it is of a bit_mux, and 0 to 31"
    );
}
