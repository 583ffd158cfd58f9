"""A `bluefly ioc` of etc/epics.toml on any port. The environment of libca is set before it is
loaded, for it reads it once."""

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
BLUEFLY = Path(os.environ.get("BLUEFLY", ROOT / "target/debug/bluefly"))


class Ioc:
    """The process, and where it is."""

    def __init__(self, port: int = 0) -> None:
        command = [str(BLUEFLY), "ioc", "etc/epics.toml", "--port", str(port), "--log", "warn"]
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        line = self.process.stdout.readline()
        found = re.fullmatch(r"serving \d+ PVs on 127\.0\.0\.1:(\d+)\n", line)
        assert found, (line, self.process.stderr.read() if not line else "")
        self.port = int(found[1])

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()

    def end(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        _, errors = self.process.communicate(timeout=20)
        assert (self.process.returncode, errors) == (0, "")


class House:
    """The IOC of the session, which a test may kill and start again where it was."""

    def __init__(self) -> None:
        self.ioc = Ioc()

    @property
    def port(self) -> int:
        return self.ioc.port

    def kill(self) -> None:
        self.ioc.kill()

    def restart(self) -> None:
        self.ioc = Ioc(self.ioc.port)


HOUSE = House()
os.environ.update(
    EPICS_CA_ADDR_LIST=f"127.0.0.1:{HOUSE.port}",
    EPICS_CA_AUTO_ADDR_LIST="NO",
    EPICS_CA_MAX_ARRAY_BYTES="20000000",
    EPICS_CA_CONN_TMO="3",
)


@pytest.fixture(scope="session")
def ioc():
    return HOUSE


def pytest_unconfigure() -> None:
    HOUSE.ioc.end()
