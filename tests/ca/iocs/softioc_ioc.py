"""An IOC of the package softioc, whose core is that of EPICS base, with the records of reference.db.

python softioc_ioc.py PREFIX [NUMBER_OF_COUNTERS [NUMBER_OF_PVS [NAME=string]]]

Says "ready" once it runs, and ends when its standard input does, so that it never outlives the test
that started it. For measurements it has counters and a waveform of 1 MiB at 1 kHz, and PVs that only
keep a number.
The record NAME is one of a string instead.
"""
import os
import re
import sys
import tempfile

import epicscorelibs.path

HERE = os.path.dirname(os.path.abspath(__file__))
SLOWEST = 'choice(menuScan10_second,"10 second")'
FASTEST = 'choice(menuScan_1_second,".1 second")'


def with_fast_scans(directory):
    """Has records scanned at 1 kHz: definitions like the usual ones, but for the menu of rates."""
    usual = os.path.join(epicscorelibs.path.base_path, "dbd")
    ours = os.path.join(directory, "dbd")
    os.mkdir(ours)
    for name in os.listdir(usual):
        os.symlink(os.path.join(usual, name), os.path.join(ours, name))
    with open(os.path.join(usual, "menuScan.dbd"), encoding="utf-8") as file:
        menu = file.read()
    assert FASTEST in menu and SLOWEST in menu
    os.remove(os.path.join(ours, "menuScan.dbd"))
    with open(os.path.join(ours, "menuScan.dbd"), "w", encoding="utf-8") as file:
        file.write(menu.replace(FASTEST, FASTEST + '\n\tchoice(menuScan_001_second,".001 second")'))
    epicscorelibs.path.base_path = directory


def records(prefix, counters, pvs, other):
    with open(os.path.join(HERE, "reference.db"), encoding="utf-8") as file:
        text = file.read()
    if other:
        name = other.removesuffix("=string")
        ours = f'record(stringout, "$(P){name}") {{ }}\n'
        text, replaced = re.subn(rf'record\(\w+, "\$\(P\){name}"\) {{.*?\n}}\n', ours, text, flags=re.S)
        assert replaced == 1
    yield text.replace("$(P)", prefix)
    for i in range(counters):
        name = f"{prefix}cnt:{i:03}"
        yield f'record(calc, "{name}") {{ field(INPA, "{name}") field(CALC, "A+1") field(SCAN, ".001 second") }}\n'
    for i in range(pvs):
        yield f'record(ao, "{prefix}p:{i:05}") {{ field(PINI, "YES") }}\n'
    if counters > 0:
        mebibyte = 'field(FTVL, "DOUBLE") field(NELM, "131072")'
        yield f'record(waveform, "{prefix}wfsrc") {{ {mebibyte} }}\n'
        yield f'record(waveform, "{prefix}wf") {{ {mebibyte} field(INP, "{prefix}wfsrc") field(SCAN, ".001 second") }}\n'


def main():
    prefix, counters, pvs, other = (sys.argv[1:] + ["0", "0", ""][len(sys.argv) - 2 :])[:4]
    with tempfile.TemporaryDirectory() as directory:
        with_fast_scans(directory)
        # Reads the definitions.
        from softioc import imports, softioc

        database = os.path.join(directory, "reference.db")
        with open(database, "w", encoding="utf-8") as file:
            file.writelines(records(prefix, int(counters), int(pvs), other))
        softioc.dbLoadDatabase(database, None, None)
        access = os.path.join(directory, "access.acf")
        with open(os.path.join(HERE, "access.acf"), encoding="utf-8") as file:
            rules = file.read().replace("$(P)", prefix)
        with open(access, "w", encoding="utf-8") as file:
            file.write(rules)
        assert imports.dbCore.asSetFilename(access.encode()) == 0
        softioc.iocInit(lambda function, *arguments: function(*arguments), enable_pva=False)
    print("ready", flush=True)
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
