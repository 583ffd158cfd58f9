"""The API of a bluefly process, one method a request. Needs no bluesky."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, cast

import httpx

from ._wire import API, LONGEST_WAIT_S, Server, spec_json
from .errors import NoAnswerError
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

_ENDED = ("done", "aborted", "failed", "cancelled")


class Client:
    """Talks to one process; blocks until it has answered.

    Steps (``stage`` … ``unstage``) answer with the status at once, or with ``wait`` when the step
    has ended, but after so many seconds at the latest. Whatever the process refuses is raised as a
    :class:`~bluefly.errors.RemoteError`. A connection that fails is tried again for ``patience_s``;
    an answer that takes ``timeout_s`` longer than asked for is not waited for.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8470",
        *,
        token: str | None = None,
        timeout_s: float = 10.0,
        patience_s: float = 5.0,
    ) -> None:
        self._server = Server(url.rstrip("/"), token, timeout_s, patience_s)
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

    def stage(self, metadata: Mapping[str, Any] | None = None, wait: float = 0.0) -> Status:
        """Begins a run; ``metadata`` is added to its start document."""
        body = {"metadata": dict(metadata)} if metadata else None
        return self._step("stage", wait, body)

    def prepare(self, spec: Any, wait: float = 5.0) -> Status:
        """Checks a specification and plans its flight."""
        return self._step("prepare", wait, spec_json(spec))

    def kickoff(self, wait: float = 0.0) -> Status:
        """Flies what was prepared. The step ends when all frames are taken."""
        return self._step("kickoff", wait)

    def pause(self, wait: float = 0.0) -> Status:
        """Brings the flight to rest; what is complete stays."""
        return self._step("pause", wait)

    def resume(self, retake: int = 0) -> Status:
        """Goes on, ``retake`` frames before the last complete one."""
        return self._step("resume", 0.0, {"retake": retake} if retake else None)

    def abort(self, reason: str = "", wait: float = 0.0) -> Status:
        """Ends whatever is under way; the run is marked ``abort`` and has the reason."""
        return self._step("abort", wait, {"reason": reason} if reason else None)

    def stop(self, wait: float = 0.0) -> Status:
        """Ends whatever is under way; the run is marked ``success``."""
        return self._step("stop", wait)

    def unstage(self, wait: float = 0.0) -> Status:
        """Ends the run; a scan that is in the air is aborted."""
        return self._step("unstage", wait)

    def describe(self) -> Description:
        """What the rows of the prepared scan consist of."""
        return cast(Description, self._get("describe", "/describe"))

    def assets(self, start: int = 0, stop: int | None = None) -> Assets:
        """Rows that are on disk, at most 10,000 in one answer."""
        asked = {"start": start} if stop is None else {"start": start, "stop": stop}
        return cast(Assets, self._get("assets", "/assets", **asked))

    # The queue of runs.

    def submit(self, spec: Any, metadata: Mapping[str, Any] | None = None) -> Run:
        """Queues a run; raises at once if its specification cannot be flown."""
        body: dict[str, Any] = {"spec": spec_json(spec)}
        if metadata:
            body["metadata"] = dict(metadata)
        return cast(Run, self._post("submit", "/runs", body))

    def runs(self, state: RunState | None = None, limit: int = 100) -> Runs:
        asked: dict[str, Any] = {"limit": limit}
        if state is not None:
            asked["state"] = state
        return cast(Runs, self._get("runs", "/runs", **asked))

    def run(self, uid: str) -> Run:
        return cast(Run, self._get("run", f"/runs/{uid}"))

    def wait_for_run(self, uid: str, timeout: float | None = None) -> Run:
        """The run, once it has ended in whatever way. Looks whenever the status changes."""
        begun = time.monotonic()
        status = self.status()
        while (run := self.run(uid))["state"] not in _ENDED:
            left = LONGEST_WAIT_S if timeout is None else begun + timeout - time.monotonic()
            if left <= 0:
                message = f"run {uid} at {self.url}: still {run['state']} after {timeout} s"
                raise NoAnswerError(message)
            # A run leaves the queue without a change of the status, hence no long waits.
            status = self.status(since=status["revision"], timeout=min(left, 1.0))
        return run

    def cancel(self, uid: str) -> Run:
        """Takes a run out of the queue; refused once it is running."""
        return cast(Run, self._ask("cancel", "DELETE", f"/runs/{uid}"))

    def move(self, uid: str, place: int) -> Run:
        """Lets ``place`` runs go before this one."""
        return cast(Run, self._post("move", f"/runs/{uid}/move", {"place": place}))

    def hold(self, reason: str = "") -> Queue:
        """Begins no run of the queue any more, until it is released."""
        body = {"reason": reason} if reason else None
        return cast(Queue, self._post("hold", "/queue/hold", body))

    def release(self) -> Queue:
        return cast(Queue, self._post("release", "/queue/release"))

    def documents(self, uid: str, start: int = 0) -> Iterator[tuple[str, dict[str, Any]]]:
        """Name and document, one after the other, of a run that may still go on."""
        request = self._http.build_request(
            "GET",
            f"{API}/runs/{uid}/documents",
            params={"start": start},
            headers={"Accept": "application/x-ndjson"},
            timeout=self._server.timeout_s,
        )
        response = self._sent("documents", request, stream=True)
        try:
            if not response.is_success:
                response.read()
            self._server.checked("documents", response)
            for line in response.iter_lines():
                found = json.loads(line)
                yield found["name"], found["doc"]
        except httpx.TimeoutException as cause:
            raise self._server.no_answer("documents", self._server.timeout_s) from cause
        finally:
            response.close()

    # Devices, and the process itself.

    def devices(self) -> list[dict[str, Any]]:
        return cast("list[dict[str, Any]]", self._get("devices", "/devices")["devices"])

    def device(self, name: str) -> dict[str, Any]:
        return cast("dict[str, Any]", self._get("device", f"/devices/{name}"))

    def set(self, name: str, value: float, wait: float = 0.0) -> DeviceReport:
        """Moves a motor, in its units."""
        path = f"/devices/{name}/set"
        return cast(DeviceReport, self._post(f"set {name}", path, {"value": value}, wait=wait))

    def stop_device(self, name: str, wait: float = 0.0) -> DeviceReport:
        report = self._post(f"stop {name}", f"/devices/{name}/stop", wait=wait)
        return cast(DeviceReport, report)

    def trigger(self, name: str, wait: float = 0.0) -> DeviceReport:
        """Takes one frame with a detector."""
        report = self._post(f"trigger {name}", f"/devices/{name}/trigger", wait=wait)
        return cast(DeviceReport, report)

    def tree(self) -> dict[str, Any]:
        """The actors of the process, and how often each was restarted."""
        return cast("dict[str, Any]", self._get("tree", "/tree"))

    def ready(self) -> bool:
        """Whether all devices are connected and the process takes runs."""
        request = self._http.build_request("GET", "/readyz", timeout=self._server.timeout_s)
        return self._sent("readyz", request).is_success

    def _step(self, name: str, wait: float, body: Mapping[str, Any] | None = None) -> Status:
        return cast(Status, self._post(name, f"/{name}", body, wait=min(wait, LONGEST_WAIT_S)))

    def _get(self, step: str, path: str, **params: Any) -> Any:
        return self._ask(step, "GET", path, params=params)

    def _post(
        self, step: str, path: str, body: Mapping[str, Any] | None = None, **params: Any
    ) -> Any:
        return self._ask(step, "POST", path, json=body or {}, params=params)

    def _ask(self, step: str, method: str, path: str, **what: Any) -> Any:
        deadline_s = self._server.deadline_s(what.get("params"))
        request = self._http.build_request(method, API + path, timeout=deadline_s, **what)
        return self._server.json(step, self._sent(step, request))

    def _sent(self, step: str, request: httpx.Request, stream: bool = False) -> httpx.Response:
        begun = time.monotonic()
        while True:
            try:
                return self._http.send(request, stream=stream)
            except httpx.TimeoutException as cause:
                deadline_s = request.extensions["timeout"]["read"]
                raise self._server.no_answer(step, deadline_s) from cause
            except httpx.TransportError as cause:
                after_s = time.monotonic() - begun
                if after_s >= self._server.patience_s:
                    raise self._server.unreachable(step, after_s, cause) from cause
            time.sleep(0.1)
