"""A process, a line to it, and a bench for each test."""

import os
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve()
sys.path.insert(0, str(HERE.parent))
sys.path.insert(0, str(HERE.parents[3] / "python"))

from proxy import Line  # noqa: E402
from rig import Bench, Served  # noqa: E402

# Of matplotlib: no window, whatever the machine has.
os.environ["MPLBACKEND"] = "agg"


@pytest.fixture
def served(tmp_path):
    process = Served(tmp_path)
    yield process
    process.close()


@pytest.fixture
def bench(served):
    bench = Bench(served.url)
    yield bench
    bench.close()


@pytest.fixture
def line_to(served):
    line = Line(served.url)
    yield line
    line.close()
