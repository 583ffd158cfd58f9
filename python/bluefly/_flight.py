"""One kickoff: follows what becomes of it, and what rows it leaves."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from ._remote import PAUSE_BETWEEN_S, Remote
from ._rows import Table
from .errors import BlueflyError, NoAnswerError, RefusedError, RunEndedError
from .model import Ended, Status

log = logging.getLogger(__name__)

BETWEEN_RESUMES_S = 0.5

Observer = Callable[[Status], None]


class Flight:
    """From the request to kick off until the last row was told, whoever ends it and however."""

    def __init__(self, remote: Remote, table: Table) -> None:
        self._remote = remote
        self._table = table
        self._number = 0
        self._trouble: BlueflyError | None = None
        self._resuming: asyncio.Task[None] | None = None
        self._total = 0
        self.run = table.run
        self.first_row = table.rows
        self.closed = False
        """Whether the run of the process ended with it: nothing is left to unstage."""
        self.observers: list[Observer] = []
        self.asked = _future(remote)
        self.begun = _future(remote)
        self.over = _future(remote)
        self._task = remote.loop.create_task(self._follow())

    @property
    def in_air(self) -> bool:
        return not self.over.done()

    async def pause(self, limit_s: float) -> None:
        """Brings it to rest. If that cannot be done, it is aborted: nothing may move in a pause."""
        self._stay()
        await asyncio.wait([self.asked], timeout=limit_s)
        if not self.in_air:
            return
        try:
            await self._pause(limit_s)
        except BlueflyError as error:
            log.error("cannot pause, hence the scan is aborted: %s", error)
            await self.end(f"cannot pause: {error}", limit_s)

    async def _pause(self, limit_s: float) -> None:
        remote = self._remote
        deadline = remote.loop.time() + limit_s
        try:
            status = await remote.act("pause", wait_s=min(remote.server.timeout_s, limit_s))
        except RefusedError:
            # It has ended just now, or somebody else ends it; whoever follows it is told how.
            status = await remote.status()
            if self._is_under_way(status):
                raise
            return
        while self._is_under_way(status) and not _is_paused(status):
            if remote.loop.time() > deadline:
                url, phase = remote.server.url, status["phase"]
                raise NoAnswerError(f"pause at {url}: still {phase} after {limit_s:g} s")
            status = await remote.status(since=status["revision"])

    def resume(self, limit_s: float) -> None:
        """Goes on. As long as that is refused it is asked for again; in the end it is aborted."""
        if self.in_air:
            self._stay()
            self._resuming = self._remote.loop.create_task(self._resume(limit_s))

    def _stay(self) -> None:
        """Does not go on, if that is still to come."""
        if self._resuming is not None:
            self._resuming.cancel()
            self._resuming = None

    async def _resume(self, limit_s: float) -> None:
        remote = self._remote
        deadline = remote.loop.time() + limit_s
        while True:
            try:
                await remote.act("resume")
                return
            except RefusedError as refusal:
                error: BlueflyError = refusal
            except BlueflyError as trouble:
                error = trouble
            if not await self._is_still_paused():
                return
            if remote.loop.time() > deadline:
                break
            log.warning("cannot resume yet: %s", error)
            await asyncio.sleep(BETWEEN_RESUMES_S)
        log.error("cannot resume, hence the scan is aborted: %s", error)
        self._trouble = error
        await self._abort({"reason": f"cannot resume: {error}"})

    async def _is_still_paused(self) -> bool:
        """Whether it is worth while to resume again; if not, whoever follows it is told why."""
        try:
            status = await self._remote.status()
        except BlueflyError:
            return self.in_air
        return self._is_under_way(status) and _is_paused(status)

    async def end(self, reason: str | None, limit_s: float) -> None:
        """Aborts it for a reason, or stops it without one, and waits for its last rows."""
        self._stay()
        if not self.in_air:
            return
        await self._abort(None if reason is None else {"reason": reason})
        await asyncio.wait([self.over], timeout=limit_s)

    async def _abort(self, body: dict[str, str] | None) -> None:
        try:
            await self._remote.act("stop" if body is None else "abort", body)
        except BlueflyError as error:
            log.error("cannot end the scan: %s", error)

    async def forsake(self) -> None:
        """Follows it no more."""
        self._stay()
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _follow(self) -> None:
        try:
            await self._fly()
        except asyncio.CancelledError:
            self._settle(RunEndedError(self._remote.server.url, "abort", "it was unstaged"))
            raise
        except Exception as error:
            self._settle(self._trouble or error)
        else:
            self._settle(None)

    async def _fly(self) -> None:
        remote = self._remote
        async with remote.turn:
            status = await remote.begin("kickoff")
            self._number = remote.number
        _resolve(self.asked)
        while True:
            self._total = status["frames_total"] if self._is_under_way(status) else self._total
            self.run = self._run_of(status)
            if self._is_under_way(status) and status["phase"] != "starting":
                _resolve(self.begun)
            for observer in list(self.observers):
                observer(status)
            # Looked at first, rows fetched then: the last rows are there when it has ended.
            if self.run is not None:
                await self._table.fetch(remote, self.run)
            if not self._is_under_way(status):
                self._check(status)
                return
            await asyncio.sleep(PAUSE_BETWEEN_S)
            status = await remote.status(since=status["revision"])

    def _run_of(self, status: Status) -> str | None:
        """The run that the process makes of it, once that has begun."""
        if self._is_under_way(status):
            return status["run"] or self.run
        # It may have begun and ended between two looks.
        ended = status["ended"]["run"] if status["ended"] else None
        return self.run or (ended if ended != self._remote.ended_before else None)

    def _is_under_way(self, status: Status) -> bool:
        operation = status["operation"]
        if operation is None or operation["number"] != self._number:
            return False
        return operation["state"] in ("running", "pausing", "paused")

    def _check(self, status: Status) -> None:
        """Raises if the flight did not take all of its frames and was not stopped in order."""
        url = self._remote.server.url
        ended = self._ended(status)
        if ended is not None:
            self.closed = True
            if ended["exit_status"] != "success":
                raise RunEndedError(url, ended["exit_status"], ended["reason"])
            return
        operation = status["operation"]
        if operation is None or operation["number"] != self._number:
            if self._table.rows - self.first_row < max(1, self._total):
                raise RunEndedError(url, "abort", "another step was begun")
            return
        if operation["state"] == "failed":
            raise self._remote.failure("kickoff", operation)
        if operation["state"] == "aborted":
            raise RunEndedError(url, "abort", (operation["error"] or {"message": ""})["message"])

    def _ended(self, status: Status) -> Ended | None:
        ended = status["ended"]
        return ended if ended is not None and ended["run"] == self.run else None

    def _settle(self, error: Exception | None) -> None:
        for future in (self.asked, self.begun, self.over):
            if future.done():
                continue
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(error)
                # Nobody may have been waiting; whoever asks later is told all the same.
                future.exception()


def _future(remote: Remote) -> asyncio.Future[None]:
    return remote.loop.create_future()


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _is_paused(status: Status) -> bool:
    return status["operation"] is not None and status["operation"]["state"] == "paused"
