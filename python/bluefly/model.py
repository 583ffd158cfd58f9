"""What the API answers, as types."""

from __future__ import annotations

from typing import Any, Literal, TypedDict

Spec = dict[str, Any]
"""A scan specification as JSON: of scanspec 1.0 or 0.9, or of scanpointgenerator 3.1."""

ExitStatus = Literal["success", "abort", "fail"]
StepState = Literal["running", "pausing", "paused", "done", "aborted", "failed"]
RunState = Literal["queued", "running", "done", "aborted", "failed", "cancelled"]
Phase = Literal[
    "idle",
    "staging",
    "staged",
    "preparing",
    "ready",
    "starting",
    "running",
    "pausing",
    "paused",
    "recovering",
    "completed",
    "unstaging",
    "undoing",
]


class _ErrorBase(TypedDict):
    code: str
    where: str
    message: str


class Error(_ErrorBase, total=False):
    """Why something was not done."""

    phase: str
    device: str


class Operation(TypedDict):
    """A step that was begun, and what came of it. ``number`` rises with every step."""

    number: int
    request: Literal["stage", "prepare", "kickoff", "unstage", "recover"]
    state: StepState
    error: Error | None


class Ended(TypedDict):
    """How a run ended."""

    run: str
    exit_status: ExitStatus
    reason: str
    num_frames: int


class Status(TypedDict):
    """Where the process and its run stand. Revisions of two instances cannot be compared."""

    instance: str
    beamline: str
    revision: int
    phase: Phase
    run: str | None
    frames_before: int
    frames_total: int
    frames_done: int
    frames_published: int
    detectors: dict[str, int]
    recoveries: int
    predicted_s: float
    predicted_bytes: int
    trouble: str | None
    operation: Operation | None
    ended: Ended | None


class Description(TypedDict):
    """What the rows of the prepared scan consist of."""

    run: str | None
    stream: str
    num_frames: int
    shape: list[int]
    dimensions: list[tuple[list[str], str]]
    data_keys: dict[str, dict[str, Any]]
    hints: dict[str, dict[str, list[str]]]
    configuration: dict[str, dict[str, dict[str, Any]]]


class Columns(TypedDict):
    """Numbers of consecutive rows, in columns of equal length."""

    time: list[float]
    data: dict[str, list[float]]
    timestamps: dict[str, list[float]]


class Assets(TypedDict):
    """Rows ``start`` to ``stop`` of a run. ``rows`` are on disk in every dataset by now."""

    run: str
    start: int
    stop: int
    rows: int
    resources: list[dict[str, Any]]
    events: Columns


class Run(TypedDict):
    """A run that was submitted, or made by steps."""

    uid: str
    state: RunState
    place: int | None
    submitted_s: float
    started_s: float | None
    ended_s: float | None
    num_frames: int | None
    reason: str
    spec: Spec | None
    metadata: dict[str, Any]
    source: Literal["queue", "client"]


class Queue(TypedDict):
    """Whether queued runs are begun."""

    state: Literal["open", "held"]
    reason: str


class Runs(TypedDict):
    """The queue, and runs: running first, then queued in their order, then ended ones."""

    queue: Queue
    runs: list[Run]


class DeviceReport(TypedDict):
    """What a device was asked, and what came of it."""

    device: str
    request: str
    state: Literal["running", "done", "aborted", "failed"]
    value: float | None
    error: Error | None
