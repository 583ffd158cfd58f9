"""A run that ends before its time tells why, and documents what is on disk."""

import time

import bluefly
import pytest
from bluesky.utils import FailedStatus
from rig import Served, check, line

FRAMES = 200
# Nobody waits for its end.
ENDLESS = line(200_000)


@pytest.mark.parametrize(
    ("how", "status", "reason"), [("abort", "abort", "enough"), ("stop", "success", "")]
)
def test_ended_while_paused(bench, how, status, reason):
    bench.pause_at(20)
    bench.run(bench.fly(ENDLESS))
    rows = bench.client.assets()["rows"]
    getattr(bench.RE, how)(*filter(None, [reason]))
    stop = check(bench.documents, rows, expect=status)
    assert stop["reason"] == reason
    assert bench.client.status()["ended"]["exit_status"] == status


@pytest.mark.parametrize("how", ["abort", "stop", "halt"])
def test_ended_while_it_runs(bench, how):
    bench.at_row(20, lambda: getattr(bench.RE, how)())
    bench.run(bench.fly(ENDLESS))
    bench.wait_for_phase("idle")
    # Nobody asks a plan that is halted: what it had not documented by then is not.
    rows = None if how == "halt" else bench.client.assets()["rows"]
    check(bench.documents, rows, expect="success" if how == "stop" else "abort")


def test_aborted_by_somebody_else(bench):
    bench.at_row(20, lambda: bench.client.abort("beam dump"))
    bench.run(bench.fly(ENDLESS))
    assert isinstance(bench.error, FailedStatus)
    stop = check(bench.documents, bench.client.assets()["rows"], expect="fail")
    assert "aborted: beam dump" in stop["reason"]
    assert bench.url in stop["reason"]


def test_stopped_by_somebody_else(bench):
    bench.at_row(20, lambda: bench.client.stop())
    bench.run(bench.fly(ENDLESS))
    assert bench.error is None
    check(bench.documents, bench.client.assets()["rows"])


def test_aborted_by_somebody_else_while_paused(bench):
    bench.pause_at(20)
    bench.run(bench.fly(ENDLESS))
    bench.client.abort("beam dump", wait=30)
    bench.resume()
    assert isinstance(bench.error, FailedStatus)
    stop = check(bench.documents, bench.client.assets()["rows"], expect="fail")
    assert "beam dump" in stop["reason"]


def test_the_process_is_killed(bench, served):
    bench.flyer = bluefly.Flyer(served.url, patience_s=0.5)
    told = []
    table = bench.flyer._table
    bench.at_row(20, lambda: (served.kill(), told.append(table.rows)))
    bench.run(bench.fly(ENDLESS))
    assert isinstance(bench.error, FailedStatus)
    stop = check(bench.documents, None, expect="fail")
    assert stop["num_events"]["primary"] >= told[0] >= 20
    assert stop["num_events"]["primary"] == table.rows
    assert f"at {served.url}: not reached within" in stop["reason"]


@pytest.mark.parametrize("flies", [False, True], ids=["idle", "flying"])
@pytest.mark.parametrize("step", ["status", "assets"])
def test_the_process_is_restarted(bench, served, line_to, tmp_path, step, flies):
    """Whatever is asked first of the process that is there now, and whatever that one does."""
    bench.flyer = bluefly.Flyer(line_to.url)
    (tmp_path / "other").mkdir()
    other = Served(tmp_path / "other")
    if flies:
        with bluefly.Client(other.url) as client:
            client.stage()
            client.prepare(ENDLESS)
            client.kickoff()

    def restart(request):
        if request == step:
            line_to.before = lambda request: None
            line_to.target = other.url
            served.kill()

    def watch():
        line_to.before = restart

    bench.at_row(20, watch)
    bench.run(bench.fly(ENDLESS))
    assert "was restarted: the run is lost" in str(bench.error)
    check(bench.documents, None, expect="fail")
    other.close()


@pytest.mark.parametrize("step", ["stage", "prepare", "kickoff", "assets", "unstage"])
def test_a_process_that_hangs_is_told_by_step_and_time(bench, line_to, step):
    bench.flyer = bluefly.Flyer(line_to.url, timeout_s=1.5)
    line_to.before = lambda request: request == step and line_to.silence()
    begun = time.monotonic()
    bench.run(bench.fly(line(FRAMES)))
    assert time.monotonic() - begun < 60
    assert isinstance(bench.error, FailedStatus)
    assert f"{step} at {line_to.url}: no answer within" in str(bench.error)


def test_a_connection_that_breaks_for_a_while_is_put_up_with(bench, line_to):
    bench.flyer = bluefly.Flyer(line_to.url)

    def break_it():
        line_to.cut()
        time.sleep(0.5)
        line_to.mend()

    bench.at_row(20, break_it)
    bench.run(bench.fly(line(FRAMES)))
    assert bench.error is None
    check(bench.documents, FRAMES)


def test_a_specification_that_cannot_be_flown_opens_no_run(bench):
    bench.run(bench.fly(line(FRAMES, stop=1e6)))
    assert isinstance(bench.error.__cause__, bluefly.InvalidError)
    assert bench.error.__cause__.where.startswith("$")
    assert bench.documents == []
    assert bench.phase() == "idle"


def test_another_user_is_not_disturbed(bench):
    bench.client.stage(wait=10)
    bench.client.prepare(line(FRAMES), wait=10)
    bench.run(bench.fly(line(FRAMES)))
    assert isinstance(bench.error.__cause__, bluefly.RefusedError)
    assert bench.error.__cause__.phase == "ready"
    assert bench.phase() == "ready"
