"""Flights within other scans, and plans that are not ours."""

import asyncio

import bluefly
import bluesky.plan_stubs as bps
import bluesky.plans as bp
import pytest
from bluesky.preprocessors import run_decorator, stage_decorator
from bluesky.utils import short_uid
from devices import Motor
from rig import LONG_S, check, line

FRAMES = 60


def test_several_kickoffs_per_stage(bench):
    @stage_decorator([bench.flyer])
    @run_decorator(md={})
    def three():
        for i in range(3):
            spec = line(FRAMES)
            yield from bluefly.plans.flight(bench.flyer, spec, period=0.05, declare=i == 0)

    bench.pause_at(FRAMES + 5)
    bench.run(three())
    assert bench.RE.state == "paused"
    bench.resume()
    assert bench.error is None
    assert len(bench.runs()) == 1
    check(bench.documents, 3 * FRAMES)


def test_nested_in_a_step_scan(bench):
    outer = Motor("outer")
    plan = bluefly.plans.nested_fly(bench.flyer, line(FRAMES), outer, 0, 2, 3, period=0.05)
    bench.run(plan)
    assert bench.error is None
    stop = check(bench.documents, 3 * FRAMES, stream="bluefly")
    assert stop["num_events"] == {"primary": 3, "bluefly": 3 * FRAMES}
    steps = [d["data"] for n, d in bench.documents if n == "event"]
    assert [step["outer"] for step in steps] == [0.0, 1.0, 2.0]
    assert [step["bluefly-first_row"] for step in steps] == [0, FRAMES, 2 * FRAMES]
    assert [step["bluefly-num_rows"] for step in steps] == [FRAMES] * 3


def test_paused_on_the_way_and_in_the_air(bench):
    outer = Motor("outer", takes_s=0.5)
    bench.pause_at(5)

    def pause_the_move(message):
        if message.command == "set" and len(outer.moves) == 1:
            bench.RE.msg_hook = None
            bench.meanwhile(bench.RE.request_pause)

    bench.RE.msg_hook = pause_the_move
    bench.run(bluefly.plans.nested_fly(bench.flyer, line(FRAMES), outer, 0, 1, 2, period=0.05))
    while bench.RE.state == "paused":
        bench.resume()
    assert bench.error is None
    check(bench.documents, 2 * FRAMES, stream="bluefly")
    # What bluesky moves is moved again after a pause, as ever.
    assert len(outer.moves) > 2
    steps = [d["data"]["outer"] for n, d in bench.documents if n == "event"]
    assert steps == [0.0, 1.0]


def test_at_each_point_of_a_scan_of_bluesky(bench):
    outer = Motor("outer")

    def spec(step):
        return line(FRAMES, stop=1.0 + step[outer])

    flown = bluefly.plans.per_step(bench.flyer, spec, stream="lines", period=0.05)
    for _ in range(2):
        bench.run(bp.scan([bench.flyer], outer, 0, 1, 2, per_step=flown))
        assert bench.error is None
    for documents in bench.runs():
        check(documents, 2 * FRAMES, stream="lines")


def test_nested_and_aborted_by_somebody_else(bench):
    outer = Motor("outer")
    bench.at_row(5, lambda: bench.client.abort("beam dump"))
    bench.run(bluefly.plans.nested_fly(bench.flyer, line(20_000), outer, 0, 1, 2, period=0.05))
    stop = check(bench.documents, None, stream="bluefly", expect="fail")
    assert "beam dump" in stop["reason"]
    assert bench.client.assets()["rows"] == stop["num_events"]["bluefly"]


def test_a_plan_that_knows_nothing_of_bluefly_collects_what_is_in_files(bench):
    flyer = bench.flyer

    @stage_decorator([flyer])
    def plan():
        yield from bps.prepare(flyer, line(FRAMES), wait=True)
        yield from bps.open_run({})
        yield from bps.declare_stream(flyer, name="main", collect=True)
        yield from bps.kickoff(flyer, wait=True)
        yield from bps.collect_while_completing([flyer], [flyer], 0.1, "main")
        yield from bps.close_run()

    bench.run(plan())
    assert bench.error is None
    names = {name for name, _ in bench.documents}
    assert names == {"start", "descriptor", "stream_resource", "stream_datum", "stop"}
    assert bench.stops()[0]["num_events"] == {"main": FRAMES}


def test_a_careful_plan_of_bluesky_may_be_paused(bench):
    flyer = bench.flyer

    @stage_decorator([flyer])
    def plan():
        yield from bps.prepare(flyer, line(300), wait=True)
        yield from bps.open_run({})
        yield from bps.declare_stream(flyer, name="main", collect=True)
        yield from bps.kickoff(flyer, wait=True)
        yield from bps.checkpoint()
        done = False
        while not done:
            group = short_uid("complete")
            yield from bps.complete(flyer, group=group, wait=False)
            done = yield from bps.wait(group=group, timeout=0.1, error_on_timeout=False)
            yield from bps.collect(flyer, name="main")
            yield from bps.checkpoint()
        yield from bps.close_run()

    def pause(message):
        if message.command == "wait" and "complete" in str(message.kwargs.get("group")):
            bench.RE.msg_hook = None
            bench.meanwhile(bench.RE.request_pause)

    bench.RE.msg_hook = pause
    bench.run(plan())
    assert (bench.RE.state, bench.phase()) == ("paused", "paused")
    bench.resume()
    assert bench.error is None
    datums = [d for n, d in bench.documents if n == "stream_datum"]
    assert all(d["seq_nums"]["start"] == d["indices"]["start"] + 1 for d in datums)
    assert bench.stops()[0]["num_events"] == {"main": 300}


@pytest.mark.parametrize("step", ["describe_collect", "complete"])
def test_what_was_not_prepared_says_so(bench, step):
    with pytest.raises(bluefly.BlueflyError, match="prepare it first|not kicked off"):
        async def ask():
            asked = getattr(bench.flyer, step)()
            if step == "complete":
                await asked.settled()
                raise asked.exception()
            await asked

        asyncio.run(ask())


def test_what_another_event_loop_was_connected_by_is_closed(bench):
    loop = bench.RE.loop

    async def staged():
        await bench.flyer.stage().settled()
        return bench.flyer._remote

    first = asyncio.run_coroutine_threadsafe(staged(), loop).result()
    second = asyncio.run(staged())
    assert second is not first

    async def closed():
        while not first._http.is_closed:
            await asyncio.sleep(0.01)

    asyncio.run_coroutine_threadsafe(closed(), loop).result(LONG_S)
