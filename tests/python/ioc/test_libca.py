"""The C library of EPICS, through pyepics, against `bluefly ioc`."""

import subprocess
import sys
import threading
import time

import epics
import pytest
from epics import ca, dbr

MOTOR = "SIM:x"
PATIENCE = 10.0


def pv(name: str, **options) -> epics.PV:
    found = epics.PV(name, **options)
    assert found.wait_for_connection(PATIENCE), f"{name} was not found"
    return found


def put(name: str, value, wait: bool = True) -> None:
    assert pv(name).put(value, wait=wait, timeout=PATIENCE) == 1


@pytest.fixture(autouse=True)
def at_rest():
    """Each test begins with the motor at zero."""
    put(f"{MOTOR}.VELO", 100.0)
    put(MOTOR, 0.0)
    assert pv(f"{MOTOR}.RBV").get(use_monitor=False) == 0.0


@pytest.mark.parametrize(
    ("name", "kind", "count", "access"),
    [
        ("SIM:x", "double", 1, "read/write"),
        ("SIM:x.VAL", "double", 1, "read/write"),
        ("SIM:x.RBV", "double", 1, "read-only"),
        ("SIM:x.DMOV", "int", 1, "read-only"),
        ("SIM:x.STOP", "int", 1, "read/write"),
        ("SIM:x.EGU", "string", 1, None),
        ("SIM:x.NAME", "string", 1, "read-only"),
        ("SIM:x.NAME$", "char", 40, "read-only"),
        ("SIM:x.SPMG", "enum", 1, "read/write"),
        ("SIM:camera:HDF1:FilePath", "char", 256, "read/write"),
        ("SIM:camera:cam1:Acquire", "enum", 1, "read/write"),
        ("SIM:camera:cam1:Manufacturer_RBV", "string", 1, "read-only"),
    ],
)
def test_a_channel_is_what_its_record_is(name, kind, count, access) -> None:
    found = pv(name, form="native", auto_monitor=False)
    assert (found.type, found.nelm) == (kind, count)
    assert access is None or found.access == access


# pyepics knows no others; test_caproto.py asks for them.
CODES = [*range(7), *range(14, 21), *range(28, 35)]


@pytest.mark.parametrize("code", CODES)
def test_every_type_of_request_is_answered(code) -> None:
    put(MOTOR, 2.0)
    channel = ca.create_channel(MOTOR)
    assert ca.connect_channel(channel, timeout=PATIENCE)
    value = ca.get(channel, ftype=code, timeout=PATIENCE)
    plain = code % 7
    assert value == ("2.000" if plain == dbr.STRING else 2)


def test_limits_units_and_precision() -> None:
    facts = pv(MOTOR, auto_monitor=False).get_ctrlvars()
    assert (facts["units"], facts["precision"]) == ("mm", 3)
    assert (facts["lower_ctrl_limit"], facts["upper_ctrl_limit"]) == (-100.0, 100.0)


def test_enums_go_by_their_words() -> None:
    mode = pv(f"{MOTOR}.SPMG")
    assert mode.enum_strs == ("Stop", "Pause", "Move", "Go")
    assert mode.get(as_string=True) == "Go"
    put(f"{MOTOR}.SPMG", "Pause")
    assert mode.get(as_string=True, use_monitor=False) == "Pause"
    put(f"{MOTOR}.SPMG", 3)
    assert mode.get(use_monitor=False) == 3


def test_texts_of_characters_and_long_strings() -> None:
    path = "/tmp/" + "long/" * 40
    put("SIM:camera:HDF1:FilePath", path)
    back = pv("SIM:camera:HDF1:FilePath").get(as_string=True, use_monitor=False)
    assert back.rstrip("/") == path.rstrip("/")
    assert pv(f"{MOTOR}.NAME$").get(as_string=True) == MOTOR
    assert pv(f"{MOTOR}.RTYP").get() == "motor"


def test_a_put_callback_ends_with_the_move_and_a_monitor_sees_it() -> None:
    positions: list[float] = []
    readback = pv(f"{MOTOR}.RBV", auto_monitor=dbr.DBE_VALUE)
    readback.add_callback(lambda value, **_: positions.append(value))
    put(MOTOR, 50.0)
    assert readback.get(use_monitor=False) == 50.0
    assert pv(f"{MOTOR}.DMOV").get(use_monitor=False) == 1
    until(lambda: positions and positions[-1] == 50.0)
    assert len(positions) > 3
    assert positions == sorted(positions)


def until(is_true) -> None:
    deadline = time.monotonic() + PATIENCE
    while not is_true():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.01)


def test_a_second_client_stops_a_move() -> None:
    put(f"{MOTOR}.VELO", 1.0)
    done = threading.Event()
    pv(MOTOR).put(90.0, callback=lambda **_: done.set())
    until(lambda: pv(f"{MOTOR}.RBV").get(use_monitor=False) > 0.1)
    assert not done.is_set()
    stop = f"import epics; assert epics.caput('{MOTOR}.STOP', 1, timeout=10) == 1"
    subprocess.run([sys.executable, "-c", stop], check=True, timeout=30)
    until(done.is_set)
    assert 0.1 < pv(f"{MOTOR}.RBV").get(use_monitor=False) < 90.0


def test_what_is_refused() -> None:
    with pytest.raises(epics.ca.CASeverityException, match="Write access denied"):
        pv(f"{MOTOR}.RBV").put(1.0)
    assert not epics.PV("SIM:nobody").wait_for_connection(0.5)


def test_arrays_of_a_million() -> None:
    times = pv("SIM:motion:ProfileTimeArray", auto_monitor=False)
    values = [float(i) for i in range(times.nelm)]
    put("SIM:motion:ProfileTimeArray", values)
    assert list(times.get(timeout=PATIENCE)) == values


def test_a_killed_ioc_is_seen_and_found_again(ioc) -> None:
    links: list[bool] = []
    moved = pv(f"{MOTOR}.RBV")
    moved.connection_callbacks.append(lambda conn, **_: links.append(conn))
    ioc.kill()
    until(lambda: links and not links[-1])
    ioc.restart()
    until(lambda: links[-1])
    put(MOTOR, 3.0)
    until(lambda: moved.get() == 3.0)


