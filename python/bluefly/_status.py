"""[bluesky's](https://blueskyproject.io) idea of something that is under way."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

Watcher = Callable[..., Any]
Work = Callable[["FlyerStatus"], Awaitable[None]]


class FlyerStatus:
    """A step of a flyer, done once the process says so.

    Has what bluesky wants of a status, and ``watch`` for progress bars. Its text names the step and
    what the process said about a failure: it becomes the reason of the run that fails by it.
    """

    def __init__(self, name: str, work: Work) -> None:
        self.name = name
        self._begun = time.monotonic()
        self._lock = threading.Lock()
        self._settled = threading.Event()
        self._callbacks: list[Callable[[FlyerStatus], None]] = []
        self._watchers: list[Watcher] = []
        self._progress: dict[str, Any] | None = None
        self._error: BaseException | None = None
        self._task = asyncio.get_running_loop().create_task(self._run(work))

    async def _run(self, work: Work) -> None:
        try:
            await work(self)
        except asyncio.CancelledError as cancelled:
            self._error = cancelled
        except Exception as error:
            # Told by `exception`, and by whoever waits for this status.
            self._error = error
        with self._lock:
            self._settled.set()
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback(self)

    def add_callback(self, callback: Callable[[FlyerStatus], None]) -> None:
        """Calls back when it is done; at once if it is."""
        with self._lock:
            if not self._settled.is_set():
                self._callbacks.append(callback)
                return
        callback(self)

    @property
    def done(self) -> bool:
        return self._settled.is_set()

    @property
    def success(self) -> bool:
        return self.done and self._error is None

    def exception(self, timeout: float | None = 0.0) -> BaseException | None:
        """Why it failed; nothing if it did not. Waits for so long, but not on the event loop."""
        if not self._settled.wait(timeout):
            raise TimeoutError(f"{self.name} is still under way after {timeout} s")
        return self._error

    async def settled(self) -> None:
        """Comes back when it is done, however it ended; can be asked any number of times."""
        await asyncio.wait([self._task])

    def watch(self, watcher: Watcher) -> None:
        """Calls with ``name``, ``current``, ``initial``, ``target`` … whenever they change."""
        self._watchers.append(watcher)
        if self._progress is not None:
            watcher(**self._progress)

    def progress(self, current: int, initial: int, target: int) -> None:
        """Tells the watchers how many frames there are."""
        elapsed = time.monotonic() - self._begun
        taken, left = current - initial, target - current
        self._progress = {
            "name": self.name,
            "current": current,
            "initial": initial,
            "target": target,
            "unit": "frames",
            "precision": 0,
            # Of the way that is left, as in ophyd.
            "fraction": left / (target - initial) if target > initial else 0.0,
            "time_elapsed": elapsed,
            "time_remaining": elapsed * left / taken if taken > 0 else None,
        }
        for watcher in list(self._watchers):
            watcher(**self._progress)

    def __str__(self) -> str:
        if not self.done:
            at = self._progress
            frames = f", {at['current']} of {at['target']} frames" if at else ""
            return f"{self.name} is under way{frames}"
        if self._error is None:
            return f"{self.name} is done"
        why = str(self._error) or type(self._error).__name__
        return f"{self.name} failed: {why}"

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self}>"
