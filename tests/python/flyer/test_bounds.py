"""A test that hangs is shown and fails, and what it started goes with it."""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def test_a_test_that_hangs_is_shown_and_fails(tmp_path):
    (tmp_path / "test_it.py").write_text(
        "import threading\ndef test_hangs():\n    threading.Event().wait()\n"
    )
    pytest_with = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
    quickly = ["-c", HERE / "pytest.ini", "-o", "faulthandler_timeout=0.5"]
    run = [*pytest_with, *quickly, tmp_path]
    done = subprocess.run(run, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode != 0
    assert "test_hangs" in done.stderr
