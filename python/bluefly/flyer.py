"""A bluesky flyer that is flown by a bluefly process."""

from __future__ import annotations

import asyncio
import copy
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from typing import Any

from ._flight import Flight
from ._remote import Remote
from ._rows import Cursor, Table
from ._status import FlyerStatus
from ._wire import PathLike, server, spec_json
from .errors import BlueflyError
from .model import Description, Status

log = logging.getLogger(__name__)

Readings = dict[str, dict[str, Any]]
DataKeys = dict[str, dict[str, Any]]
Document = tuple[str, dict[str, Any]]


class Flyer:
    """A scan on a beamline, as a device of bluesky.

    ``prepare`` takes a scan specification. All requests are made on the event loop of the
    RunEngine, which is never blocked. Collected itself, it yields what is in files, and can be
    collected together with other detectors; :attr:`rows` yields files and numbers in one stream.

    A process that does not answer, or is gone, fails the status of the step, and no step waits for
    ever: each is given ``step_timeout_s``, except a flight, which may take as long as the process
    says that it goes on. Where the process is, and what it takes to be let in, is told as to
    :class:`~bluefly.Client`.
    """

    parent = None

    def __init__(
        self,
        url: str | None = None,
        name: str = "bluefly",
        *,
        token: str | None = None,
        token_file: PathLike | None = None,
        ca_file: PathLike | None = None,
        timeout_s: float = 10.0,
        patience_s: float = 5.0,
        step_timeout_s: float = 120.0,
    ) -> None:
        self.name = name
        self.metadata: dict[str, Any] = {}
        """Added to the start document of the run that the process makes of what is staged next."""
        self._server = server(
            url, token, token_file, ca_file, timeout_s=timeout_s, patience_s=patience_s
        )
        self._step_timeout_s = step_timeout_s
        self._remote: Remote | None = None
        self._table = Table()
        self._files = self._table.reader()
        self._description: Description | None = None
        self._flight: Flight | None = None
        self._ending = False
        self._failed = False
        self._unstaging: FlyerStatus | None = None
        self._sessions = 0
        self.rows = Rows(self)
        self.window = Window(self)

    @property
    def url(self) -> str:
        return self._server.url

    def __repr__(self) -> str:
        return f"Flyer({self.url!r}, name={self.name!r})"

    # Stageable

    def stage(self) -> FlyerStatus:
        """Begins a run of the process."""
        self._ending = self._failed = False
        self._sessions += 1
        self._flight = None
        self._description = None
        remote = self._connect()

        async def work(_: FlyerStatus) -> None:
            async with remote.turn:
                self._table.clear()
                body = {"metadata": self.metadata} if self.metadata else None
                await remote.stage(body, self._step_timeout_s)

        return self._status("stage", work)

    def unstage(self) -> FlyerStatus:
        """Ends the run of the process; a scan that is in the air is aborted."""
        if self._unstaging is not None and not self._unstaging.done:
            return self._unstaging
        was_told = self._ending or self._failed
        self._ending = True
        remote = self._connect()

        async def work(_: FlyerStatus) -> None:
            try:
                await self._end_session(remote)
            except BlueflyError as error:
                if not was_told:
                    raise
                log.warning("after the failure that was told: %s", error)
            finally:
                await self._disconnect(remote)

        self._unstaging = FlyerStatus(f"{self.name} unstage", work)
        return self._unstaging

    # Preparable, Flyable

    def prepare(self, value: Any) -> FlyerStatus:
        """Lets the process check and plan a specification: JSON as a mapping, or of scanspec."""
        body = spec_json(value)
        self._ending = False
        if self._flight is not None and not self._flight.in_air:
            self._flight = None
        remote = self._connect()

        async def work(_: FlyerStatus) -> None:
            async with remote.turn:
                await remote.step("prepare", body, self._step_timeout_s)
                self._description = await remote.describe()

        return self._status("prepare", work)

    def kickoff(self) -> FlyerStatus:
        """Flies what was prepared; done when the first frame is about to be taken."""
        # Made at once: a pause that comes before the request is answered must find it.
        if self._flight is None:
            self._flight = Flight(self._connect(), self._table)
        flight = self._flight
        is_another = not flight.in_air

        async def work(_: FlyerStatus) -> None:
            if is_another:
                raise BlueflyError(f"{self.name} was flown: prepare it again before kickoff")
            await asyncio.shield(flight.begun)

        return self._status("kickoff", work)

    def complete(self) -> FlyerStatus:
        """Done when all frames are taken. It only watches, and may be asked any number of times."""

        async def work(status: FlyerStatus) -> None:
            flight = self._flight
            if flight is None:
                raise BlueflyError(f"{self.name} is to complete what was not kicked off")

            def observe(seen: Status) -> None:
                before, total = seen["frames_before"], seen["frames_total"]
                status.progress(before + seen["frames_done"], before, before + total)

            flight.observers.append(observe)
            try:
                await asyncio.shield(flight.over)
            finally:
                flight.observers.remove(observe)

        return self._status("complete", work)

    # Pausable, Stoppable

    async def pause(self) -> None:
        """Brings a scan that is in the air to rest. Where that fails the scan is aborted."""
        if self._flight is not None:
            await self._flight.pause(self._step_timeout_s)

    async def resume(self) -> None:
        """Goes on, as soon as nothing is in the way of that. Where it stays, the scan is aborted."""
        if self._flight is not None:
            self._flight.resume(self._step_timeout_s)

    async def stop(self, success: bool = True) -> None:
        """Ends a scan that is in the air; the run of the process counts as a success, or not."""
        await self.end(None if success else "stopped by the RunEngine")

    async def end(self, reason: str | None) -> None:
        """Ends a scan that is in the air, for a reason if it is aborted.

        What was under way is superseded: a status of it succeeds.
        """
        self._ending = True
        if self._flight is not None:
            await self._flight.end(reason, self._step_timeout_s)

    # Collectable, WritesStreamAssets

    async def describe_collect(self) -> DataKeys:
        """What is in files."""
        self._files.open(self._first_row())
        return self._keys_in_files()

    async def get_index(self) -> int:
        """How many rows the process told of."""
        return self._table.rows

    async def collect_asset_docs(self, index: int | None = None) -> AsyncIterator[Document]:
        """Documents of the rows up to ``index`` that were not emitted yet."""
        for document in self._files.assets(set(self._keys_in_files()), index):
            yield document

    # Configurable, HasHints

    async def read_configuration(self) -> Readings:
        run = self._flight.run if self._flight is not None else self._table.run
        found: Readings = {"run": {"value": run or "", "timestamp": time.time()}}
        for configured in self._described()["configuration"].values():
            for key, value in configured["data"].items():
                found[key] = {"value": value, "timestamp": configured["timestamps"][key]}
        return {self._prefixed(key): reading for key, reading in found.items()}

    async def describe_configuration(self) -> DataKeys:
        run = {"source": f"{self.url}/api/v1/status", "dtype": "string", "shape": []}
        found: DataKeys = {"run": run}
        for configured in self._described()["configuration"].values():
            found.update(copy.deepcopy(configured["data_keys"]))
        return {self._prefixed(key): data_key for key, data_key in found.items()}

    @property
    def hints(self) -> dict[str, Any]:
        return self._hints(lambda data_key: "external" in data_key)

    # What plans want to know.

    @property
    def description(self) -> Description:
        """What was prepared."""
        return self._described()

    @property
    def sessions(self) -> int:
        """How often it was staged."""
        return self._sessions

    @property
    def has_numbers(self) -> bool:
        """Whether rows have numbers beside what is in files."""
        return len(self._keys_in_files()) < len(self._described()["data_keys"])

    @property
    def waiting(self) -> int:
        """Rows that were told and are in no document yet, of the last reader that was declared."""
        return max((cursor.waiting for cursor in self._cursors() if cursor.is_open), default=0)

    # For the parts of a flyer.

    def _cursors(self) -> tuple[Cursor, ...]:
        return (self._files, self.rows.cursor)

    def _described(self) -> Description:
        if self._description is None:
            raise BlueflyError(f"{self.name} describes what it is prepared for: prepare it first")
        return self._description

    def _keys_in_files(self) -> DataKeys:
        keys = self._described()["data_keys"]
        return {key: copy.deepcopy(value) for key, value in keys.items() if "external" in value}

    def _hints(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        # Looked at whenever bluesky asks what this object can do, prepared or not.
        if self._description is None:
            return {}
        keys = self._description["data_keys"]
        hinted = self._description["hints"].values()
        fields = [field for hints in hinted for field in hints.get("fields", ())]
        return {"fields": [field for field in fields if field in keys and wanted(keys[field])]}

    def _first_row(self) -> int:
        """The first row of the flight that is prepared, or was kicked off last."""
        return self._table.rows if self._flight is None else self._flight.first_row

    def _prefixed(self, key: str) -> str:
        return f"{self.name}-{key}"

    # Work on the event loop.

    def _status(self, step: str, work: Callable[[FlyerStatus], Awaitable[None]]) -> FlyerStatus:
        async def unless_ended(status: FlyerStatus) -> None:
            try:
                await work(status)
            except BlueflyError:
                # Whoever ends a scan is not told that it ended.
                if not self._ending:
                    self._failed = True
                    raise

        return FlyerStatus(f"{self.name} {step}", unless_ended)

    def _connect(self) -> Remote:
        """The process as this event loop sees it: another RunEngine may have another loop."""
        if self._remote is not None and self._remote.loop is not asyncio.get_running_loop():
            self._remote.leave()
            self._remote = None
        if self._remote is None:
            self._remote = Remote(self._server)
        return self._remote

    async def _end_session(self, remote: Remote) -> None:
        """Unstages what we have staged, and nothing that somebody else has."""
        if remote.turn.locked():
            # Ends the step that is under way, so that it is our turn.
            await remote.end_step()
        async with remote.turn:
            if self._flight is None or not self._flight.closed:
                await remote.unstage(self._step_timeout_s)

    async def _disconnect(self, remote: Remote) -> None:
        if self._flight is not None:
            await asyncio.wait([self._flight.over], timeout=self._server.timeout_s)
            await self._flight.forsake()
        # A step that was superseded is about to see that.
        async with remote.turn:
            if self._remote is remote:
                self._remote = None
        await remote.close()


class Rows:
    """The rows of a flyer with all that belongs to them: files, and numbers in event pages.

    In one collect, bluesky makes events of objects that are no ``WritesStreamAssets``, and takes
    documents about files from those that are, or from ``WritesExternalAssets``. This is one of the
    latter, so that files and numbers come out in one stream, with the same sequence numbers: just
    as the process itself documents a run.
    """

    def __init__(self, flyer: Flyer) -> None:
        self._flyer = flyer
        self.cursor = flyer._table.reader()

    @property
    def name(self) -> str:
        return self._flyer.name

    @property
    def parent(self) -> Flyer:
        return self._flyer

    def __repr__(self) -> str:
        return f"{self._flyer!r}.rows"

    def kickoff(self) -> FlyerStatus:
        """As of the flyer: the RunEngine wants to collect what it kicked off."""
        return self._flyer.kickoff()

    def complete(self) -> FlyerStatus:
        return self._flyer.complete()

    async def describe_collect(self) -> DataKeys:
        self.cursor.open(self._flyer._first_row())
        return copy.deepcopy(self._flyer.description["data_keys"])

    def collect_asset_docs(self) -> Iterator[Document]:
        return self.cursor.assets(set(self._flyer._keys_in_files()), None)

    def collect_pages(self) -> Iterator[Mapping[str, Any]]:
        page = self.cursor.page()
        if page is not None:
            yield page

    async def read_configuration(self) -> Readings:
        return await self._flyer.read_configuration()

    async def describe_configuration(self) -> DataKeys:
        return await self._flyer.describe_configuration()

    @property
    def hints(self) -> dict[str, Any]:
        return self._flyer._hints(lambda data_key: True)


class Window:
    """Which rows were flown last, to be read into the event of a step of an outer scan."""

    def __init__(self, flyer: Flyer) -> None:
        self._flyer = flyer

    @property
    def name(self) -> str:
        return f"{self._flyer.name}_window"

    @property
    def parent(self) -> Flyer:
        return self._flyer

    def __repr__(self) -> str:
        return f"{self._flyer!r}.window"

    async def describe(self) -> DataKeys:
        source = f"{self._flyer.url}/api/v1/assets"
        key = {"source": source, "dtype": "integer", "shape": [], "dtype_numpy": "<i8"}
        return {self._flyer._prefixed(name): dict(key) for name in ("first_row", "num_rows")}

    @property
    def num_rows(self) -> int:
        """Rows that the process told of."""
        return self._flyer._table.rows - self._flyer._first_row()

    async def read(self) -> Readings:
        values = {"first_row": self._flyer._first_row(), "num_rows": self.num_rows}
        now = time.time()
        return {
            self._flyer._prefixed(name): {"value": value, "timestamp": now}
            for name, value in values.items()
        }

    @property
    def hints(self) -> dict[str, Any]:
        return {"fields": [self._flyer._prefixed("num_rows")]}
