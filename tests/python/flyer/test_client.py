"""The API without bluesky."""

import subprocess
import sys

import bluefly
import pytest
from rig import REPOSITORY, line

FRAMES = 60


def test_it_needs_no_bluesky():
    program = """
import sys
sys.modules["bluesky"] = None
import bluefly
bluefly.Client("http://127.0.0.1:1", patience_s=0.0)
try:
    bluefly.plans
except ImportError:
    print("fine")
"""
    environment = {"PYTHONPATH": str(REPOSITORY / "python")}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "fine\n"


def test_a_run_step_by_step(bench):
    client = bench.client
    client.stage(metadata={"sample": "a"}, wait=10)
    client.prepare(line(FRAMES), wait=10)
    assert client.describe()["num_frames"] == FRAMES
    assert client.kickoff(wait=30)["phase"] == "completed"
    assets = client.assets(10, 20)
    assert (assets["start"], assets["stop"], assets["rows"]) == (10, 20, FRAMES)
    assert len(assets["events"]["data"]["x"]) == 10
    ended = client.unstage(wait=10)["ended"]
    assert (ended["exit_status"], ended["num_frames"]) == ("success", FRAMES)
    documents = list(client.documents(ended["run"]))
    assert [documents[0][0], documents[-1][0]] == ["start", "stop"]
    assert documents[0][1]["sample"] == "a"


def test_a_run_of_the_queue(bench):
    with bench.client as client:
        first = client.submit(line(FRAMES))
        second = client.submit(line(FRAMES), metadata={"sample": "b"})
        third = client.submit(line(FRAMES))
        assert client.move(third["uid"], 0)["place"] == 0
        assert client.cancel(second["uid"])["state"] == "cancelled"
        for run in (first, third):
            done = client.wait_for_run(run["uid"], timeout=60)
            assert (done["state"], done["num_frames"]) == ("done", FRAMES)
        assert {run["uid"] for run in client.runs(state="done")["runs"]} >= {first["uid"]}
        assert client.hold("lunch") == {"state": "held", "reason": "lunch"}
        assert client.release()["state"] == "open"


def test_errors_tell_place_and_phase(bench):
    client = bench.client
    with pytest.raises(bluefly.InvalidError) as invalid:
        client.submit(line(FRAMES, stop=1e6))
    assert invalid.value.where.startswith("$")
    with pytest.raises(bluefly.RefusedError) as refused:
        client.kickoff()
    assert refused.value.phase == "idle"
    assert str(refused.value).startswith(f"kickoff at {client.url}: ")
    with pytest.raises(bluefly.RemoteError) as missing:
        client.run("nobody")
    assert (missing.value.code, missing.value.http_status) == ("not_found", 404)
    with pytest.raises(TypeError, match="no specification"):
        client.submit(7)


def test_devices(bench):
    client = bench.client
    assert {"x", "camera"} <= {device["name"] for device in client.devices()}
    assert client.set("x", 0.5, wait=30)["state"] == "done"
    assert client.device("x")["position"] == pytest.approx(0.5)
    assert client.stop_device("x", wait=10)["state"] in ("done", "aborted")
    assert client.trigger("camera", wait=30)["state"] == "done"
    assert client.tree()["id"]
    assert client.ready()


def test_a_process_that_is_not_there():
    with pytest.raises(bluefly.UnreachableError, match="status at http://127.0.0.1:9: not reached"):
        bluefly.Client("http://127.0.0.1:9", patience_s=0.2).status()


def test_a_process_that_hangs(served, line_to):
    line_to.silence()
    client = bluefly.Client(line_to.url, timeout_s=0.3)
    with pytest.raises(bluefly.NoAnswerError, match="stage at .*: no answer within 0.3 s"):
        client.stage()
