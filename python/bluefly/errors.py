"""What can go wrong, by who has to act on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class BlueflyError(Exception):
    """Any failure that this package tells of."""


class RemoteError(BlueflyError):
    """The process answered that it did not, or could not, do what was asked.

    ``code`` is one of the API's codes, ``where`` a place in the specification, a device or a part
    of the process. ``phase`` is there if the phase refused, ``device`` if a device failed.
    """

    def __init__(self, step: str, url: str, error: Mapping[str, Any], http_status: int = 0) -> None:
        self.step = step
        self.url = url
        self.code: str = error.get("code", "failed")
        self.where: str = error.get("where", "")
        self.message: str = error.get("message", "")
        self.phase: str | None = error.get("phase")
        self.device: str | None = error.get("device")
        self.http_status = http_status
        place = f"{self.where}: " if self.where else ""
        super().__init__(f"{step} at {url}: {place}{self.message}")


class RefusedError(RemoteError):
    """The phase does not allow it; nothing was changed."""


class InvalidError(RemoteError):
    """The content is wrong: ``where`` is the place in the specification."""


class UnreachableError(BlueflyError):
    """No connection to the process, or it broke and did not come back."""


class NoAnswerError(UnreachableError):
    """The process took the request and did not answer, or did not finish, in time."""


class RunLostError(BlueflyError):
    """The process is another one than before, or flies another run: ours is gone."""


class RunEndedError(BlueflyError):
    """The run ended before all of its frames were taken."""

    def __init__(self, url: str, exit_status: str, reason: str) -> None:
        self.exit_status = exit_status
        self.reason = reason
        how = {"abort": "aborted", "fail": "failed"}.get(exit_status, exit_status)
        super().__init__(f"the run at {url} {how}: {reason or 'no reason was given'}")
