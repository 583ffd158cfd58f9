"""What is installed is whole."""

import re
import subprocess
import sys
import sysconfig
import venv

import pytest
from rig import REPOSITORY

LOOK = """
import importlib.metadata as metadata
import bluefly, bluefly.plans
from pathlib import Path

found = metadata.distribution("bluefly")
files = sorted(Path(file).name for file in found.files)
assert "site-packages" in bluefly.__file__, bluefly.__file__
assert {"py.typed", "plans.py", "LICENSE-APACHE", "LICENSE-MIT"} <= set(files), files
print(found.version, bluefly.__version__)
"""


@pytest.fixture
def installed(tmp_path):
    """A Python that has the wheel, and what it needs."""
    wheels = tmp_path / "wheels"
    offline = ["--quiet", "--disable-pip-version-check", "--no-index", "--no-deps"]
    pip = [sys.executable, "-m", "pip"]
    built = [*pip, "wheel", *offline, "--no-build-isolation", "--no-cache-dir", "-w", wheels]
    subprocess.run([*built, REPOSITORY / "python"], check=True, cwd=tmp_path)
    (wheel,) = wheels.iterdir()
    environment = tmp_path / "environment"
    venv.create(environment, symlinks=True)
    python = environment / "bin/python"
    install = [*pip, "install", *offline, "--no-compile", "--ignore-installed"]
    subprocess.run([*install, "--prefix", environment, wheel], check=True, cwd=tmp_path)
    (packages,) = environment.glob("lib/python*/site-packages")
    (packages / "needed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


def test_the_wheel_can_be_installed_and_imported(installed, tmp_path):
    look = [installed, "-I", "-c", LOOK]
    done = subprocess.run(look, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    versions = done.stdout.split()
    assert len(set(versions)) == 1 and len(versions) == 2


def test_what_the_readme_links_to_is_there_for_who_has_only_the_package():
    text = (REPOSITORY / "python/README.md").read_text()
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert [link for link in links if not link.startswith("https://")] == []
