"""aioca, which puts a value of libca into asyncio, against `bluefly ioc`."""

import asyncio

import pytest
from aioca import CANothing, FORMAT_CTRL, FORMAT_TIME, caget, camonitor, caput, purge_channel_caches
from epicscorelibs.ca.cadef import CAException

MOTOR = "SIM:y"


def run(work) -> None:
    async def limited() -> None:
        await asyncio.wait_for(work(), 30)
        purge_channel_caches()

    asyncio.run(limited())


def test_values_with_what_belongs_to_them() -> None:
    async def work() -> None:
        await caput(MOTOR, 1.0, wait=True)
        value = await caget(MOTOR, format=FORMAT_CTRL)
        assert (value, value.units, value.precision) == (1.0, "mm", 3)
        assert (value.lower_ctrl_limit, value.upper_ctrl_limit) == (-100.0, 100.0)
        timed = await caget(f"{MOTOR}.RBV", format=FORMAT_TIME)
        assert (timed, timed.severity, timed.status) == (1.0, 0, 0)
        assert timed.timestamp > 1_700_000_000
        words = await caget(f"{MOTOR}.SPMG", format=FORMAT_CTRL)
        assert words.enums == ["Stop", "Pause", "Move", "Go"]

    run(work)


def test_many_at_once_and_one_that_is_not_there() -> None:
    async def work() -> None:
        names = [f"SIM:{axis}.RTYP" for axis in "xyzte"]
        assert await caget(names) == ["motor"] * 5
        with pytest.raises(CANothing):
            await caget("SIM:nobody", timeout=0.3)

    run(work)


def test_a_monitor_sees_a_move_that_a_put_waits_for() -> None:
    async def work() -> None:
        await caput(MOTOR, 0.0, wait=True)
        seen: list[float] = []
        monitor = camonitor(f"{MOTOR}.RBV", seen.append, all_updates=True)
        await caput(MOTOR, 30.0, wait=True, timeout=20)
        while not seen or seen[-1] != 30.0:
            await asyncio.sleep(0.01)
        monitor.close()
        assert len(seen) > 2
        assert await caget(f"{MOTOR}.DMOV") == 1

    run(work)


def test_what_is_refused_says_why() -> None:
    async def work() -> None:
        with pytest.raises(CAException, match="Write access denied"):
            await caput(f"{MOTOR}.RBV", 1.0)
        with pytest.raises(CANothing, match="Channel write request failed"):
            await caput(f"{MOTOR}.SPMG", "Sideways", wait=True)

    run(work)
