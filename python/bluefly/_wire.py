"""What the blocking client and the flyer have in common: paths, time-outs and errors."""

from __future__ import annotations

import json
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Union

import httpx

from .errors import InvalidError, NoAnswerError, RefusedError, RemoteError, UnreachableError
from .model import Status

DEFAULT_URL = "http://127.0.0.1:8470"
API = "/api/v1"
LONGEST_WAIT_S = 60.0
"""The process makes no answer wait longer."""
BETWEEN_ATTEMPTS_S = 0.1

NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
"""What is asked again in any case: the process cannot have been reached by it."""


PathLike = Union[str, "os.PathLike[str]"]


def server(
    url: str | None,
    token: str | None,
    token_file: PathLike | None,
    ca_file: PathLike | None,
    **times: float,
) -> Server:
    """What was given, else what the environment says, as it does to ``bluefly ctl``."""
    if token is None:
        file = token_file or os.environ.get("BLUEFLY_TOKEN_FILE")
        token = _token(Path(file)) if file else None
    url = url or os.environ.get("BLUEFLY_URL") or DEFAULT_URL
    trusted = ca_file or os.environ.get("BLUEFLY_CA_FILE") or None
    return Server(url.rstrip("/"), token, os.fspath(trusted) if trusted else None, **times)


def _token(file: Path) -> str:
    """The one line of the file of a token."""
    token = file.read_text().strip()
    if not token.isascii() or not token.isprintable() or " " in token or not token:
        raise ValueError(f"{file} has no token: expected one line of visible characters")
    return token


@dataclass(frozen=True)
class Server:
    """Where the process is, and how long to put up with its silence."""

    url: str
    token: str | None = None
    ca_file: str | None = None
    timeout_s: float = 10.0
    """An answer may take so long, beyond the wait that was asked for."""
    patience_s: float = 5.0
    """A connection that fails is tried again for so long."""

    def options(self) -> dict[str, Any]:
        """Arguments of an httpx client."""
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        return {
            "base_url": self.url,
            "headers": headers,
            "verify": self._trusted(),
            # A beamline's process is near: a proxy that the environment names is for others.
            "trust_env": False,
            # Connections that lie idle for longer may be closed by the other side just now.
            "limits": httpx.Limits(keepalive_expiry=2.0),
        }

    def _trusted(self) -> ssl.SSLContext | bool:
        """Who vouches for the process: an authority of the site, or those of the system."""
        if not self.url.startswith("https:"):
            return True
        return ssl.create_default_context(cafile=self.ca_file)

    def deadline_s(self, params: Mapping[str, Any] | None) -> float:
        """How long a request with these parameters may take."""
        params = params or {}
        asked = params.get("wait", params.get("timeout", 0.0))
        return self.timeout_s + float(asked)

    def may_ask_again(self, after_s: float, cause: Exception, *, repeatable: bool) -> bool:
        """Whether a request that failed so long after its first attempt is made again.

        Of one that reached the process nobody knows whether it was done: it is made again only if
        that comes to the same.
        """
        if isinstance(cause, httpx.TimeoutException):
            return False
        is_harmless = repeatable or isinstance(cause, NOT_SENT)
        return is_harmless and after_s < self.patience_s

    def unanswered(self, step: str, after_s: float, cause: Exception) -> UnreachableError:
        """The error for a request that is not made again."""
        if isinstance(cause, httpx.TimeoutException):
            return self.no_answer(step, self.timeout_s)
        if after_s >= self.patience_s or isinstance(cause, NOT_SENT):
            return self.unreachable(step, after_s, cause)
        why = _why(cause)
        return UnreachableError(
            f"{step} at {self.url}: the connection broke ({why}): it may have been done, or not"
        )

    def no_answer(self, step: str, after_s: float) -> NoAnswerError:
        return NoAnswerError(f"{step} at {self.url}: no answer within {after_s:g} s")

    def unreachable(self, step: str, after_s: float, cause: Exception) -> UnreachableError:
        why = _why(cause)
        return UnreachableError(f"{step} at {self.url}: not reached within {after_s:.1f} s: {why}")

    def checked(self, step: str, response: httpx.Response) -> httpx.Response:
        """The response, unless it tells of an error."""
        if response.is_success:
            return response
        raise remote_error(step, self.url, _error_of(response), response.status_code)

    def json(self, step: str, response: httpx.Response) -> Any:
        """What the response says, unless it is an error or no JSON."""
        return self.parsed(step, self.checked(step, response).content, response.status_code)

    def parsed(self, step: str, text: bytes, http_status: int) -> Any:
        """What the text says, unless it is no JSON."""
        try:
            return json.loads(text)
        except ValueError as cause:
            error = {"where": "answer", "message": f"is no JSON: {cause}"}
            raise RemoteError(step, self.url, error, http_status) from cause


def remote_error(
    step: str, url: str, error: Mapping[str, Any], http_status: int = 0
) -> RemoteError:
    """The exception for an error of the API."""
    kinds = {"refused": RefusedError, "invalid": InvalidError}
    kind = kinds.get(error.get("code", ""), RemoteError)
    return kind(step, url, error, http_status)


def number_of(status: Status) -> int:
    """The number of the step that was begun last; 0 if none was."""
    return status["operation"]["number"] if status["operation"] else 0


def was_begun(step: str, after: int, status: Status) -> bool:
    """Whether the step that was to follow the one of this number has been begun."""
    operation = status["operation"]
    if operation is None:
        return False
    if step == "resume":
        return operation["number"] == after and operation["state"] == "running"
    return operation["number"] == after + 1 and operation["request"] == step


def _why(cause: Exception) -> str:
    return str(cause) or type(cause).__name__


def _error_of(response: httpx.Response) -> Mapping[str, Any]:
    try:
        error = response.json()["error"]
    except (ValueError, KeyError, TypeError):
        error = None
    if isinstance(error, dict):
        return error
    # Not from bluefly: something else listens there, or stands between.
    text = response.text.strip()[:200] or response.reason_phrase
    return {"code": "failed", "where": f"HTTP {response.status_code}", "message": text}


def spec_json(spec: Any) -> dict[str, Any]:
    """The JSON of a specification: of a mapping as it is, of an object of scanspec serialized."""
    if isinstance(spec, Mapping):
        return dict(spec)
    serialize = getattr(spec, "serialize", None)
    if serialize is None:
        raise TypeError(f"{spec!r} is no specification: neither a mapping nor of scanspec")
    return dict(serialize())
