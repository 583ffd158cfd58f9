"""What was told of rows is emitted once, whatever becomes of a collect."""

import asyncio

import bluefly
import pytest
from bluefly._rows import ROWS_PER_COLLECT, Table


class Told:
    """A process that tells of so many rows, a part of them in each answer."""

    run = "run"
    lacks = 0

    def __init__(self, rows, at_once=10_000):
        self.rows, self.at_once = rows, at_once
        self.server = bluefly._wire.Server("http://beamline")

    async def status(self):
        """Of the process that was staged."""

    async def assets(self, start):
        stop = min(self.rows, start + self.at_once)
        column = [float(row) for row in range(start, stop - self.lacks)]
        resource = {"uid": "theirs", "run_start": "run", "data_key": "camera", "uri": "file:///f"}
        return {
            "run": self.run, "start": start, "stop": stop, "rows": self.rows,
            "resources": [resource],
            "events": {"time": column, "data": {"x": column}, "timestamps": {"x": column}},
        }


def fetch(table, told, run="run"):
    asyncio.run(table.fetch(told, run))


def emit(documents):
    """What the RunEngine does with the documents of a collect."""
    documents = list(documents)
    for name, document in documents:
        document["run_start" if name == "stream_resource" else "descriptor"] = "filled"
    return [(name, document.get("indices")) for name, document in documents]


def opened(table):
    cursor = table.reader()
    cursor.open(0)
    return cursor


def test_a_file_is_told_once_and_rows_follow_one_another():
    table, told = Table(), Told(10)
    cursor = opened(table)
    fetch(table, told)
    assert emit(cursor.assets({"camera"}, None)) == [
        ("stream_resource", None), ("stream_datum", {"start": 0, "stop": 10})
    ]
    assert emit(cursor.assets({"camera"}, None)) == []
    told.rows = 15
    fetch(table, told)
    assert cursor.waiting == 5
    assert emit(cursor.assets({"camera"}, 12)) == [("stream_datum", {"start": 10, "stop": 12})]
    assert cursor.page()["data"]["x"] == [10.0, 11.0]
    assert cursor.row == 12


def test_what_was_not_emitted_is_made_again():
    table = Table()
    cursor = opened(table)
    fetch(table, Told(10))
    list(cursor.assets({"camera"}, None))
    assert (cursor.row, cursor.waiting) == (0, 10)
    again = emit(cursor.assets({"camera"}, None))
    assert again == [("stream_resource", None), ("stream_datum", {"start": 0, "stop": 10})]
    assert cursor.waiting == 0


def test_another_run_of_the_run_engine_has_files_of_its_own():
    table = Table()
    cursor = opened(table)
    fetch(table, Told(10))
    uids = []
    for _ in range(2):
        cursor.open(0)
        documents = list(cursor.assets({"camera"}, None))
        emit(documents)
        uids.append(documents[0][1]["uid"])
    assert len({*uids, "theirs"}) == 3


def test_numbers_are_kept_until_every_reader_has_them():
    rows = 3 * ROWS_PER_COLLECT
    table = Table()
    ahead, behind = opened(table), opened(table)
    fetch(table, Told(rows, at_once=1000))
    for _ in range(3):
        emit(ahead.assets({"camera"}, None))
    assert ahead.waiting == 0
    for start in range(0, rows, ROWS_PER_COLLECT):
        emit(behind.assets({"camera"}, None))
        page = behind.page()["data"]["x"]
        assert (page[0], len(page)) == (start, ROWS_PER_COLLECT)
    assert behind.row == rows
    assert table._numbers["time"] == []


def test_rows_of_another_run_and_rows_without_numbers_are_errors():
    with pytest.raises(bluefly.RunLostError):
        fetch(Table(), Told(10), "ours")
    told = Told(10)
    told.lacks = 1
    with pytest.raises(bluefly.RemoteError, match="time: 10 rows have 9 numbers"):
        fetch(Table(), told)
