"""A RunEngine with a flyer, a served beamline, and what came of a run."""

import itertools
import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import bluefly
import numpy as np
from bluesky import RunEngine
from bluesky.run_engine import RunEngineInterrupted

HERE = Path(__file__).resolve()
REPOSITORY = HERE.parents[3]
sys.path.insert(0, str(HERE.parents[1]))
import check_scan  # noqa: E402

# However busy the machine is: nothing is waited for any longer.
LONG_S = 60


def _with_us():
    """Lets a command end with these tests, should they be ended because they hang."""
    return ["setpriv", "--pdeathsig", "KILL", "--"] if shutil.which("setpriv") else []


class Served:
    """`bluefly serve` on the simulated beamline, with a data directory of its own."""

    def __init__(self, directory, **environment):
        self.directory = directory
        command = shlex.split(os.environ.get("BLUEFLY", str(REPOSITORY / "target/debug/bluefly")))
        beamline = str(REPOSITORY / "etc/sim.toml")
        self._log = (directory / "serve.log").open("ab")
        self._process = subprocess.Popen(
            [*_with_us(), *command, "serve", beamline, "--sim", "--listen", "127.0.0.1:0"],
            env={
                **os.environ,
                "BLUEFLY__DATA__DIRECTORY": str(directory / "data"),
                # Rows come soon: a scan of a second is watched.
                "BLUEFLY__DATA__FLUSH_PERIOD": "20 ms",
                "BLUEFLY__PUBLISH__COLLECT_PERIOD": "50 ms",
                **environment,
            },
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        self.url = self._listening().rsplit(" ", 1)[1]
        # Whatever else it prints must not stop it.
        threading.Thread(target=self._process.stdout.read, daemon=True).start()

    def _listening(self):
        for line in self._process.stdout:
            if line.startswith("listening on "):
                return line.strip()
        log = (self.directory / "serve.log").read_text()
        raise AssertionError(f"bluefly serve does not listen, {self._process.wait()}: {log}")

    def kill(self):
        self._process.kill()
        self._process.wait()

    def close(self):
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(LONG_S)
            except subprocess.TimeoutExpired:
                self.kill()
        self._log.close()


def line(num, duration=0.005, stop=1.0):
    """Frames along a line of axis x."""
    axis = {"type": "Linspace", "axis": "x", "start": 0.0, "stop": stop, "num": num}
    timed = {"type": "ConstantDuration", "constant_duration": duration, "spec": axis}
    return {"type": "Fly", "spec": timed}


class Bench:
    """What a user has at hand, and the documents that were emitted."""

    def __init__(self, url, **files):
        self.url = url
        self.client = bluefly.Client(url, **files)
        self.flyer = bluefly.Flyer(url, **files)
        self.RE = RunEngine({})
        self.documents = []
        self.error = None
        self.RE.subscribe(lambda name, document: self.documents.append((name, document)))
        self._threads = []

    def close(self):
        for thread in self._threads:
            thread.join(LONG_S)
        self.client.close()
        self.RE.loop.call_soon_threadsafe(self.RE.loop.stop)

    def fly(self, spec, **options):
        return bluefly.plans.fly(self.flyer, spec, **{"period": 0.05, **options})

    def run(self, plan, **md):
        """Runs a plan until it has ended or the RunEngine is paused."""
        return self._until_back(lambda: self.RE(plan, **md))

    def resume(self):
        return self._until_back(self.RE.resume)

    def _until_back(self, go):
        self.error = None
        try:
            return go()
        except RunEngineInterrupted:
            return None
        except Exception as error:
            self.error = error
            return None

    def meanwhile(self, do):
        """Does something in a thread of its own, as an operator does."""
        thread = threading.Thread(target=do, daemon=True)
        self._threads.append(thread)
        thread.start()

    def at_row(self, row, do):
        """Does something once, when that many rows are documented."""
        seen = itertools.count()

        def look(name, document):
            if name == "event_page" and document["seq_num"][-1] >= row and next(seen) == 0:
                self.meanwhile(do)

        self.RE.subscribe(look)

    def pause_at(self, row, defer=False):
        self.at_row(row, lambda: self.RE.request_pause(defer=defer))

    def phase(self):
        return self.client.status()["phase"]

    def wait_for_phase(self, phase):
        """The status, once the phase is this one."""
        status, deadline = self.client.status(), time.monotonic() + LONG_S
        while status["phase"] != phase:
            assert time.monotonic() < deadline, f"{status['phase']} for ever, never {phase}"
            status = self.client.status(since=status["revision"], timeout=5)
        return status

    def runs(self):
        """The documents of each run, one run after the other."""
        runs = []
        for name, document in self.documents:
            if name == "start":
                runs.append([])
            runs[-1].append((name, document))
        return runs

    def stops(self):
        return [document for name, document in self.documents if name == "stop"]


class Documents(check_scan.Run):
    """As the documents of a process, but of a RunEngine: readings have events as well."""

    def on_event(self, where, document):
        stream = self.descriptors[document["descriptor"]]["name"]
        self.findings.check(document["seq_num"] == self.next_seq_num[stream], f"{where}: seq_num")
        self.next_seq_num[stream] += 1
        self.num_events[stream] += 1

    def on_stream_datum(self, where, document):
        super().on_stream_datum(where, document)
        row, number = document["indices"]["start"], document["seq_nums"]["start"]
        self.findings.check(number == row + 1, f"{where}: row {row} has number {number}")

    def on_stop(self, where, document):
        self.stop = document


def check(documents, rows, stream="primary", expect="success"):
    """Every row of the stream is documented once, and is in the files; returns the stop document.

    ``rows`` is their number, or None if it was not known before.
    """
    findings = check_scan.Findings()
    run = Documents(findings)
    for number, (name, document) in enumerate(documents):
        run.feed(f"document {number}", name, _as_json(document))
    run.check_ends(expect, None)
    run.check_files()
    assert not findings, "\n".join(findings)
    counted = run.stop["num_events"].get(stream, 0)
    assert rows in (None, counted), f"{counted} rows of {rows} are documented"
    columns = [d["data"]["x"] for n, d in documents if n == "event_page" and "x" in d["data"]]
    assert sum(map(len, columns)) == counted, "files and numbers are not documented alike"
    _validate(documents)
    return run.stop


def _validate(documents):
    """With the tool that other programs' documents are checked with, if it is there."""
    tool = REPOSITORY.parent / "shared/tools/validate_docs.py"
    if not tool.is_file():
        return
    sys.path.insert(0, str(tool.parent))
    import validate_docs

    checker = validate_docs.Checker(strict=True)
    for number, (name, document) in enumerate(documents):
        checker.feed(f"document {number} ({name})", name, _as_json(document))
    checker.finish(False)
    assert not checker.errors, "\n".join(checker.errors)


def _as_json(value):
    if isinstance(value, dict):
        return {key: _as_json(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_as_json(one) for one in value]
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value
