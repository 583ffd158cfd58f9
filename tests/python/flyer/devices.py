"""Devices of bluesky that are not of bluefly."""

import asyncio
import time

from bluefly._status import FlyerStatus


class Motor:
    """Takes a moment to move, and stays where it is when it is stopped."""

    parent = None

    def __init__(self, name, takes_s=0.05):
        self.name = name
        self.position = 0.0
        self.moves = []
        self._takes_s = takes_s
        self._stopped = None

    def set(self, value):
        self.moves.append(value)
        self._stopped = asyncio.Event()

        async def move(_):
            try:
                await asyncio.wait_for(self._stopped.wait(), self._takes_s)
            except asyncio.TimeoutError:
                self.position = value

        return FlyerStatus(self.name, move)

    def stop(self, success=True):
        self._stopped.set()

    def read(self):
        return {self.name: {"value": self.position, "timestamp": time.time()}}

    def describe(self):
        key = {"source": self.name, "dtype": "number", "dtype_numpy": "<f8", "shape": []}
        return {self.name: key}

    @property
    def hints(self):
        return {"fields": [self.name]}
