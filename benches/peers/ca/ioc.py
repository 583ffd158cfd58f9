"""The IOC that the benchmarks of Channel Access ask: the C code of EPICS base, as `epicscorelibs` has it.

    EPICS_CAS_INTF_ADDR_LIST=127.0.0.1 EPICS_CAS_SERVER_PORT=... python ioc.py

It serves BENCH:p:00000 to BENCH:p:09999 (ao), BENCH:cnt:000 to BENCH:cnt:499 (calc, one more each time) and
BENCH:wf (1 MiB of doubles). It says `ready`, then obeys lines of standard input, says `done` after each, and
ends with its input:

    counters NUMBER     so many counters count at 1 kHz, the others rest
    waveform on|off     the waveform is posted at 1 kHz, or rests

A repeater of beacons runs beside it, so that no client looks for one.
"""
import ctypes
import os
import sys
import tempfile
import threading
from pathlib import Path

from epicscorelibs import ioc, path

NUM_PVS = 10_000
NUM_COUNTERS = 500
NUM_ELEMENTS = 131_072
PERIOD = ".001 second"
DBR_DOUBLE = 10
ADDRESS_BYTES = 1_024

# The menu of base ends at 0.1 s. A menu may have any period.
SCANS = f"""
menu(menuScan) {{
    choice(menuScanPassive, "Passive")
    choice(menuScanEvent, "Event")
    choice(menuScanI_O_Intr, "I/O Intr")
    choice(menuScan_001_second, "{PERIOD}")
}}
"""


def records():
    for index in range(NUM_PVS):
        yield f'record(ao, "BENCH:p:{index:05d}") {{ field(PREC, "3") field(EGU, "mm") }}\n'
    for index in range(NUM_COUNTERS):
        yield f'record(calc, "BENCH:cnt:{index:03d}") {{ field(CALC, "VAL+1") }}\n'
    yield f"""record(waveform, "BENCH:wf") {{
        field(FTVL, "DOUBLE") field(NELM, "{NUM_ELEMENTS}") field(MPST, "Always") field(APST, "Always")
    }}\n"""


def start(directory):
    (directory / "menuScan.dbd").write_text(SCANS)
    (directory / "bench.db").write_text("".join(records()))
    ioc.iocshRegisterCommon()
    search = f"{directory}:{ioc.DEFAULT_DBD_PATH}".encode()
    if (
        ioc.dbLoadDatabase(b"base.dbd", search, None)
        or ioc.registerRecordDeviceDriver(ioc.pdbbase)
        or ioc.dbLoadRecords(str(directory / "bench.db").encode(), b"")
        or ioc.iocInit()
    ):
        raise SystemExit("the IOC does not start")


def fill_waveform():
    address = ctypes.create_string_buffer(ADDRESS_BYTES)
    values = (ctypes.c_double * NUM_ELEMENTS)(*range(NUM_ELEMENTS))
    put = ioc.dbCore.dbPutField
    put.argtypes = [ctypes.c_void_p, ctypes.c_short, ctypes.c_void_p, ctypes.c_long]
    if ioc.dbCore.dbNameToAddr(b"BENCH:wf", address) or put(address, DBR_DOUBLE, values, NUM_ELEMENTS):
        raise SystemExit("the waveform cannot be filled")


def scan(name, is_scanned):
    period = PERIOD if is_scanned else "Passive"
    if ioc.ioc(f'dbpf {name}.SCAN "{period}" > /dev/null'):
        raise SystemExit(f"{name} cannot be set to {period}")


def obey(line):
    word, value = line.split()
    if word == "counters":
        for index in range(NUM_COUNTERS):
            scan(f"BENCH:cnt:{index:03d}", index < int(value))
    elif word == "waveform":
        scan("BENCH:wf", value == "on")
    else:
        raise SystemExit(f"unknown command: {line}")


def main():
    # What the IOC prints is not for those who wait for `ready`.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    repeater = ctypes.CDLL(path.get_lib("ca")).caRepeaterThread
    threading.Thread(target=repeater, args=(None,), daemon=True).start()
    with tempfile.TemporaryDirectory() as directory:
        start(Path(directory))
    fill_waveform()
    print("ready", file=answers)
    for line in sys.stdin:
        obey(line)
        print("done", file=answers)
    answers.flush()
    # The threads of base and of the repeater do not end by themselves.
    os._exit(0)


if __name__ == "__main__":
    main()
