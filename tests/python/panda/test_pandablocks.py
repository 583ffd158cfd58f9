"""The client of PandABlocks against `bluefly panda serve`."""

import asyncio

import numpy as np
import pytest
from pandablocks.asyncio import AsyncioClient
from pandablocks.commands import (
    Append,
    Arm,
    ChangeGroup,
    CommandError,
    Disarm,
    Get,
    GetBlockInfo,
    GetChanges,
    GetFieldInfo,
    GetState,
    Put,
    SetState,
)
from pandablocks.responses import EndData, EndReason, FrameData, StartData
from pandablocks.utils import table_to_words, words_to_table


def run(work) -> None:
    async def limited() -> None:
        async with AsyncioClient("127.0.0.1") as client:
            await asyncio.wait_for(work(client), 60)

    asyncio.run(limited())


def test_every_block_and_field_is_known(box) -> None:
    async def work(client) -> None:
        blocks = await client.send(GetBlockInfo())
        assert len(blocks) == 24
        assert blocks["SEQ"].number == 2
        num_fields = 0
        for block in blocks:
            fields = await client.send(GetFieldInfo(block, True))
            num_fields += len(fields)
            assert all(field.description for field in fields.values()), block
        assert num_fields == 257

    run(work)


def test_changes_and_a_saved_state_that_is_loaded(box) -> None:
    async def work(client) -> None:
        changes = await client.send(GetChanges(ChangeGroup.ALL, False))
        assert changes.values["PCAP.TRIG_EDGE"] == "Rising"
        assert "SEQ1.TABLE" in changes.no_value
        assert changes.in_error == ["SYSTEM.TEMP_ZYNQ", "SYSTEM.VCCINT"]
        async with AsyncioClient("127.0.0.1") as other:
            state = await other.send(GetState())
        await client.send(SetState(state))
        # Values that are written again are changes.
        changes = await client.send(GetChanges(ChangeGroup.CONFIG, False))
        assert changes.values["TTLIN1.TERM"] == "High-Z"
        assert await client.send(GetChanges(ChangeGroup.ATTR, False))

    run(work)


def test_tables_in_numbers_and_base64(box) -> None:
    async def work(client) -> None:
        fields = await client.send(GetFieldInfo("SEQ"))
        written = ["65537", "4294967295", "3", "4"]
        table = words_to_table(written, fields["TABLE"], convert_enum_indices=True)
        assert table["POSITION"].tolist() == [-1]
        assert table["TRIGGER"] == ["BITA=0"]
        words = table_to_words(table, fields["TABLE"])
        await client.send(Put("SEQ2.TABLE", words))
        assert await client.send(Get("SEQ2.TABLE")) == written
        await client.send(Put("SEQ2.TABLE", []))
        await client.send(Append("SEQ2.TABLE", words, last=False))
        assert await client.send(Get("SEQ2.TABLE.MODE")) == "STREAMING"
        await client.send(Put("SEQ2.TABLE", []))
        with pytest.raises(CommandError, match="not a whole number of rows"):
            await client.send(Put("SEQ2.TABLE", ["1", "2"]))

    run(work)


@pytest.mark.parametrize("scaled", [True, False])
def test_rows_that_a_sequencer_triggers(box, scaled) -> None:
    rows = 20_000

    async def work(client) -> None:
        for name, value in {
            "BITS.A": "0",
            "SEQ1.PRESCALE": "0",
            "SEQ1.REPEATS": "1",
            "SEQ1.ENABLE": "BITS.OUTA",
            "COUNTER1.ENABLE": "SEQ1.ACTIVE",
            "COUNTER1.TRIG": "SEQ1.OUTA",
            "COUNTER1.STEP": "1",
            "PCAP.ENABLE": "SEQ1.ACTIVE",
            "PCAP.GATE": "SEQ1.OUTA",
            "PCAP.TRIG": "SEQ1.OUTA",
            "PCAP.TRIG_EDGE": "Falling",
            "COUNTER1.OUT.CAPTURE": "Value Mean",
            "COUNTER1.OUT.SCALE": "0.5",
            "COUNTER1.OUT.OFFSET": "-5",
            "PCAP.TS_TRIG.CAPTURE": "Value",
        }.items():
            await client.send(Put(name, value))
        await client.send(Put("SEQ1.TABLE", [str(1 << 20 | rows), "0", "625", "625"]))

        async def capture() -> tuple[StartData, np.ndarray, EndData]:
            frames = []
            async for data in client.data(scaled=scaled, frame_timeout=20):
                match data:
                    case StartData():
                        start = data
                    case FrameData():
                        frames.append(data.data)
                    case EndData():
                        return start, np.concatenate(frames), data

        task = asyncio.create_task(capture())
        while await client.send(Get("*PCAP.STATUS")) != "Idle 1 0":
            await asyncio.sleep(0.01)
        await client.send(Arm())
        await client.send(Put("BITS.A", "1"))
        start, data, end = await task
        assert (end.samples, end.reason) == (rows, EndReason.OK)
        assert len(data) == rows
        values = data["COUNTER1.OUT.Value"]
        assert values.tolist() == (
            [n * 0.5 - 5 for n in range(rows)] if scaled else list(range(rows))
        )
        assert np.diff(data["PCAP.TS_TRIG.Value"]).round(9).tolist() == (
            [1e-5] * (rows - 1) if scaled else [1250] * (rows - 1)
        )
        assert await client.send(Get("*PCAP.CAPTURED")) == str(rows)
        await client.send(Disarm())

    run(work)
