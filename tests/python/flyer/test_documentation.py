"""The programs of the guides do what the guides say."""

import re

import pytest
from matplotlib.figure import Figure
from rig import REPOSITORY, line


def programs(guide):
    """The Python programs of a guide, in their order."""
    text = (REPOSITORY / "docs" / guide).read_text()
    found = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert found, f"{guide} has no programs"
    return found


@pytest.mark.filterwarnings("ignore:.*seq_num:UserWarning")
def test_the_guide_to_bluesky(bench, served, monkeypatch, capsys):
    # Each row is drawn; a layout that is made anew each time would take seconds.
    monkeypatch.setattr(Figure, "tight_layout", lambda figure, **options: None)
    names = {}
    with_bluesky, *others = programs("bluesky.md")
    shorter = with_bluesky.replace('"stop": 5, "num": 500', '"stop": 0.05, "num": 5')
    assert shorter != with_bluesky
    exec(at(served, shorter), names)
    assert bench.client.status()["ended"]["num_frames"] == 5
    capsys.readouterr()
    for program in others:
        exec(at(served, program), names)
    printed = capsys.readouterr().out.split()
    assert (printed[0], printed[1], printed[-1]) == ("done", "start", "stop")


def test_the_guide_to_data(bench, served, tmp_path, monkeypatch, capsys):
    bench.run(bench.fly(line(20)))
    monkeypatch.chdir(tmp_path / "data")
    run = bench.client.status()["ended"]["run"]
    (master,) = (tmp_path / "data").rglob(f"*{run}*.nxs")
    files = master.with_suffix("")
    names = {}
    for program in programs("data.md"):
        assert "RUN" in program
        exec(program.replace("RUN", str(files)), names)
    shapes = capsys.readouterr().out.splitlines()
    assert shapes[0].startswith("(20, ")
    assert len(names["images"]) == 20
    assert shapes[-1].startswith("(20, ")


def at(served, program):
    """The program, for a process that is not where it is by default."""
    return program.replace("http://127.0.0.1:8470", served.url)
