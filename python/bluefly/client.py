"""The API of a bluefly process, one method a request. Needs no bluesky."""

from __future__ import annotations

import contextlib
import logging
import time
import uuid
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, cast
from urllib.parse import quote

import httpx

from ._wire import (
    API,
    BETWEEN_ATTEMPTS_S,
    LONGEST_WAIT_S,
    PathLike,
    number_of,
    remote_error,
    server,
    spec_json,
    was_begun,
)
from .errors import NoAnswerError, RefusedError, RunLostError
from .model import (
    Assets,
    Description,
    DeviceReport,
    Queue,
    Run,
    Runs,
    RunState,
    Status,
)

log = logging.getLogger(__name__)

_ACT_ON_ANYTHING = ("pause", "abort", "stop", "unstage")
_UNDER_WAY = ("running", "pausing", "paused")
_ENDED = ("done", "aborted", "failed", "cancelled")


class Client:
    """Talks to one process; blocks until it has answered.

    Steps (``stage`` … ``unstage``) answer with the status at once, or with ``wait`` when the step
    has ended, but after so many seconds at the latest. Whatever the process refuses is raised as a
    :class:`~bluefly.errors.RemoteError`. A connection that fails is tried again for ``patience_s``;
    an answer that takes ``timeout_s`` longer than asked for is not waited for. Nothing is done twice
    by that: what was asked of a step is done only as long as no other step was begun since, and
    what cannot be asked for again safely is not.

    With ``operation``, the number in a status, a step is refused unless the step of that number is
    still the last one.

    Without ``url`` the process is where ``BLUEFLY_URL`` says, else on this machine. The token that
    a process beyond it asks for is given by ``token`` or by a ``token_file``, and ``ca_file`` has
    the authority of the site that vouches for an ``https`` server, if those of the system do not;
    else ``BLUEFLY_TOKEN_FILE`` and ``BLUEFLY_CA_FILE`` name these files.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        token: str | None = None,
        token_file: PathLike | None = None,
        ca_file: PathLike | None = None,
        timeout_s: float = 10.0,
        patience_s: float = 5.0,
    ) -> None:
        self._server = server(
            url, token, token_file, ca_file, timeout_s=timeout_s, patience_s=patience_s
        )
        self._http = httpx.Client(**self._server.options())

    @property
    def url(self) -> str:
        return self._server.url

    def __repr__(self) -> str:
        return f"Client({self.url!r})"

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    # The run that is made step by step.

    def status(self, since: int | None = None, timeout: float = 20.0) -> Status:
        """Where the run stands; with ``since``, once the revision is another one."""
        asked = {} if since is None else {"since": since, "timeout": min(timeout, LONGEST_WAIT_S)}
        return cast(Status, self._get("status", "/status", **asked))

    def stage(
        self,
        metadata: Mapping[str, Any] | None = None,
        wait: float = 0.0,
        *,
        operation: int | None = None,
    ) -> Status:
        """Begins a run; ``metadata`` is added to its start document."""
        body = {"metadata": dict(metadata)} if metadata else None
        return self._step("stage", wait, operation, body)

    def prepare(self, spec: Any, wait: float = 5.0, *, operation: int | None = None) -> Status:
        """Checks a specification and plans its flight."""
        return self._step("prepare", wait, operation, spec_json(spec))

    def kickoff(self, wait: float = 0.0, *, operation: int | None = None) -> Status:
        """Flies what was prepared. The step ends when all frames are taken."""
        return self._step("kickoff", wait, operation)

    def pause(self, wait: float = 0.0, *, operation: int | None = None) -> Status:
        """Brings the flight to rest; what is complete stays."""
        return self._step("pause", wait, operation)

    def resume(self, retake: int = 0, *, operation: int | None = None) -> Status:
        """Goes on, ``retake`` frames before the last complete one."""
        return self._step("resume", 0.0, operation, {"retake": retake} if retake else None)

    def abort(
        self, reason: str = "", wait: float = 0.0, *, operation: int | None = None
    ) -> Status:
        """Ends whatever is under way; the run is marked ``abort`` and has the reason."""
        return self._step("abort", wait, operation, {"reason": reason} if reason else None)

    def stop(self, wait: float = 0.0, *, operation: int | None = None) -> Status:
        """Ends whatever is under way; the run is marked ``success``."""
        return self._step("stop", wait, operation)

    def unstage(self, wait: float = 0.0, *, operation: int | None = None) -> Status:
        """Ends the run; a scan that is in the air is aborted."""
        return self._step("unstage", wait, operation)

    def describe(self) -> Description:
        """What the rows of the prepared scan consist of."""
        return cast(Description, self._get("describe", "/describe"))

    def assets(self, start: int = 0, stop: int | None = None) -> Assets:
        """Rows that are on disk, at most 10,000 in one answer."""
        asked = {"start": start} if stop is None else {"start": start, "stop": stop}
        return cast(Assets, self._get("assets", "/assets", **asked))

    # The queue of runs.

    def submit(
        self, spec: Any, metadata: Mapping[str, Any] | None = None, *, uid: str | None = None
    ) -> Run:
        """Queues a run; raises at once if its specification cannot be flown.

        Submitting it again under the same ``uid``, a UUID, comes to the same run.
        """
        body: dict[str, Any] = {"spec": spec_json(spec), "uid": uid or str(uuid.uuid4())}
        if metadata:
            body["metadata"] = dict(metadata)
        # It is answered once it is checked, which may take as long as any answer.
        return cast(Run, self._post("submit", "/runs", body, takes_s=LONGEST_WAIT_S))

    def runs(self, state: RunState | None = None, limit: int = 100) -> Runs:
        asked: dict[str, Any] = {"limit": limit}
        if state is not None:
            asked["state"] = state
        return cast(Runs, self._get("runs", "/runs", **asked))

    def run(self, uid: str) -> Run:
        return cast(Run, self._get("run", f"/runs/{_escaped(uid)}"))

    def wait_for_run(self, uid: str, timeout: float | None = None) -> Run:
        """The run, once it has ended in whatever way. Looks whenever the status changes.

        While it waits in a queue that is held, a warning is logged, and an error says so.
        """
        begun = time.monotonic()
        status, told = self.status(), ""
        while (run := self.run(uid))["state"] not in _ENDED:
            held = self._held() if run["state"] == "queued" else ""
            if held != told:
                told = held
                if held:
                    log.warning("run %s at %s waits: %s", uid, self.url, held)
            left = LONGEST_WAIT_S if timeout is None else begun + timeout - time.monotonic()
            if left <= 0:
                still = ", ".join(filter(None, [run["state"], held]))
                raise NoAnswerError(f"run {uid} at {self.url}: still {still} after {timeout} s")
            # A run leaves the queue without a change of the status, hence no long waits.
            status = self.status(since=status["revision"], timeout=min(left, 1.0))
        return run

    def _held(self) -> str:
        queue = self.runs(limit=1)["queue"]
        return f"the queue is held: {queue['reason']}" if queue["state"] == "held" else ""

    def cancel(self, uid: str) -> Run:
        """Takes a run out of the queue; refused once it is running."""
        return cast(Run, self._ask("cancel", "DELETE", f"/runs/{_escaped(uid)}"))

    def move(self, uid: str, place: int) -> Run:
        """Lets ``place`` runs go before this one."""
        return cast(Run, self._post("move", f"/runs/{_escaped(uid)}/move", {"place": place}))

    def hold(self, reason: str = "") -> Queue:
        """Begins no run of the queue any more, until it is released."""
        body = {"reason": reason} if reason else None
        return cast(Queue, self._post("hold", "/queue/hold", body))

    def release(self) -> Queue:
        # Not again: somebody may have held it since.
        return cast(Queue, self._post("release", "/queue/release", repeatable=False))

    def documents(self, uid: str, start: int = 0) -> Iterator[tuple[str, dict[str, Any]]]:
        """Name and document, one after the other, of a run that may still go on.

        A connection that breaks is taken up again at the document after the last one.
        """
        begun = time.monotonic()
        while True:
            before = start
            try:
                for name, document in self._part(uid, start):
                    start += 1
                    yield name, document
                    if name == "stop":
                        return
            except _Broken as broken:
                cause = cast(Exception, broken.__cause__)
                begun = begun if start == before else time.monotonic()
                after_s = time.monotonic() - begun
                if not self._server.may_ask_again(after_s, cause, repeatable=True):
                    raise self._server.unanswered("documents", after_s, cause) from cause
                time.sleep(BETWEEN_ATTEMPTS_S)
            else:
                if start == before:
                    return

    def _part(self, uid: str, start: int) -> Iterator[tuple[str, dict[str, Any]]]:
        """Documents from one answer, which need not have all of them."""
        request = self._http.build_request(
            "GET",
            f"{API}/runs/{_escaped(uid)}/documents",
            params={"start": start},
            headers={"Accept": "application/x-ndjson"},
            timeout=self._server.timeout_s,
        )
        response, _ = self._sent("documents", request, repeatable=True, stream=True)
        with contextlib.closing(response):
            lines = _lines(response)
            if not response.is_success:
                response.read()
            self._server.checked("documents", response)
            while True:
                try:
                    line = next(lines, None)
                except httpx.TransportError as cause:
                    raise _Broken from cause
                if line is None:
                    return
                found = self._server.parsed("documents", line, response.status_code)
                yield found["name"], found["doc"]

    # Devices, and the process itself.

    def devices(self) -> list[dict[str, Any]]:
        return cast("list[dict[str, Any]]", self._get("devices", "/devices")["devices"])

    def device(self, name: str) -> dict[str, Any]:
        return cast("dict[str, Any]", self._get("device", f"/devices/{_escaped(name)}"))

    def set(self, name: str, value: float, wait: float = 0.0) -> DeviceReport:
        """Moves a motor, in its units. The answer is waited for a minute at most."""
        return self._by_hand(name, "set", wait, {"value": value})

    def stop_device(self, name: str, wait: float = 0.0) -> DeviceReport:
        return self._by_hand(name, "stop", wait)

    def trigger(self, name: str, wait: float = 0.0) -> DeviceReport:
        """Takes one frame with a detector. The answer is waited for a minute at most."""
        return self._by_hand(name, "trigger", wait)

    def tree(self) -> dict[str, Any]:
        """The actors of the process, and how often each was restarted."""
        return cast("dict[str, Any]", self._get("tree", "/tree"))

    def ready(self) -> bool:
        """Whether all devices are connected and the process takes runs."""
        request = self._http.build_request("GET", "/readyz", timeout=self._server.timeout_s)
        return self._sent("readyz", request, repeatable=True)[0].is_success

    def _step(
        self,
        step: str,
        wait: float,
        operation: int | None,
        body: Mapping[str, Any] | None = None,
    ) -> Status:
        begun = time.monotonic()
        while True:
            after = operation
            if after is None:
                after = number_of(self._get(step, "/status"))
            params = {"wait": min(wait, LONGEST_WAIT_S), "operation": after}
            request = self._http.build_request(
                "POST",
                f"{API}/{step}",
                timeout=self._server.deadline_s(params),
                params=params,
                json=body or {},
            )
            response, attempts = self._sent(step, request, repeatable=True)
            try:
                status = cast(Status, self._server.json(step, response))
                break
            except RefusedError:
                status = self.status()
                if attempts > 1 and was_begun(step, after, status):
                    # It was done the first time, of which the answer was lost.
                    break
                # What ends or pauses whatever is there is not too late for what began just now;
                # but what was asked for twice may have ended what it was meant for.
                is_late = attempts == 1 and operation is None and step in _ACT_ON_ANYTHING
                is_over = time.monotonic() - begun > self._server.patience_s
                if not is_late or is_over or number_of(status) == after:
                    raise
        return self._until_done(step, status, begun + wait)

    def _until_done(self, step: str, status: Status, deadline: float) -> Status:
        """The status once the step has ended, for a wait that is longer than that of an answer."""
        begun = number_of(status)
        is_wanted = ("running", "pausing") if step == "pause" else _UNDER_WAY
        while (operation := status["operation"]) and operation["state"] in is_wanted:
            left = deadline - time.monotonic()
            if left <= 0:
                break
            status = self.status(since=status["revision"], timeout=left)
            if number_of(status) != begun:
                message = f"{step} at {self.url}: another step was begun meanwhile"
                raise RunLostError(message)
            operation = status["operation"]
            if operation and operation["state"] == "failed":
                raise remote_error(step, self.url, operation["error"] or {"message": "failed"})
        return status

    def _get(self, step: str, path: str, **params: Any) -> Any:
        return self._ask(step, "GET", path, params=params)

    def _post(
        self, step: str, path: str, body: Mapping[str, Any] | None = None, **options: Any
    ) -> Any:
        return self._ask(step, "POST", path, json=body or {}, **options)

    def _by_hand(
        self, name: str, request: str, wait: float, body: Mapping[str, Any] | None = None
    ) -> DeviceReport:
        """Nothing tells whether that was done if the answer is lost: it is not asked for again."""
        params = {"wait": min(wait, LONGEST_WAIT_S)}
        path = f"/devices/{_escaped(name)}/{request}"
        step = f"{request} {name}"
        return cast(DeviceReport, self._post(step, path, body, params=params, repeatable=False))

    def _ask(
        self,
        step: str,
        method: str,
        path: str,
        *,
        repeatable: bool = True,
        takes_s: float = 0.0,
        **what: Any,
    ) -> Any:
        deadline_s = self._server.deadline_s(what.get("params")) + takes_s
        request = self._http.build_request(method, API + path, timeout=deadline_s, **what)
        response, _ = self._sent(step, request, repeatable=repeatable)
        return self._server.json(step, response)

    def _sent(
        self, step: str, request: httpx.Request, *, repeatable: bool, stream: bool = False
    ) -> tuple[httpx.Response, int]:
        """The answer, and how often it was asked for."""
        begun, attempts = time.monotonic(), 0
        while True:
            attempts += 1
            try:
                return self._http.send(request, stream=stream), attempts
            except httpx.TimeoutException as cause:
                deadline_s = request.extensions["timeout"]["read"]
                raise self._server.no_answer(step, deadline_s) from cause
            except httpx.TransportError as cause:
                after_s = time.monotonic() - begun
                if not self._server.may_ask_again(after_s, cause, repeatable=repeatable):
                    raise self._server.unanswered(step, after_s, cause) from cause
            time.sleep(BETWEEN_ATTEMPTS_S)


class _Broken(Exception):
    """An answer that broke off."""


def _lines(response: httpx.Response) -> Iterator[bytes]:
    """Whole lines; only a line feed ends one, since a document may have other separators in it."""
    rest = b""
    for data in response.iter_bytes():
        *lines, rest = (rest + data).split(b"\n")
        yield from lines
    if rest:
        yield rest


def _escaped(name: str) -> str:
    return quote(name, safe="")
