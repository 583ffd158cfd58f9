"""The API without bluesky."""

import json
import subprocess
import sys
import uuid

import bluefly
import httpx
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


class Answers(httpx.MockTransport):
    """Answers a request with the documents from ``start`` on, up to where the answer breaks off."""

    def __init__(self, documents, stops, broken):
        super().__init__(self.answer)
        self.lines = [json.dumps(one, ensure_ascii=False).encode() + b"\n" for one in documents]
        self.stops, self.broken, self.starts = list(stops), broken, []

    def answer(self, request):
        start = int(request.url.params["start"])
        self.starts.append(start)
        stop = self.stops.pop(0) if self.stops else start

        def some():
            yield b"".join(self.lines[start:stop])
            if stop in self.broken:
                yield self.lines[stop][:5]
                raise httpx.RemoteProtocolError("peer closed connection")

        return httpx.Response(200, content=some())


def test_a_submission_that_is_repeated_has_the_same_uid():
    bodies = []

    def answer(request):
        bodies.append(json.loads(request.content))
        if len(bodies) == 1:
            raise httpx.ReadError("connection reset by peer")
        return httpx.Response(202, json={"uid": bodies[-1]["uid"]})

    client = bluefly.Client("http://beamline")
    client._http = httpx.Client(transport=httpx.MockTransport(answer), base_url=client.url)
    run = client.submit(line(FRAMES), metadata={"sample": "a"})
    assert bodies[0] == bodies[1]
    assert run["uid"] == str(uuid.UUID(run["uid"]))
    client.submit(line(FRAMES))
    assert bodies[2]["uid"] != run["uid"]


def test_a_step_is_waited_for_longer_than_for_an_answer(bench, monkeypatch):
    monkeypatch.setattr("bluefly.client.LONGEST_WAIT_S", 0.05)
    client = bench.client
    client.stage(wait=10)
    client.prepare(line(FRAMES), wait=10)
    assert client.kickoff(wait=30)["phase"] == "completed"
    assert client.unstage(wait=30)["phase"] == "idle"


def told(answers, **options):
    client = bluefly.Client("http://beamline", **options)
    client._http = httpx.Client(transport=answers, base_url=client.url)
    return client.documents("run")


def run_of(rows, *more):
    return [{"name": "event", "doc": {"row": row, "sample": "a\u2028b"}} for row in range(rows)] + [
        {"name": name, "doc": {}} for name in more
    ]


def test_documents_go_on_after_the_last_one_when_the_connection_breaks():
    answers = Answers(run_of(5, "stop"), stops=[2, 2, 6], broken={2})
    names = [name for name, _ in told(answers)]
    assert names == ["event"] * 5 + ["stop"]
    assert answers.starts == [0, 2, 2]


def test_a_part_of_a_run_is_not_taken_for_all_of_it():
    answers = Answers(run_of(5), stops=[2, 4, 5], broken=set())
    rows = [document["row"] for _, document in told(answers)]
    assert rows == [0, 1, 2, 3, 4]
    assert answers.starts == [0, 2, 4, 5]


def test_documents_that_stay_away_are_an_error_of_ours():
    answers = Answers(run_of(5), stops=[2, 2, 2, 2], broken={2})
    with pytest.raises(bluefly.UnreachableError, match="documents at .*peer closed connection"):
        list(told(answers, patience_s=0.0))


def test_a_name_from_elsewhere_is_no_path(bench):
    with pytest.raises(bluefly.RemoteError) as missing:
        bench.client.run("../status")
    assert missing.value.code == "not_found"
    with pytest.raises(bluefly.RemoteError):
        bench.client.device("x/../../status")
    with pytest.raises(bluefly.RemoteError):
        list(bench.client.documents("../runs"))


def test_who_waits_for_a_run_is_told_that_the_queue_is_held(bench, caplog):
    bench.client.hold("lunch")
    run = bench.client.submit(line(FRAMES))
    with pytest.raises(bluefly.NoAnswerError, match="still queued, the queue is held: lunch"):
        bench.client.wait_for_run(run["uid"], timeout=0.1)
    assert "waits: the queue is held: lunch" in caplog.text
