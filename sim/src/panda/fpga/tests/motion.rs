use super::super::{Config, EncoderError, EndReason, Follows, FpgaError, Motion, Place, Tick};
use super::{finish, fpga, row, scan, start, wire, write_table};

/// PCAP takes the value of INENC1 and when.
const WORDS: [u32; 2] = [0x00, 0x240];
const AT_LEAST: u32 = 7;
const AT_MOST: u32 = 8;

#[test]
fn a_sequencer_triggers_at_the_tick_of_the_crossing() {
    let mut fpga = scan(Config::default());
    wire(&mut fpga, ("INENC1", "VAL"), ("SEQ1", "POSA"));
    let lines = [
        row(1, AT_LEAST, [1, 0], 100, [1, 10]),
        row(1, AT_LEAST, [1, 0], 101, [1, 10]),
        row(1, AT_MOST, [1, 0], 50, [1, 10]),
        row(1, AT_MOST, [1, 0], -7, [1, 10]),
    ];
    write_table(&mut fpga, &lines, Follows::Nothing);
    // Up and down again within a second, and back to rest below where it came from.
    let begin = fpga.now() + 10_000;
    let half = 62_500_000;
    let rest = |position| Place { position, velocity: 0.0 };
    let there = Motion::between(begin, half, rest(0.0), rest(1000.0));
    let back = Motion::between(begin + half, half, rest(1000.0), rest(-20.0));
    fpga.move_encoder(0, &there).unwrap();
    fpga.move_encoder(0, &back).unwrap();
    let started = start(&mut fpga, &WORDS);
    let words = finish(&mut fpga, EndReason::Ok);

    // The cubics in 128 bits, one tick after the other would take too long: halved.
    let at = |motion: &Motion, tick: Tick| {
        let t = (tick - motion.start) as f64;
        let [c0, c1, c2, c3] = motion.coefficients;
        ((c3 * t + c2) * t + c1) * t + c0
    };
    let first = |motion: &Motion, holds: &dyn Fn(f64) -> bool| {
        let (mut low, mut high) = (motion.start, motion.start + half);
        while low < high {
            let middle = low + (high - low) / 2;
            if holds(at(motion, middle)) { high = middle } else { low = middle + 1 }
        }
        low
    };
    let crossings = [
        first(&there, &|position| position >= 99.5),
        first(&there, &|position| position >= 100.5),
        first(&back, &|position| position < 50.5),
        first(&back, &|position| position < -6.5),
    ];
    // PCAP counts from the tick at which its ENABLE rises. A crossing takes one tick to SEQ1 and one
    // through it, and then the way to PCAP is the same.
    let enabled = started + 6;
    let expected = crossings.map(|tick| (tick + 1 + 3 - enabled) as u32);
    let (values, ticks): (Vec<u32>, Vec<u32>) =
        words.as_chunks::<2>().0.iter().map(|[value, tick]| (*value, *tick)).unzip();
    assert_eq!(ticks, expected);
    // In the 4 ticks since the encoder has not come to the next count.
    assert_eq!(values.iter().map(|v| v.cast_signed()).collect::<Vec<_>>(), [100, 101, 50, -7]);
}

#[test]
fn pulses_come_at_every_step_however_slow_it_is() {
    let mut fpga = fpga();
    wire(&mut fpga, ("INENC2", "VAL"), ("PCOMP1", "INP"));
    wire(&mut fpga, ("PCOMP1", "OUT"), ("PCAP", "TRIG"));
    wire(&mut fpga, ("PCOMP1", "ACTIVE"), ("PCAP", "ENABLE"));
    for (field, value) in [("START", 10), ("WIDTH", 1), ("STEP", 2), ("PULSES", 500)] {
        fpga.set("PCOMP1", field, value).unwrap();
    }
    // One count in a quarter of a million ticks.
    let place = Place { position: 0.0, velocity: 4e-6 };
    fpga.move_encoder(1, &Motion::line(fpga.now() + 100, 1 << 32, place)).unwrap();
    fpga.capture(&[0x10, 0x240]).unwrap();
    fpga.arm();
    let before = fpga.num_ticks;
    fpga.set("PCOMP1", "ENABLE", super::HIGH).unwrap();
    let words = finish(&mut fpga, EndReason::Ok);
    let (pairs, _) = words.as_chunks::<2>();
    assert_eq!(pairs.len(), 500);
    for (i, [value, tick]) in pairs.iter().enumerate() {
        assert_eq!(*value, 10 + 2 * i as u32);
        let expected = pairs[0][1] + 500_000 * i as u32;
        assert_eq!(*tick, expected, "pulse {i}");
    }
    assert_eq!(fpga.get("PCOMP1", "PRODUCED"), Ok(500));
    assert!(fpga.num_ticks - before < 500 * 8, "{}", fpga.num_ticks - before);
}

#[test]
fn a_position_that_jumps_is_compared_when_it_does() {
    let mut fpga = scan(Config::default());
    wire(&mut fpga, ("COUNTER1", "OUT"), ("SEQ1", "POSB"));
    wire(&mut fpga, ("CLOCK1", "OUT"), ("COUNTER1", "TRIG"));
    fpga.set("COUNTER1", "ENABLE", super::HIGH).unwrap();
    fpga.set("CLOCK1", "PERIOD", 1000).unwrap();
    // POSB at 3 and at 7 or more.
    let lines = [row(1, 9, [1, 0], 3, [1, 10]), row(1, 9, [1, 0], 7, [1, 10])];
    write_table(&mut fpga, &lines, Follows::Nothing);
    start(&mut fpga, &[0x60, 0x240]);
    fpga.set("CLOCK1", "ENABLE", super::HIGH).unwrap();
    let words = finish(&mut fpga, EndReason::Ok);
    assert_eq!((words[0], words[2], words[3] - words[1]), (3, 7, 4000));
}

#[test]
fn a_motion_that_is_told_anew_moves_the_crossing() {
    let mut fpga = fpga();
    wire(&mut fpga, ("INENC1", "VAL"), ("PCOMP1", "INP"));
    for (field, value) in [("START", 1000), ("WIDTH", 10), ("STEP", 20), ("PULSES", 1)] {
        fpga.set("PCOMP1", field, value).unwrap();
    }
    let begin = fpga.now() + 1000;
    let slow = Place { position: 0.0, velocity: 0.01 };
    fpga.move_encoder(0, &Motion::line(begin, 1 << 30, slow)).unwrap();
    fpga.set("PCOMP1", "ENABLE", super::HIGH).unwrap();
    fpga.run_until(begin + 50_000);
    assert_eq!(fpga.get("INENC1", "VAL"), Ok(500));
    let fast = Place { position: 500.0, velocity: 1.0 };
    fpga.move_encoder(0, &Motion::line(begin + 50_000, 1 << 20, fast)).unwrap();
    // There after 500 ticks, one to the block and one through it.
    fpga.run_until(begin + 50_000 + 500 + 1);
    assert_eq!(fpga.get("PCOMP1", "OUT"), Ok(0));
    fpga.run_until(begin + 50_000 + 500 + 2);
    assert_eq!(fpga.get("PCOMP1", "OUT"), Ok(1));
}

#[test]
fn an_encoder_is_set_and_moves_on_from_there() {
    let mut fpga = fpga();
    let place = Place { position: 7.0, velocity: 0.5 };
    let begin = fpga.now();
    fpga.move_encoder(3, &Motion::line(begin, 1000, place)).unwrap();
    fpga.run_until(begin + 100);
    assert_eq!(fpga.get("INENC4", "VAL"), Ok(57));
    assert_eq!(fpga.get("INENC4", "HOMED"), Ok(0));
    fpga.set("INENC4", "SETP", -1000).unwrap();
    assert_eq!(fpga.get("INENC4", "HOMED"), Ok(1));
    // Set at the tick after the one at which it was written.
    fpga.run_until(begin + 301);
    assert_eq!(fpga.get("INENC4", "VAL"), Ok(-900));
    fpga.move_encoder(3, &Motion::rest(begin + 400, 7.0)).unwrap();
    fpga.run_until(begin + 500);
    assert_eq!(fpga.get("INENC4", "VAL"), Ok(-1000 - 51));
}

#[test]
fn an_encoder_is_not_moved_in_the_past_or_out_of_its_register() {
    let mut fpga = fpga();
    fpga.run_until(1000);
    let past = fpga.move_encoder(0, &Motion::rest(999, 0.0)).unwrap_err();
    let source = EncoderError::Past { start: 999, now: 1000 };
    assert_eq!(past, FpgaError::Encoder { number: 0, source });
    assert_eq!(
        fpga.move_encoder(1, &Motion::rest(1000, -3e9)).unwrap_err().to_string(),
        "encoder 1 cannot move so: it would be at -3000000000 counts, which 32 bits do not hold"
    );
    assert!(fpga.move_encoder(4, &Motion::rest(1000, 0.0)).is_err());
}

#[test]
fn sums_of_a_moving_encoder_are_those_of_every_tick() {
    let mut fpga = scan(Config::default());
    write_table(&mut fpga, &[row(20, 0, [1, 0], 0, [100, 900])], Follows::Nothing);
    let begin = fpga.now();
    let from = Place { position: -50.0, velocity: 0.2 };
    let to = Place { position: 3000.0, velocity: -0.3 };
    let motion = Motion::between(begin, 30_000, from, to);
    fpga.move_encoder(0, &motion).unwrap();
    // Time of the trigger, Sum, Min, Max, Difference, Sum of squares.
    let started = start(&mut fpga, &[0x240, 0x02, 0x04, 0x05, 0x01, 0x06, 0x07]);
    let words = finish(&mut fpga, EndReason::Ok);
    let segment = &motion.segments(0).unwrap()[0];
    let enabled = started + 6;
    let (rows, rest) = words.as_chunks::<7>();
    assert_eq!((rows.len(), rest.len()), (20, 0));
    for pair in rows.windows(2) {
        let [from, to] = [pair[0][0], pair[1][0]].map(|tick| enabled + Tick::from(tick));
        let values: Vec<i64> = (from..to).map(|tick| segment.at(tick).into()).collect();
        let sum: i64 = values.iter().sum();
        let squares: i64 = values.iter().map(|value| value * value).sum();
        let [_, found, low, high, difference, low_squares, high_squares] = pair[1];
        assert_eq!(found, sum as u32);
        assert_eq!(i64::from(low.cast_signed()), *values.iter().min().unwrap());
        assert_eq!(i64::from(high.cast_signed()), *values.iter().max().unwrap());
        assert_eq!(difference.cast_signed(), segment.at(to) - segment.at(from));
        assert_eq!(i64::from(low_squares) | i64::from(high_squares) << 32, squares);
    }
}
