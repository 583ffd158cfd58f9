"""What clients of Channel Access in Python do with the IOC of the benchmarks.

    python python_clients.py aioca|pyepics connect NUM_PVS | requests NUM_PVS | counters NUM_PVS SECONDS |
        waveform SECONDS

One line of JSON for each figure. See benches/ca/main.rs, which runs it. Both use the libca of `epicscorelibs`.
"""
import asyncio
import json
import os
import statistics
import sys
import time

SEQUENTIAL = 2_000
PIPELINED = 20_000
SECONDS_TO_CONNECT = 30.0
SECONDS_TO_SETTLE = 2.0


def tell(figure, **values):
    print(json.dumps({"figure": figure, **values}), flush=True)


def tell_latencies(figure, seconds):
    seconds = sorted(seconds)
    tell(figure, median_us=statistics.median(seconds) * 1e6, p99_us=seconds[len(seconds) * 99 // 100] * 1e6)


def tell_process():
    with open("/proc/self/status") as status:
        kib = next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))
    tell("process", cpu_s=time.process_time(), peak_mib=kib / 1024)


class Stretch:
    """Wall and CPU time from here on."""

    def __init__(self):
        self.began, self.cpu_began = time.perf_counter(), time.process_time()

    def wall_s(self):
        return time.perf_counter() - self.began

    def cpu_s(self):
        return time.process_time() - self.cpu_began

    def cpu_percent(self):
        return 100 * self.cpu_s() / self.wall_s()


class Counters:
    """Updates of counters, and how many counts never came."""

    def __init__(self, count):
        self.last = [None] * count
        self.updates = self.lost = 0

    def update(self, index, value):
        last, self.last[index] = self.last[index], value
        self.updates += 1
        if last is not None and value > last + 1:
            self.lost += value - last - 1

    def tell_since(self, before, stretch):
        updates, lost = before
        wall_s = stretch.wall_s()
        tell(
            "counters",
            per_s=(self.updates - updates) / wall_s,
            lost_per_s=(self.lost - lost) / wall_s,
            cpu_percent=stretch.cpu_percent(),
        )


class Arrays:
    def __init__(self):
        self.updates = self.bytes = 0

    def update(self, value):
        self.updates += 1
        self.bytes += value.nbytes

    def tell_since(self, before, stretch):
        updates, size = before
        wall_s = stretch.wall_s()
        tell(
            "waveform",
            per_s=(self.updates - updates) / wall_s,
            gb_per_s=(self.bytes - size) / wall_s / 1e9,
            cpu_percent=stretch.cpu_percent(),
        )


def names_of(count):
    return [f"BENCH:p:{index:05d}" for index in range(count)]


def counters_of(count):
    return [f"BENCH:cnt:{index:03d}" for index in range(count)]


async def aioca(phase, number, seconds):
    from aioca import FORMAT_TIME, caget, camonitor, caput, connect

    if phase == "connect":
        stretch = Stretch()
        await connect(names_of(number), timeout=SECONDS_TO_CONNECT)
        tell("connect", ms=stretch.wall_s() * 1e3)
    elif phase == "requests":
        names = names_of(number)
        await connect(names, timeout=SECONDS_TO_CONNECT)
        latencies = []
        for index in range(SEQUENTIAL):
            stretch = Stretch()
            await caget(names[index % number], format=FORMAT_TIME)
            latencies.append(stretch.wall_s())
        tell_latencies("get", latencies)
        stretch, got = Stretch(), 0
        while got < PIPELINED:
            got += len(await caget(names, format=FORMAT_TIME))
        tell("pipelined", per_s=got / stretch.wall_s(), cpu_s=stretch.cpu_s())
        latencies = []
        for index in range(SEQUENTIAL):
            stretch = Stretch()
            await caput(names[index % number], float(index), wait=True)
            latencies.append(stretch.wall_s())
        tell_latencies("put", latencies)
    elif phase == "counters":
        counters = Counters(number)

        def on_count(value, index):
            counters.update(index, float(value))

        camonitor(counters_of(number), on_count, format=FORMAT_TIME, all_updates=True)
        await asyncio.sleep(SECONDS_TO_SETTLE)
        before, stretch = (counters.updates, counters.lost), Stretch()
        await asyncio.sleep(seconds)
        counters.tell_since(before, stretch)
    elif phase == "waveform":
        arrays = Arrays()
        camonitor("BENCH:wf", arrays.update, format=FORMAT_TIME, all_updates=True)
        await asyncio.sleep(SECONDS_TO_SETTLE)
        before, stretch = (arrays.updates, arrays.bytes), Stretch()
        await asyncio.sleep(number)
        arrays.tell_since(before, stretch)
    else:
        raise SystemExit(__doc__)


def pyepics(phase, number, seconds):
    from epicscorelibs.path import get_lib

    os.environ["PYEPICS_LIBCA"] = str(get_lib("ca"))
    import epics

    def connected(names, **how):
        pvs = [epics.PV(name, form="time", **how) for name in names]
        for pv in pvs:
            if not pv.wait_for_connection(SECONDS_TO_CONNECT):
                raise SystemExit(f"{pv.pvname} does not connect")
        return pvs

    if phase == "connect":
        stretch = Stretch()
        connected(names_of(number), auto_monitor=False)
        tell("connect", ms=stretch.wall_s() * 1e3)
    elif phase == "requests":
        pvs = connected(names_of(number), auto_monitor=False)
        latencies = []
        for index in range(SEQUENTIAL):
            stretch = Stretch()
            if pvs[index % number].get(use_monitor=False, timeout=5.0) is None:
                raise SystemExit("a get failed")
            latencies.append(stretch.wall_s())
        tell_latencies("get", latencies)
        stretch, got = Stretch(), 0
        while got < PIPELINED:
            for pv in pvs:
                epics.ca.get_with_metadata(pv.chid, ftype=pv.ftype, wait=False)
            for pv in pvs:
                if epics.ca.get_complete_with_metadata(pv.chid, ftype=pv.ftype, timeout=5.0) is None:
                    raise SystemExit("a get failed")
            got += len(pvs)
        tell("pipelined", per_s=got / stretch.wall_s(), cpu_s=stretch.cpu_s())
        latencies = []
        for index in range(SEQUENTIAL):
            stretch = Stretch()
            if pvs[index % number].put(float(index), wait=True, timeout=5.0) != 1:
                raise SystemExit("a put failed")
            latencies.append(stretch.wall_s())
        tell_latencies("put", latencies)
    elif phase == "counters":
        counters = Counters(number)
        indices = {name: index for index, name in enumerate(counters_of(number))}

        def on_count(pvname=None, value=None, **_):
            counters.update(indices[pvname], value)

        pvs = connected(indices, callback=on_count, auto_monitor=True)
        time.sleep(SECONDS_TO_SETTLE)
        before, stretch = (counters.updates, counters.lost), Stretch()
        time.sleep(seconds)
        counters.tell_since(before, stretch)
    elif phase == "waveform":
        arrays = Arrays()

        def on_array(value=None, **_):
            arrays.update(value)

        pvs = connected(["BENCH:wf"], callback=on_array, auto_monitor=True)
        time.sleep(SECONDS_TO_SETTLE)
        before, stretch = (arrays.updates, arrays.bytes), Stretch()
        time.sleep(number)
        arrays.tell_since(before, stretch)
    else:
        raise SystemExit(__doc__)


def main():
    client, phase, number, *seconds = sys.argv[1:]
    seconds = float(seconds[0]) if seconds else 0.0
    if client == "aioca":
        asyncio.run(aioca(phase, int(number), seconds))
    elif client == "pyepics":
        pyepics(phase, int(number), seconds)
    else:
        raise SystemExit(__doc__)
    tell_process()
    # Taking thousands of channels down is not measured, nor is what waits in queues.
    os._exit(0)


if __name__ == "__main__":
    main()
