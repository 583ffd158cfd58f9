"""A server of the package caproto with the PVs of reference.db, as far as caproto has such things.

python caproto_ioc.py PREFIX

Says "ready" once it runs, and ends when its standard input does, so that it never outlives the test
that started it.
"""
import asyncio
import os
import sys
import threading

from caproto import ChannelType
from caproto.server import PVGroup, pvproperty
from caproto.asyncio.server import Context


class Reference(PVGroup):
    double = pvproperty(
        value=1.5, record="ao", units="mm", precision=3,
        lower_disp_limit=-10.0, upper_disp_limit=10.0, lower_ctrl_limit=-8.0, upper_ctrl_limit=8.0,
        lower_warning_limit=-6.0, upper_warning_limit=6.0, lower_alarm_limit=-7.0, upper_alarm_limit=7.0,
    )
    long = pvproperty(value=7, units="counts", lower_ctrl_limit=0, upper_ctrl_limit=0)
    bool = pvproperty(value=0, enum_strings=["Done", "Acquire"], dtype=ChannelType.ENUM)
    choice = pvproperty(value=0, enum_strings=["Idle", "Acquire", "Error"], dtype=ChannelType.ENUM)
    string = pvproperty(value="some words", dtype=ChannelType.STRING)
    path = pvproperty(value="", dtype=ChannelType.CHAR, max_length=256)
    empty = pvproperty(value=[], dtype=float, max_length=100)
    big = pvproperty(value=[], dtype=float, max_length=1_000_000)
    shorts = pvproperty(value=[], dtype=ChannelType.INT, max_length=10)
    failing = pvproperty(value=3.0)
    done = pvproperty(name="slow:done", value=0)
    slow = pvproperty(name="slow.PROC", value=0)
    fast = pvproperty(value=0.0)

    @failing.putter
    async def failing(self, instance, value):
        raise ValueError("a put is taken by nobody")

    @slow.putter
    async def slow(self, instance, value):
        await asyncio.sleep(0.5)
        await self.done.write(1)

    @fast.startup
    async def fast(self, instance, async_lib):
        while True:
            await asyncio.sleep(0.002)
            await instance.write(instance.value + 1)


async def ready(async_lib):
    print("ready", flush=True)


async def serve(group):
    context = Context(group.pvdb, interfaces=["127.0.0.1"])
    await context.run(log_pv_names=False, startup_hook=ready)


def end_with_input():
    sys.stdin.read()
    os._exit(0)


def main():
    threading.Thread(target=end_with_input, daemon=True).start()
    asyncio.run(serve(Reference(prefix=sys.argv[1])))


if __name__ == "__main__":
    main()
