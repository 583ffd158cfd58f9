"""caproto, which has a Channel Access of its own in Python, against `bluefly ioc`."""

import time

import pytest
from caproto import CaprotoTimeoutError, ChannelType
from caproto.sync.client import read, read_write_read, write
from caproto.threading.client import Context

MOTOR = "SIM:z"
OPTIONS = {"repeater": False, "timeout": 10}
# caproto puts a time before the text of this type; EPICS has none there.
UNLIKE_EPICS = {ChannelType.CTRL_STRING}
FORMS = [form for form in ChannelType if form.value < 35 and form not in UNLIKE_EPICS]


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_every_type_of_request_is_answered(form) -> None:
    write(MOTOR, 2.0, notify=True, **OPTIONS)
    answer = read(MOTOR, data_type=form, **OPTIONS)
    assert answer.data_type == form
    assert list(answer.data) == ([b"2.000"] if form.name.endswith("STRING") else [2])


def test_a_value_has_its_alarm_time_and_limits() -> None:
    facts = read(MOTOR, data_type="control", **OPTIONS).metadata
    assert (facts.units, facts.precision) == (b"mm", 3)
    assert (facts.lower_ctrl_limit, facts.upper_ctrl_limit) == (-100.0, 100.0)
    timed = read(MOTOR, data_type="time", **OPTIONS).metadata
    assert (timed.status, timed.severity) == (0, 0)
    assert timed.timestamp > 1_700_000_000
    words = read(f"{MOTOR}.SPMG", data_type="control", **OPTIONS).metadata
    assert words.enum_strings == (b"Stop", b"Pause", b"Move", b"Go")
    assert read(MOTOR, data_type=ChannelType.CLASS_NAME, **OPTIONS).metadata.value == b"motor"


def test_a_put_callback_ends_with_the_move() -> None:
    write(MOTOR, 0.0, notify=True, **OPTIONS)
    before, answer, after = read_write_read(MOTOR, 20.0, notify=True, **OPTIONS)
    assert (list(before.data), list(after.data)) == ([0.0], [20.0])
    assert answer.status.success
    assert list(read(f"{MOTOR}.RBV", **OPTIONS).data) == [20.0]


def test_what_is_refused() -> None:
    word = {"data": b"Sideways", "data_type": ChannelType.STRING, **OPTIONS}
    assert write(f"{MOTOR}.SPMG", notify=True, **word).status.name == "ECA_PUTFAIL"
    readback = write(f"{MOTOR}.RBV", 1.0, notify=True, **OPTIONS)
    assert readback.status.name == "ECA_NOWTACCESS"
    with pytest.raises(CaprotoTimeoutError):
        read("SIM:nobody", repeater=False, timeout=0.3)


def test_monitors_of_a_client_of_threads() -> None:
    context = Context()
    try:
        setpoint, readback = context.get_pvs(MOTOR, f"{MOTOR}.RBV")
        setpoint.wait_for_connection(timeout=10)
        readback.wait_for_connection(timeout=10)
        setpoint.write([0.0], wait=True, timeout=20)
        seen: list[float] = []
        subscription = readback.subscribe(data_type="time")

        # It is held weakly by the subscription.
        def see(_, event) -> None:
            seen.append(event.data[0])

        subscription.add_callback(see)
        setpoint.write([10.0], wait=True, timeout=20)
        assert readback.read(data_type="native").data[0] == 10.0
        deadline = time.monotonic() + 10
        while not seen or seen[-1] != 10.0:
            assert time.monotonic() < deadline, seen
            time.sleep(0.01)
        subscription.clear()
    finally:
        context.disconnect()
