"""Clients of a bluefly process: flies scans, from scripts and from bluesky.

``Client(url)`` is the API of the process and needs no bluesky. ``Flyer(url)`` is a device of bluesky
and ``plans`` has plans for it, which need bluesky.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .client import Client
from .errors import (
    BlueflyError,
    InvalidError,
    NoAnswerError,
    RefusedError,
    RemoteError,
    RunEndedError,
    RunLostError,
    UnreachableError,
)
from .flyer import Flyer

if TYPE_CHECKING:
    from . import plans as plans

__version__ = "0.1.0"

__all__ = [
    "BlueflyError",
    "Client",
    "Flyer",
    "InvalidError",
    "NoAnswerError",
    "RefusedError",
    "RemoteError",
    "RunEndedError",
    "RunLostError",
    "UnreachableError",
    "plans",
]


def __getattr__(name: str) -> Any:
    """Imports the plans, and bluesky with them, when they are asked for."""
    if name == "plans":
        return import_module(".plans", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
