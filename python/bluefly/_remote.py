"""Requests to the process on an event loop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any, cast

import httpx

from ._wire import API, BETWEEN_ATTEMPTS_S, Server, number_of, remote_error, was_begun
from .errors import NoAnswerError, RefusedError, RunLostError
from .model import Assets, Description, Operation, Status

log = logging.getLogger(__name__)

PAUSE_BETWEEN_S = 0.05
"""A status that changes all the time is asked for no more often."""


class Remote:
    """The process, as one event loop sees it. Steps are made one after the other.

    Each is told to the process with the number of the step of ours that was begun last, so that it
    is refused if somebody else has begun one since, and may be asked for again if an answer is lost.
    """

    def __init__(self, server: Server) -> None:
        self.server = server
        self.loop = asyncio.get_running_loop()
        self.instance: str | None = None
        self.ended_before: str | None = None
        """The run that had ended when ours was staged."""
        self.turn = asyncio.Lock()
        self._number: int | None = None
        """Of our step that was begun last; none if nothing is ours."""
        self._asked: tuple[str, int] | None = None
        """A step without an answer as yet, and the number after which it is to be begun."""
        self._http = httpx.AsyncClient(**server.options())

    async def close(self) -> None:
        await self._http.aclose()

    def leave(self) -> None:
        """Closes it from another event loop. One that does not run any more has let go of it."""
        if self.loop.is_running():
            asyncio.run_coroutine_threadsafe(self.close(), self.loop)

    async def status(self, since: int | None = None) -> Status:
        """Where the run stands; with ``since``, once the revision is another one."""
        # Asked for again when it has not changed for so long: a process that is silent is noticed.
        asked = {} if since is None else {"since": since, "timeout": self.server.timeout_s}
        status = cast(Status, await self._get("status", asked))
        return self.same_process(status)

    async def begin(
        self, step: str, body: Mapping[str, Any] | None = None, wait_s: float = 0.0
    ) -> Status:
        """Begins a step that follows our last one; an error if it failed within ``wait_s``."""
        after = self._number
        if self._asked is not None:
            after = self._ours(await self.status())
        if after is None:
            raise self._overtaken(step)
        return await self._begin(step, after, body, wait_s)

    async def act(
        self, step: str, body: Mapping[str, Any] | None = None, wait_s: float = 0.0
    ) -> Status:
        """Acts on our step that was begun last: pauses, resumes or ends it."""
        if self._number is None and self._asked is None:
            raise self._overtaken(step)
        number = self._ours(await self.status())
        if number is None:
            raise self._overtaken(step)
        status = await self._post(step, number, body, wait_s)
        if was_begun("unstage", number, status):
            self._number = number + 1
        return status

    @property
    def number(self) -> int:
        """Of our step that was begun last."""
        return self._number or 0

    async def describe(self) -> Description:
        return cast(Description, await self._told("describe", {}))

    async def assets(self, start: int) -> Assets:
        return cast(Assets, await self._told("assets", {"start": start}))

    def same_process(self, status: Status) -> Status:
        """The status, unless it is of another process than the one that was staged."""
        if self.instance not in (None, status["instance"]):
            raise RunLostError(f"the process at {self.server.url} was restarted: the run is lost")
        return status

    async def step(self, step: str, body: Mapping[str, Any] | None, limit_s: float) -> Status:
        """Makes a step, until it has ended; fails if it failed or takes longer than ``limit_s``."""
        status = await self.begin(step, body, wait_s=min(self.server.timeout_s, limit_s))
        return await self._until_done(step, status, limit_s)

    async def stage(self, body: Mapping[str, Any] | None, limit_s: float) -> Status:
        """Stages, once the run before has come to rest; of whichever process is there now."""
        self.instance = self._number = None
        deadline = self.loop.time() + limit_s
        wait_s = min(self.server.timeout_s, limit_s)
        while True:
            now = await self.status()
            try:
                status = await self._begin("stage", number_of(now), body, wait_s)
                if number_of(status) == number_of(now):
                    # What is staged already is taken for the same.
                    self._number = None
                    raise self._refused(status, "somebody else has staged it")
                status = await self._until_done("stage", status, limit_s)
            except RefusedError as refusal:
                if refusal.phase not in ("unstaging", "undoing") or self.loop.time() > deadline:
                    raise
                now = await self.status()
                if now["phase"] == refusal.phase:
                    await self.status(since=now["revision"])
                continue
            self.instance = status["instance"]
            self.ended_before = status["ended"]["run"] if status["ended"] else None
            return status

    async def end_step(self, wait_s: float = 0.0) -> Status | None:
        """Begins to end what is ours; nothing is, if somebody else has taken over."""
        try:
            return await self.act("unstage", wait_s=wait_s)
        except (RefusedError, RunLostError) as over:
            # It is refused for no other reason.
            log.info("nothing is left to end: %s", over)
            return None

    async def unstage(self, limit_s: float) -> None:
        """Ends what is ours, until it has ended."""
        status = await self.end_step(min(self.server.timeout_s, limit_s))
        if status is None:
            return
        deadline = self.loop.time() + limit_s
        begun = status["operation"]
        while status["phase"] != "idle":
            operation = status["operation"]
            # It may act on a flight, which is to be aborted then.
            if operation and operation["request"] == "unstage" and operation["state"] == "failed":
                raise self.failure("unstage", operation)
            if operation and begun and operation["number"] != begun["number"]:
                return
            self._check_time("unstage", status, limit_s, deadline)
            status = await self.status(since=status["revision"])

    def failure(self, step: str, operation: Operation) -> Exception:
        """Why a step did not end well."""
        error = operation["error"] or {"message": f"was {operation['state']}"}
        return remote_error(step, self.server.url, error)

    async def _until_done(self, step: str, status: Status, limit_s: float) -> Status:
        deadline = self.loop.time() + limit_s
        while True:
            operation = status["operation"]
            if operation is None or operation["number"] != self._number:
                raise self._overtaken(step)
            if operation["state"] in ("aborted", "failed"):
                raise self.failure(step, operation)
            if operation["state"] == "done":
                return status
            self._check_time(step, status, limit_s, deadline)
            status = await self.status(since=status["revision"])

    def _check_time(self, step: str, status: Status, limit_s: float, deadline: float) -> None:
        if self.loop.time() > deadline:
            where, phase = f"{step} at {self.server.url}", status["phase"]
            raise NoAnswerError(f"{where}: not done after {limit_s:g} s, phase {phase}")

    async def _begin(
        self, step: str, after: int, body: Mapping[str, Any] | None, wait_s: float
    ) -> Status:
        self._number, self._asked = None if step == "stage" else after, (step, after)
        try:
            status = await self._post(step, after, body, wait_s)
        except RefusedError:
            self._asked = None
            raise
        # After any other error, the status tells whether it was begun.
        ours = self._ours(status)
        # Somebody may have ended it before this answer was made.
        self._number, self._asked = after + 1 if ours is None else ours, None
        return status

    def _ours(self, status: Status) -> int | None:
        """The number of the step that was begun last, if it is ours."""
        number, operation = number_of(status), status["operation"]
        if number == self._number:
            return number
        if self._asked is None or operation is None or operation["request"] != self._asked[0]:
            return None
        # A preparation that was repeated may have been begun twice.
        return number if number > self._asked[1] else None

    def _overtaken(self, step: str) -> RunLostError:
        return RunLostError(f"{step} at {self.server.url}: another step was begun meanwhile")

    def _refused(self, status: Status, why: str) -> RefusedError:
        error = {"code": "refused", "where": "", "message": why, "phase": status["phase"]}
        return RefusedError("stage", self.server.url, error)

    async def _told(self, step: str, params: Mapping[str, Any]) -> Any:
        """What the process tells of our run; these answers do not say which process made them."""
        try:
            return await self._get(step, params)
        except RefusedError:
            # By another process, maybe, which knows of no such run.
            await self.status()
            raise

    async def _get(self, step: str, params: Mapping[str, Any]) -> Any:
        answer, _ = await self._sent(step, "GET", params=params)
        return self.server.json(step, answer)

    async def _post(
        self, step: str, after: int, body: Mapping[str, Any] | None, wait_s: float
    ) -> Status:
        params = {"wait": wait_s, "operation": after}
        answer, attempts = await self._sent(step, "POST", json=body or {}, params=params)
        try:
            return self.same_process(cast(Status, self.server.json(step, answer)))
        except RefusedError:
            # By another process, or because it was done the first time, of which the answer was lost.
            status = await self.status()
            if attempts == 1 or not was_begun(step, after, status):
                raise
            return status

    async def _sent(self, step: str, method: str, **what: Any) -> tuple[httpx.Response, int]:
        """The answer, and how often it was asked for."""
        server = self.server
        deadline_s = server.deadline_s(what["params"])
        begun, attempts = self.loop.time(), 0
        while True:
            attempts += 1
            try:
                request = self._http.request(method, f"{API}/{step}", timeout=deadline_s, **what)
                return await asyncio.wait_for(request, deadline_s), attempts
            except asyncio.TimeoutError as cause:
                raise server.no_answer(step, deadline_s) from cause
            except httpx.TransportError as cause:
                after_s = self.loop.time() - begun
                if isinstance(cause, httpx.TimeoutException):
                    raise server.no_answer(step, deadline_s) from cause
                if not server.may_ask_again(after_s, cause, repeatable=True):
                    raise server.unreachable(step, after_s, cause) from cause
            await asyncio.sleep(BETWEEN_ATTEMPTS_S)
