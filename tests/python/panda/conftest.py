"""A `bluefly panda serve` on any ports."""

import json
import os
import signal
import subprocess
from pathlib import Path

import pandablocks.asyncio
import pytest

ROOT = Path(__file__).parents[3]
BLUEFLY = Path(os.environ.get("BLUEFLY", ROOT / "target/debug/bluefly"))


@pytest.fixture(scope="session")
def box(monkeypatch_session):
    """The ports of the box; the client, which knows only 8888 and 8889, is sent there."""
    command = [str(BLUEFLY), "panda", "serve", "--listen", "127.0.0.1:0:0"]
    command += ["--format", "json", "--log", "warn"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    ports = json.loads(process.stdout.readline())
    ports = {key: int(address.rsplit(":", 1)[1]) for key, address in ports.items()}
    by_default = {8888: ports["control"], 8889: ports["data"]}
    connect = pandablocks.asyncio._StreamHelper.connect

    async def connect_there(self, host, port):
        await connect(self, host, by_default.get(port, port))

    monkeypatch_session.setattr(pandablocks.asyncio._StreamHelper, "connect", connect_there)
    yield ports
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=20) == 0


@pytest.fixture(scope="session")
def monkeypatch_session():
    with pytest.MonkeyPatch.context() as patch:
        yield patch
