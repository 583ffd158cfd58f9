"""What people watch a run with shows its numbers while it runs."""

import matplotlib.pyplot as plt
import pytest
from bluesky.callbacks import LiveTable
from bluesky.callbacks.best_effort import BestEffortCallback
from bluesky.utils import ProgressBarManager
from rig import check, line

FRAMES = 150


def test_a_live_table_shows_the_numbers(bench, capsys):
    shown_at = []
    table = LiveTable(["x", "camera_total"])
    bench.RE.subscribe(table)
    bench.at_row(1, lambda: shown_at.append(bench.phase()))
    bench.run(bench.fly(line(FRAMES, 0.01)))
    lines = [one.split("|")[1:] for one in capsys.readouterr().out.splitlines() if "|" in one]
    numbers = [int(cells[0]) for cells in lines if cells[0].strip().isdigit()]
    assert numbers == list(range(1, FRAMES + 1))
    assert shown_at == ["running"]


@pytest.mark.filterwarnings("ignore:.*seq_num:UserWarning")
def test_the_best_effort_callback_shows_a_table_and_a_plot(bench, capsys):
    # Each row is drawn; a layout that is made anew each time would take seconds.
    callback = BestEffortCallback(fig_factory=plt.figure)
    bench.RE.subscribe(callback)
    bench.run(bench.fly(line(8)))
    assert bench.error is None
    out = capsys.readouterr().out
    head = next(one for one in out.splitlines() if "camera_total" in one and one.startswith("|"))
    assert " x " in head
    (plots,) = callback._live_plots.values()
    assert len(plots["camera_total"].x_data) == 8
    assert "New stream: 'primary'" in out


def test_a_progress_bar_shows_frames(bench):
    seen = []

    def hook(statuses):
        for status in statuses or ():
            if hasattr(status, "watch"):
                status.watch(lambda **at: seen.append(at))

    bench.RE.waiting_hook = hook
    bench.run(bench.fly(line(FRAMES, 0.01)))
    assert seen[-1]["name"] == "bluefly complete"
    assert (seen[-1]["initial"], seen[-1]["target"]) == (0, FRAMES)
    current = [at["current"] for at in seen]
    assert current == sorted(current)
    assert any(0 < one < FRAMES for one in current)


def test_the_progress_bar_of_bluesky_is_drawn(bench, capsys):
    bench.RE.waiting_hook = ProgressBarManager()
    bench.pause_at(1)
    bench.run(bench.fly(line(FRAMES, 0.01)))
    bench.resume()
    assert bench.error is None
    assert f"/{FRAMES}" in capsys.readouterr().out
    check(bench.documents, FRAMES)
