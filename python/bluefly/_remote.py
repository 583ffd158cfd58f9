"""Requests to the process on an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, cast

import httpx

from ._wire import API, Server, remote_error
from .errors import NoAnswerError, RefusedError, RunLostError
from .model import Assets, Description, Operation, Status

_PHASE_AFTER = {"stage": "staged", "prepare": "ready", "unstage": "idle"}
PAUSE_BETWEEN_S = 0.05
"""A status that changes all the time is asked for no more often."""


class Remote:
    """The process, as one event loop sees it. Steps are made one after the other."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.loop = asyncio.get_running_loop()
        self.instance: str | None = None
        self.ended_before: str | None = None
        """The run that had ended when ours was staged."""
        self.turn = asyncio.Lock()
        self._http = httpx.AsyncClient(**server.options())

    async def close(self) -> None:
        await self._http.aclose()

    async def status(self, since: int | None = None) -> Status:
        """Where the run stands; with ``since``, once the revision is another one."""
        # Asked for again when it has not changed for so long: a process that is silent is noticed.
        asked = {} if since is None else {"since": since, "timeout": self.server.timeout_s}
        status = cast(Status, await self._ask("status", "GET", "/status", params=asked))
        return self.same_process(status)

    async def post(
        self, step: str, body: Mapping[str, Any] | None = None, wait_s: float = 0.0
    ) -> Status:
        """The status after a step was begun; an error if it failed within ``wait_s``."""
        what: dict[str, Any] = {"json": body or {}, "params": {"wait": wait_s}}
        status = cast(Status, await self._ask(step, "POST", f"/{step}", **what))
        return self.same_process(status)

    async def describe(self) -> Description:
        return cast(Description, await self._ask("describe", "GET", "/describe"))

    async def assets(self, start: int) -> Assets:
        return cast(Assets, await self._ask("assets", "GET", "/assets", params={"start": start}))

    def same_process(self, status: Status) -> Status:
        """The status, unless it is of another process than the one that was staged."""
        if self.instance not in (None, status["instance"]):
            raise RunLostError(f"the process at {self.server.url} was restarted: the run is lost")
        return status

    async def step(self, step: str, body: Mapping[str, Any] | None, limit_s: float) -> Status:
        """Makes a step, until it has ended; fails if it failed or takes longer than ``limit_s``."""
        status = await self.post(step, body, wait_s=min(self.server.timeout_s, limit_s))
        deadline = self.loop.time() + limit_s
        begun = status["operation"]
        while True:
            operation = status["operation"]
            is_ours = bool(operation and operation["request"] == step and _same(operation, begun))
            if operation and is_ours and operation["state"] in ("aborted", "failed"):
                raise self.failure(step, operation)
            if status["phase"] == _PHASE_AFTER[step]:
                return status
            if step == "unstage":
                # It may act on a flight, which is to be aborted then. Another step that has begun
                # since is of somebody else: what we had is over.
                if operation and operation["request"] != step and not _same(operation, begun):
                    return status
            elif operation and not is_ours:
                raise self.failure(step, {**operation, "state": "aborted", "error": None})
            if self.loop.time() > deadline:
                where, phase = f"{step} at {self.server.url}", status["phase"]
                raise NoAnswerError(f"{where}: not done after {limit_s:g} s, phase {phase}")
            status = await self.status(since=status["revision"])

    async def stage(self, body: Mapping[str, Any] | None, limit_s: float) -> Status:
        """Stages, once the run before has come to rest; of whichever process is there now."""
        self.instance = None
        deadline = self.loop.time() + limit_s
        while True:
            try:
                status = await self.step("stage", body, limit_s)
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

    def failure(self, step: str, operation: Operation) -> Exception:
        """Why a step did not end well."""
        error = operation["error"] or {"message": f"was {operation['state']}"}
        return remote_error(step, self.server.url, error)

    async def _ask(self, step: str, method: str, path: str, **what: Any) -> Any:
        server = self.server
        deadline_s = server.deadline_s(what.get("params"))
        begun = self.loop.time()
        while True:
            try:
                request = self._http.request(method, API + path, timeout=deadline_s, **what)
                return server.json(step, await asyncio.wait_for(request, deadline_s))
            except (httpx.TimeoutException, asyncio.TimeoutError) as cause:
                raise server.no_answer(step, deadline_s) from cause
            except httpx.TransportError as cause:
                after_s = self.loop.time() - begun
                if after_s >= server.patience_s:
                    raise server.unreachable(step, after_s, cause) from cause
            await asyncio.sleep(0.1)


def _same(operation: Operation, other: Operation | None) -> bool:
    return other is not None and operation["number"] == other["number"]
