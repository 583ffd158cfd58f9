//! Whoever asks may be gone at any moment: afterwards the PandA can be made safe, and goes on.
use super::rig::{PATH, Rig, arm, plan, position, with_rig};
use bluefly_protocol::fault::{Fault, FaultClass};
use std::{cell::Cell, future::poll_fn, path::Path, pin::pin, task::Poll};

/// What comes of `work` if nobody waits for it after it was looked at so often.
async fn looked_at<T>(times: u64, work: impl Future<Output = T>) -> Option<T> {
    let (mut work, looks) = (pin!(work), Cell::new(0));
    poll_fn(|context| {
        if looks.replace(looks.get() + 1) == times {
            return Poll::Ready(None);
        }
        work.as_mut().poll(context).map(Some)
    })
    .await
}

/// Where a detector is when it is asked something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Before {
    Closed,
    Open,
    Armed,
    Taking,
}

async fn bring(rig: &Rig, before: Before) {
    if before == Before::Closed {
        return;
    }
    rig.open().await;
    rig.take(arm(0, 5), 5).await.unwrap();
    if before == Before::Open {
        return;
    }
    rig.tell("COUNTER1.START=5");
    rig.sequence(15);
    rig.capture.arm(&arm(5, 15)).await.unwrap();
    if before == Before::Taking {
        rig.fire();
        rig.clock.sleep(crate::beam::ms(3)).await;
    }
}

/// Begins `work` and leaves it at every moment at which it can be left; how many there are.
fn check(before: Before, work: &impl AsyncFn(&Rig) -> Result<(), Fault>) -> u64 {
    for times in 0.. {
        let is_done = with_rig(async |rig: Rig| {
            bring(&rig, before).await;
            let is_done = looked_at(times, work(&rig)).await.is_some();
            goes_on(&rig, before, times).await;
            is_done
        });
        if is_done {
            return times;
        }
    }
    unreachable!("it ends")
}

/// Begins `work`, with all connections cut at every moment; how many there are.
fn check_cut(before: Before, work: &impl AsyncFn(&Rig) -> Result<(), Fault>) -> u64 {
    for times in 0.. {
        let is_done = with_rig(async |rig: Rig| {
            bring(&rig, before).await;
            let (mut worked, looks) = (pin!(work(&rig)), Cell::new(0));
            let worked = poll_fn(|context| {
                if looks.replace(looks.get() + 1) == times {
                    rig.panda.cut();
                }
                worked.as_mut().poll(context)
            });
            let told = worked.await.map_err(|fault| (fault.class, fault.to_string()));
            if let Err((class, text)) = &told {
                assert_eq!(*class, FaultClass::Disconnected, "{text}, {before:?} {times}");
            }
            // The loss is known.
            rig.clock.sleep(crate::beam::ms(1)).await;
            rig.reached().await;
            goes_on(&rig, before, times).await;
            looks.get() <= times
        });
        if is_done {
            return times;
        }
    }
    unreachable!("it ends")
}

/// Makes safe what is left, and takes all frames.
async fn goes_on(rig: &Rig, before: Before, times: u64) {
    let found = rig.capture.make_safe().await.unwrap();
    rig.assert_at_rest();
    let there = found.as_ref().map_or(0, |file| file.frames_on_disk);
    assert!(before == Before::Closed || found.is_none() || there >= 5, "{before:?} {times}");
    let has_closed = found.is_none() && rig.disk.file(Path::new(PATH)).is_some();
    if has_closed {
        assert!(rig.file().is_closed, "{before:?} {times}");
        return;
    }
    if found.is_none() {
        rig.capture.open(&plan()).await.unwrap();
    }
    rig.tell(&format!("COUNTER1.START={there}"));
    let left = 20 - there;
    if left > 0 {
        rig.take(arm(there, left), u32::try_from(left).unwrap()).await.unwrap();
    }
    rig.capture.close().await.unwrap();
    let expected: Vec<f64> = (0..20).map(position).collect();
    assert_eq!(rig.positions(), expected, "{before:?} {times}");
    assert_eq!(rig.storage.streams().len(), 0);
}

#[test]
fn whoever_opens_may_leave_at_any_moment() {
    let open = async |rig: &Rig| rig.capture.open(&plan()).await.map(drop);
    assert!(check(Before::Closed, &open) > 10);
}

#[test]
fn whoever_arms_may_leave_at_any_moment() {
    let arms = async |rig: &Rig| {
        rig.sequence(15);
        rig.capture.arm(&arm(5, 15)).await
    };
    assert!(check(Before::Open, &arms) > 3);
}

#[test]
fn whoever_takes_may_leave_at_any_moment() {
    let takes = async |rig: &Rig| rig.capture.on_disk(|_| ()).await;
    assert!(check(Before::Taking, &takes) >= 1);
}

#[test]
fn whoever_disarms_may_leave_at_any_moment() {
    let disarms = async |rig: &Rig| rig.capture.disarm().await.map(drop);
    for before in [Before::Closed, Before::Open, Before::Armed, Before::Taking] {
        assert!(check(before, &disarms) >= 1, "{before:?}");
    }
}

#[test]
fn whoever_closes_may_leave_at_any_moment() {
    let closes = async |rig: &Rig| rig.capture.close().await;
    for before in [Before::Open, Before::Armed, Before::Taking] {
        assert!(check(before, &closes) >= 1, "{before:?}");
    }
}

#[test]
fn whoever_makes_safe_may_leave_at_any_moment() {
    let makes_safe = async |rig: &Rig| rig.capture.make_safe().await.map(drop);
    for before in [Before::Closed, Before::Open, Before::Armed, Before::Taking] {
        assert!(check(before, &makes_safe) >= 1, "{before:?}");
    }
}

#[test]
fn a_connection_that_is_cut_at_any_moment_is_told_as_that_and_gone_on_from() {
    let open = async |rig: &Rig| rig.capture.open(&plan()).await.map(drop);
    let arms = async |rig: &Rig| {
        rig.sequence(15);
        rig.capture.arm(&arm(5, 15)).await
    };
    let takes = async |rig: &Rig| rig.capture.on_disk(|_| ()).await;
    let disarms = async |rig: &Rig| rig.capture.disarm().await.map(drop);
    assert!(check_cut(Before::Closed, &open) > 3);
    assert!(check_cut(Before::Open, &arms) > 3);
    assert!(check_cut(Before::Taking, &takes) >= 1);
    assert!(check_cut(Before::Taking, &disarms) >= 1);
}
