"""A run that is paused goes on, and every frame is documented once."""

import functools
import os
import signal
import threading
import time

import bluefly
import pytest
from rig import check, line

FRAMES = 150
# Of a scan that is still in the air when a pause comes late: that of a busy machine, or a deferred one.
SLOW_S = 0.02
STEPS = ["stage", "prepare", "kickoff", "complete", "unstage"]


def test_a_run_documents_every_frame_once(bench):
    (uid,) = bench.run(bench.fly(line(FRAMES), md={"sample": "a"}))
    (documents,) = bench.runs()
    stop = check(documents, FRAMES)
    start, descriptor = documents[0][1], documents[1][1]
    assert (start["uid"], start["num_points"], start["sample"]) == (uid, FRAMES, "a")
    assert start["hints"] == {"dimensions": [[["x"], "primary"]]}
    assert stop["exit_status"] == "success"
    # The run of the process can be found, and is over.
    process_run = descriptor["configuration"]["bluefly"]["data"]["bluefly-run"]
    assert bench.client.status()["ended"]["run"] == process_run
    assert bench.phase() == "idle"


def test_the_rows_are_those_of_the_scan(bench):
    bench.run(bench.fly(line(50, stop=4.9)))
    columns = [d["data"]["x"] for n, d in bench.documents if n == "event_page"]
    assert [x for column in columns for x in column] == pytest.approx([i / 10 for i in range(50)])


def test_paused_twice(bench):
    bench.pause_at(1)
    bench.pause_at(60)
    bench.run(bench.fly(line(FRAMES, SLOW_S)))
    for _ in range(2):
        assert (bench.RE.state, bench.phase()) == ("paused", "paused")
        bench.resume()
    assert bench.error is None
    check(bench.documents, FRAMES)


def test_a_deferred_pause_takes_place(bench):
    bench.pause_at(1, defer=True)
    bench.run(bench.fly(line(FRAMES, SLOW_S)))
    assert (bench.RE.state, bench.phase()) == ("paused", "paused")
    bench.resume()
    check(bench.documents, FRAMES)


def test_a_pause_may_be_longer_than_any_time_out(bench):
    short = {"timeout_s": 1.0, "patience_s": 1.0, "step_timeout_s": 1.5}
    bench.flyer = bluefly.Flyer(bench.url, **short)
    bench.pause_at(1)
    bench.run(bench.fly(line(FRAMES, SLOW_S)))
    assert (bench.RE.state, bench.phase()) == ("paused", "paused")
    time.sleep(2.5)
    bench.resume()
    assert bench.error is None
    check(bench.documents, FRAMES)


def test_rows_that_come_while_the_run_engine_is_paused_are_documented(bench):
    bench.pause_at(1)
    bench.run(bench.fly(line(FRAMES, SLOW_S)))
    bench.client.resume()
    bench.wait_for_phase("completed")
    bench.resume()
    check(bench.documents, FRAMES)


def test_a_suspender_pauses_and_resumes(bench):
    loop = bench.RE.loop

    def suspend():
        released = loop.create_future()
        bench.RE.request_suspend(lambda: released)
        bench.wait_for_phase("paused")
        loop.call_soon_threadsafe(released.set_result, None)

    bench.at_row(1, suspend)
    bench.run(bench.fly(line(FRAMES, SLOW_S)))
    assert bench.error is None
    check(bench.documents, FRAMES)


def test_a_motor_that_is_moved_by_hand_keeps_a_paused_run_waiting(bench):
    bench.pause_at(1)
    bench.run(bench.fly(line(FRAMES, SLOW_S)))
    bench.client.set("t", 90.0)
    bench.resume()
    assert bench.error is None
    assert bench.client.device("t")["position"] == pytest.approx(90.0)
    check(bench.documents, FRAMES)


def test_a_resume_that_stays_refused_ends_the_run_with_its_reason(bench):
    bench.flyer = bluefly.Flyer(bench.url, step_timeout_s=1.0)
    bench.pause_at(1)
    bench.run(bench.fly(line(FRAMES, SLOW_S)))
    bench.client.set("e", 20_000.0)
    bench.resume()
    assert isinstance(bench.error.__cause__, bluefly.RefusedError)
    assert "e moving to" in str(bench.error)
    stop = check(bench.documents, bench.client.assets()["rows"], expect="fail")
    assert "resume" in stop["reason"]
    assert bench.client.status()["ended"]["reason"].startswith("cannot resume: ")


def test_a_run_may_be_aborted_while_a_resume_is_refused(bench):
    bench.pause_at(1)
    bench.run(bench.fly(line(FRAMES, SLOW_S)))
    bench.client.set("e", 20_000.0)
    bench.meanwhile(lambda: (time.sleep(1.0), bench.RE.abort("enough")))
    bench.resume()
    check(bench.documents, bench.client.assets()["rows"], expect="abort")


@pytest.mark.parametrize("step", STEPS)
def test_control_c_in_the_middle_of_a_step(bench, line_to, step):
    interrupt_in(bench, line_to, step)
    bench.run(bench.fly(line(FRAMES)))
    assert bench.RE.state == "paused"
    bench.resume()
    assert (bench.error, bench.RE.state, bench.phase()) == (None, "idle", "idle")
    check(bench.documents, FRAMES)


@pytest.mark.parametrize("step", STEPS)
def test_control_c_in_the_middle_of_a_step_and_abort(bench, line_to, step):
    interrupt_in(bench, line_to, step)
    bench.run(bench.fly(line(FRAMES)))
    assert bench.RE.state == "paused"
    bench.RE.abort("enough")
    assert (bench.RE.state, bench.phase()) == ("idle", "idle")
    for stop in bench.stops():
        expected = "success" if step == "unstage" else "abort"
        check(bench.documents, None, expect=expected)
        assert stop["reason"] == ("" if step == "unstage" else "enough")
    # Nothing is left behind that would be in the way of the next run.
    bench.documents.clear()
    line_to.before = lambda step: None
    bench.run(bench.fly(line(20)))
    assert bench.error is None
    check(bench.documents, 20)


def interrupt_in(bench, line_to, step):
    """Control-C until the RunEngine pauses, while a request of the step is on its way."""
    bench.flyer = bluefly.Flyer(line_to.url)
    # complete makes no request of its own: it watches.
    asked = "assets" if step == "complete" else step
    pausing = threading.Event()
    interrupt = functools.partial(os.kill, os.getpid(), signal.SIGINT)
    bench.RE.state_hook = lambda new, old: new != "running" and pausing.set()

    def before(request):
        if request != asked:
            return
        line_to.before = lambda step: None
        # The first one defers the pause; of two that come too soon the RunEngine sees but one.
        interrupt()
        while not pausing.wait(0.3):
            interrupt()

    line_to.before = before
