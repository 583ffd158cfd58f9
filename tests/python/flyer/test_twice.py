"""Nothing is done twice because an answer was lost, and nothing is done to what is somebody else's."""

import bluefly
import pytest
from bluesky.utils import FailedStatus
from rig import check, line

FRAMES = 60
# Of a scan that is still in the air when a pause comes late.
SLOW_S = 0.02
# Nobody waits for its end.
ENDLESS = line(200_000)


@pytest.fixture
def far(line_to):
    """A client at the other end of the line."""
    with bluefly.Client(line_to.url) as client:
        yield client


def test_steps_whose_answers_are_lost_are_done_once(far, line_to):
    line_to.losing = {"stage", "prepare", "kickoff", "pause", "resume", "unstage"}
    far.stage(wait=10)
    far.prepare(line(FRAMES, SLOW_S), wait=10)
    far.kickoff()
    assert far.pause(wait=10)["operation"]["state"] == "paused"
    far.resume()
    status = far.status()
    while status["phase"] != "completed":
        status = far.status(since=status["revision"])
    status = far.unstage(wait=10)
    assert (status["phase"], status["operation"]["number"]) == ("idle", 4)
    assert line_to.losing == set()
    assert len(far.runs()["runs"]) == 1


def test_a_submission_whose_answer_is_lost_is_flown_once(far, line_to):
    line_to.losing = {"runs"}
    run = far.submit(line(FRAMES))
    assert far.wait_for_run(run["uid"], timeout=60)["state"] == "done"
    assert [one["uid"] for one in far.runs()["runs"]] == [run["uid"]]


def test_the_same_submission_comes_to_the_same_run(bench):
    uid = "8a1f0a4e-9d52-4a3c-9b07-1f0d3c6a5e21"
    first = bench.client.submit(line(FRAMES), uid=uid)
    assert bench.client.submit(line(FRAMES), uid=uid)["uid"] == first["uid"] == uid
    with pytest.raises(bluefly.RefusedError):
        bench.client.submit(line(FRAMES + 1), uid=uid)


def test_an_abort_whose_answer_is_lost_does_not_end_the_next_run(far, line_to, bench):
    begin(bench.client, ENDLESS)
    asked = []

    def before(step):
        if step != "abort":
            return
        asked.append(step)
        if len(asked) == 2:
            bench.wait_for_phase("idle")
            begin(bench.client, ENDLESS)

    line_to.before, line_to.losing = before, {"abort"}
    with pytest.raises(bluefly.RefusedError):
        far.abort("beam dump")
    assert len(asked) == 2
    status = bench.client.status()
    assert (status["operation"]["request"], status["operation"]["state"]) == ("kickoff", "running")


def test_a_motor_is_moved_once_and_the_error_says_what_is_not_known(far, line_to):
    asked = []
    line_to.before, line_to.losing = asked.append, {"set"}
    with pytest.raises(bluefly.UnreachableError, match="may have been done, or not"):
        far.set("x", 1.0)
    assert asked == ["set"]


def test_a_step_is_refused_if_it_is_not_the_last_one_any_more(bench):
    client = bench.client
    number = client.stage(wait=10)["operation"]["number"]
    client.prepare(line(FRAMES), wait=10, operation=number)
    with pytest.raises(bluefly.RefusedError):
        client.unstage(operation=number)
    assert client.status()["phase"] == "ready"


def test_a_run_of_which_every_answer_is_lost_once(bench, line_to):
    bench.flyer = bluefly.Flyer(line_to.url)
    line_to.losing = {"stage", "prepare", "describe", "kickoff", "pause", "resume", "unstage"}
    bench.pause_at(1)
    bench.run(bench.fly(line(150, SLOW_S)))
    assert (bench.RE.state, bench.phase()) == ("paused", "paused")
    bench.resume()
    assert bench.error is None
    check(bench.documents, 150)
    assert line_to.losing == set()
    assert bench.client.status()["operation"]["number"] == 4


@pytest.mark.parametrize("step", ["prepare", "kickoff"])
def test_the_flight_of_somebody_else_is_neither_documented_nor_ended(bench, line_to, step):
    bench.flyer = bluefly.Flyer(line_to.url)

    def before(request):
        if request != step:
            return
        line_to.before = lambda request: None
        if step == "prepare":
            bench.client.unstage(wait=10)
            bench.client.stage(wait=10)
        bench.client.prepare(ENDLESS, wait=10)
        bench.client.kickoff()

    line_to.before = before
    bench.run(bench.fly(line(FRAMES)))
    assert isinstance(bench.error, FailedStatus)
    assert isinstance(bench.error.__cause__, bluefly.RefusedError)
    assert [name for name, _ in bench.documents if name in ("stream_datum", "event_page")] == []
    operation = bench.client.status()["operation"]
    assert (operation["request"], operation["state"]) == ("kickoff", "running")


def test_a_pause_and_an_end_do_not_act_on_the_flight_of_somebody_else(bench):
    bench.at_row(5, bench.RE.request_pause)
    bench.run(bench.fly(ENDLESS))
    assert bench.RE.state == "paused"
    bench.client.abort("mine now", wait=10)
    bench.wait_for_phase("idle")
    begin(bench.client, ENDLESS)
    bench.RE.abort("enough")
    operation = bench.client.status()["operation"]
    assert (operation["request"], operation["state"]) == ("kickoff", "running")


def test_what_somebody_else_has_staged_is_not_taken_for_ours(bench):
    bench.client.stage(wait=10)
    bench.run(bench.fly(line(FRAMES)))
    assert isinstance(bench.error.__cause__, bluefly.RefusedError)
    assert bench.phase() == "staged"


def begin(client, spec):
    client.stage(wait=10)
    client.prepare(spec, wait=10)
    client.kickoff()
