"""Plans that fly, and document every frame exactly once whenever the RunEngine is paused.

bluesky replays what was done since the last checkpoint after a pause. That is right for motors and
wrong for a flight: rows would be numbered twice, and waiting for a group of statuses that was
interrupted is over at once. Here nothing of a flight is replayed, a wait that was interrupted is
made again, and there is a checkpoint after each collect, where a deferred pause takes place.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from typing import Any

import bluesky.plan_patterns as patterns
import bluesky.plan_stubs as bps
import bluesky.plans as bp
import bluesky.preprocessors as bpp
from bluesky.utils import FailedPause, Msg, RequestStop, RunEngineControlException, short_uid

from ._wire import spec_json
from .flyer import Flyer, Rows

log = logging.getLogger(__name__)

Plan = Generator[Msg, Any, Any]
PerStep = Callable[..., Plan]

PERIOD_S = 0.5
"""Documents are this far behind the rows, at most."""


def fly(
    flyer: Flyer,
    spec: Any,
    *,
    md: Mapping[str, Any] | None = None,
    stream: str = "primary",
    period: float = PERIOD_S,
) -> Plan:
    """Flies a scan specification in a run of its own; returns the uid of the run.

    A specification that cannot be flown fails before a run is opened. Pausing the RunEngine brings
    the scan to rest, resuming goes on. Aborting or stopping it, or a failure, ends the scan; what
    is on disk by then is documented.
    """

    def prepared() -> Plan:
        yield from _step(flyer, "prepare", spec)
        known = _known(flyer, spec, stream)
        body = _fly_prepared(flyer, stream, period, True)
        return (yield from _run(body, {**known, "plan_name": "fly", **(md or {})}))

    return (yield from bpp.rewindable_wrapper(_staged(flyer, prepared()), False))


def flight(
    flyer: Flyer,
    spec: Any,
    *,
    stream: str = "primary",
    period: float = PERIOD_S,
    declare: bool = True,
) -> Plan:
    """Flies a scan specification within an open run, with a staged flyer.

    May be repeated: rows go on from flight to flight. Only the first one of a run declares the
    stream, hence ``declare=False`` in the others.
    """

    def prepared() -> Plan:
        yield from _step(flyer, "prepare", spec)
        yield from _fly_prepared(flyer, stream, period, declare)

    return (yield from bpp.rewindable_wrapper(prepared(), False))


def per_step(
    flyer: Flyer,
    spec: Any,
    *,
    stream: str | None = None,
    period: float = PERIOD_S,
) -> PerStep:
    """What to give to a step scan, so that it flies a specification at each of its points.

    ``bp.scan([detector, flyer], motor, 0, 1, 5, per_step=per_step(flyer, spec))``: the flyer is one
    of the detectors, so that it is staged with them. ``spec`` is a specification, or makes one of
    the step (a dictionary of motors and their positions). Rows are in a stream that is named as the
    flyer, or as ``stream`` says. The event of each step is in ``primary`` as always; in it
    ``NAME-first_row`` and ``NAME-num_rows`` tell which rows belong to it.
    """
    declared_in_session = 0

    def flown(detectors: Sequence[Any], step: Mapping[Any, Any], pos_cache: Any) -> Plan:
        nonlocal declared_in_session
        yield from bps.checkpoint()
        yield from bps.move_per_step(step, pos_cache)
        yield from flight(
            flyer,
            spec(step) if callable(spec) else spec,
            stream=stream or flyer.name,
            period=period,
            declare=declared_in_session != flyer.sessions,
        )
        declared_in_session = flyer.sessions
        others = [detector for detector in detectors if detector is not flyer]
        yield from bps.trigger_and_read([*others, *step, flyer.window])

    return flown


def nested_fly(
    flyer: Flyer,
    spec: Any,
    *outer: Any,
    detectors: Sequence[Any] = (),
    md: Mapping[str, Any] | None = None,
    stream: str | None = None,
    period: float = PERIOD_S,
) -> Plan:
    """Flies a specification at each point of a grid of other bluesky motors.

    ``outer`` is as in ``bp.grid_scan``: ``motor, start, stop, num`` for each motor, the slowest
    first. ``detectors`` are read once at each point. See :func:`per_step` for the streams.
    """
    points = patterns.outer_product(list(outer))
    step = per_step(flyer, spec, stream=stream, period=period)
    known = {"plan_name": "nested_fly", **(md or {})}
    # Staged as a detector, but read through its window.
    staged: list[Any] = [*detectors, flyer]
    return (yield from bp.scan_nd(staged, points, per_step=step, md=known))


def _fly_prepared(flyer: Flyer, stream: str, period: float, declare: bool) -> Plan:
    source: Flyer | Rows = flyer.rows if flyer.has_numbers else flyer
    undeclared = declare
    try:
        yield from _step(source, "kickoff")
        if undeclared:
            yield from _declare(source, stream)
            undeclared = False
        yield from _collect_until_complete(flyer, source, stream, period)
    except Exception as error:
        yield from _until_answered([lambda: asyncio.ensure_future(flyer.end(_reason(error)))])
        if undeclared and flyer.window.num_rows:
            yield from _declare(source, stream)
            undeclared = False
        if not undeclared:
            yield from _collect_all(flyer, source, stream)
        raise


def _collect_until_complete(
    flyer: Flyer, source: Flyer | Rows, stream: str, period: float
) -> Plan:
    is_complete = None
    while not is_complete:
        # A wait that was interrupted by a pause has lost its group: begin another one.
        group = short_uid("complete")
        status = yield from bps.complete(source, group=group, wait=False)
        is_complete = False
        while is_complete is False:
            yield from _collect_all(flyer, source, stream)
            yield from bps.checkpoint()
            is_complete = yield from bps.wait(group, timeout=period, error_on_timeout=False)
        is_complete = is_complete and status.done
    yield from _collect_all(flyer, source, stream)


def _collect_all(flyer: Flyer, source: Flyer | Rows, stream: str) -> Plan:
    while flyer.waiting:
        yield from bps.collect(source, name=stream, return_payload=False)
        yield from bps.checkpoint()


def _declare(source: Flyer | Rows, stream: str) -> Plan:
    declared = None
    while declared is None:
        declared = yield from bps.declare_stream(source, name=stream, collect=True)


def _step(flyer: Flyer | Rows, command: str, *args: Any) -> Plan:
    """Makes a step and waits for its end, however often the RunEngine is paused meanwhile."""
    group = short_uid(command)
    status = yield Msg(command, flyer, *args, group=group)
    yield from bps.wait(group)
    while not status.done:
        yield Msg("wait_for", None, [status.settled])
    # The RunEngine throws the failure of a status when it is given the next message.
    yield from bps.null()


def _staged(flyer: Flyer, plan: Plan) -> Plan:
    try:
        yield from _step(flyer, "stage")
        result = yield from plan
        yield from _step(flyer, "unstage")
    except Exception:
        # Again, if that was what failed: it may have been interrupted.
        yield from _step(flyer, "unstage")
        raise
    return result


def _run(plan: Plan, md: Mapping[str, Any]) -> Plan:
    uid = None
    while uid is None:
        uid = yield from bps.open_run(dict(md))
    try:
        yield from plan
    except (RunEngineControlException, FailedPause):
        # The RunEngine closes the run, and knows the reason that the operator gave.
        raise
    except Exception as error:
        yield from bps.close_run(exit_status="fail", reason=str(error))
        raise
    yield from bps.close_run()
    return uid


def _until_answered(factories: list[Callable[[], Awaitable[Any]]]) -> Plan:
    answered = None
    while answered is None:
        answered = yield Msg("wait_for", None, factories)
    for task in answered:
        if task.exception() is not None:
            log.error("while a scan is ended: %s", task.exception())


def _reason(error: Exception) -> str | None:
    """What the process is told about the end of a scan; nothing if it was stopped in order."""
    if isinstance(error, RequestStop):
        return None
    if isinstance(error, RunEngineControlException):
        return "aborted by the RunEngine"
    return str(error) or type(error).__name__


def _known(flyer: Flyer, spec: Any, stream: str) -> dict[str, Any]:
    """What is known of a prepared scan, for the start document."""
    described = flyer.description
    keys = described["data_keys"].values()
    known: dict[str, Any] = {
        "plan_type": "bluefly",
        "num_points": described["num_frames"],
        "scan_spec": spec_json(spec),
        "motors": [field for fields, _ in described["dimensions"] for field in fields],
        "detectors": sorted({key["object_name"] for key in keys if "external" in key}),
    }
    if described["shape"]:
        known["shape"] = described["shape"]
    if described["dimensions"]:
        known["hints"] = {"dimensions": [[fields, stream] for fields, _ in described["dimensions"]]}
    return known
