"""What the process told of the rows of a run, and which of them were emitted."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

from ._remote import Remote
from .errors import RemoteError, RunLostError
from .model import Assets, Columns

ROWS_PER_COLLECT = 2000
"""A page is checked against its schema, 60 us a row, while the RunEngine does nothing else."""


class Table:
    """The rows of one run of the process: how many there are, in which files, and their numbers.

    It is filled while the process tells of rows and read when documents are made, so that what was
    told once is documented even if the process is gone by then. Numbers of rows that every reader
    has emitted are forgotten.
    """

    def __init__(self) -> None:
        self.run: str | None = None
        self.rows = 0
        self.resources: list[dict[str, Any]] = []
        self._first = 0
        self._numbers = _no_numbers()
        self._readers: list[Cursor] = []

    def reader(self) -> Cursor:
        """Another reader; numbers are kept until it has emitted them."""
        cursor = Cursor(self)
        self._readers.append(cursor)
        return cursor

    def clear(self) -> None:
        """Forgets all of it, before another run."""
        self.run = None
        self.rows = 0
        self.resources = []
        self._first = 0
        self._numbers = _no_numbers()
        for reader in self._readers:
            reader.close()

    async def fetch(self, remote: Remote, run: str) -> None:
        """Asks for all rows of the run that were not told yet."""
        while True:
            told = await remote.assets(self.rows)
            if told["run"] != run:
                await remote.status()
                url = remote.server.url
                raise RunLostError(f"the process at {url} flies another run: {run} is lost")
            self.run = run
            self.resources = told["resources"]
            if told["stop"] > self.rows:
                _append(self._numbers, _whole(told, remote.server.url))
                self.rows = told["stop"]
            if self.rows >= told["rows"]:
                return

    def numbers(self, start: int, stop: int) -> Columns:
        """Numbers of rows that were not forgotten."""
        rows = slice(start - self._first, stop - self._first)
        numbers = self._numbers
        return {
            "time": numbers["time"][rows],
            "data": {key: column[rows] for key, column in numbers["data"].items()},
            "timestamps": {key: column[rows] for key, column in numbers["timestamps"].items()},
        }

    def forget(self) -> None:
        """Drops the numbers that no open reader needs any more."""
        done = min((reader.row for reader in self._readers if reader.is_open), default=0)
        drop = done - self._first
        # A list is cut at its front at the cost of all that stays: now and then is enough.
        if drop < ROWS_PER_COLLECT:
            return
        numbers = self._numbers
        columns = [numbers["time"], *numbers["data"].values(), *numbers["timestamps"].values()]
        for column in columns:
            del column[:drop]
        self._first = done


class Cursor:
    """How far one reader has come: what it emitted, it does not emit again.

    A collect may be interrupted after documents were made and before they are emitted. The
    RunEngine fills in each as it emits it; those that it did not fill in are made again.
    """

    def __init__(self, table: Table) -> None:
        self._table = table
        self.is_open = False
        self._row = 0
        self._uids: dict[str, str] = {}
        self._sent: set[str] = set()
        self._offered: list[tuple[str, dict[str, Any]]] = []
        self._window = (0, 0)

    def open(self, row: int) -> None:
        """Begins the stream of another run of the RunEngine, at a row."""
        self.is_open = True
        self._row = row
        self._uids.clear()
        self._sent.clear()
        self._offered.clear()
        self._window = (row, row)

    def close(self) -> None:
        self.open(0)
        self.is_open = False

    @property
    def row(self) -> int:
        """The first row that was not emitted."""
        self._settle()
        return self._row

    @property
    def waiting(self) -> int:
        """Rows that can be emitted."""
        return max(0, self._table.rows - self.row)

    def assets(self, keys: set[str], index: int | None) -> Iterator[tuple[str, dict[str, Any]]]:
        """Documents of the rows that were not emitted, up to ``index``, for the keys in files."""
        start = self.row
        stop = min(self._table.rows, start + ROWS_PER_COLLECT)
        if index is not None:
            stop = min(stop, index)
        resources = [one for one in self._table.resources if one["data_key"] in keys]
        self._window = (start, max(start, stop))
        if stop <= start or not resources:
            return
        self._offered = [
            *(("stream_resource", self._resource(one)) for one in resources if self._is_new(one)),
            *(("stream_datum", self._datum(one, start, stop)) for one in resources),
        ]
        yield from self._offered

    def page(self) -> Columns | None:
        """The numbers of the rows whose assets were made last."""
        start, stop = self._window
        return self._table.numbers(start, stop) if stop > start else None

    def _settle(self) -> None:
        datums = [document for name, document in self._offered if name == "stream_datum"]
        if not datums or not all(datum["descriptor"] for datum in datums):
            return
        self._sent.update(datum["stream_resource"] for datum in datums)
        self._row = self._window[1]
        self._offered = []
        self._table.forget()

    def _uid(self, resource: dict[str, Any]) -> str:
        # A uid of our own: the documents of the process have theirs, in a run of their own.
        return self._uids.setdefault(resource["uid"], str(uuid.uuid4()))

    def _is_new(self, resource: dict[str, Any]) -> bool:
        return self._uid(resource) not in self._sent

    def _resource(self, resource: dict[str, Any]) -> dict[str, Any]:
        return {**resource, "uid": self._uid(resource), "run_start": ""}

    def _datum(self, resource: dict[str, Any], start: int, stop: int) -> dict[str, Any]:
        uid = self._uid(resource)
        return {
            "uid": f"{uid}/{start}",
            "stream_resource": uid,
            "descriptor": "",
            "indices": {"start": start, "stop": stop},
            "seq_nums": {"start": 0, "stop": 0},
        }


def _no_numbers() -> Columns:
    return {"time": [], "data": {}, "timestamps": {}}


def _whole(told: Assets, url: str) -> Columns:
    """The numbers, unless some are missing: rows and numbers are documented alike."""
    numbers, rows = told["events"], told["stop"] - told["start"]
    columns = {"time": numbers["time"], **numbers["data"], **numbers["timestamps"]}
    for key, column in columns.items():
        if len(column) != rows:
            message = f"{rows} rows have {len(column)} numbers"
            raise RemoteError("assets", url, {"where": key, "message": message})
    return numbers


def _append(numbers: Columns, more: Columns) -> None:
    numbers["time"].extend(more["time"])
    for key, column in more["data"].items():
        numbers["data"].setdefault(key, []).extend(column)
    for key, column in more["timestamps"].items():
        numbers["timestamps"].setdefault(key, []).extend(column)
