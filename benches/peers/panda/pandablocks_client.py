"""The peer of bench.py: `pandablocks hdf --arm`, as a program that may be told which ports a PandA has.

    .venv/bin/python benches/peers/panda/pandablocks_client.py CONTROL_PORT DATA_PORT FILE
"""
import asyncio
import sys

from pandablocks.asyncio import AsyncioClient
from pandablocks.hdf import write_hdf_files

open_connection = asyncio.open_connection


async def write(control_port, data_port, path):
    ports = {8888: control_port, 8889: data_port}
    # The ports are fixed in the client.
    asyncio.open_connection = lambda host, port: open_connection(host, ports[port])
    async with AsyncioClient("127.0.0.1") as client:
        await write_hdf_files(client, iter([path]), num=1, arm=True)


if __name__ == "__main__":
    control, data, file = sys.argv[1:]
    asyncio.run(write(int(control), int(data), file))
