"""What others see while the server is busy with something: reads of secrets at a steady rate."""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from urllib.parse import urlsplit

import uvloop

from bench import load
from bench.operations import NAMES

#: Reads a second, and how many connections they come from.
READS = 1000
CONNECTIONS = 16


class Reads:
    """Reads of secrets by an ordinary token, `READS` a second whatever the server does meanwhile.

    A latency counts from when the read was to be sent: one that waits for another to end is late too.
    """

    def __init__(self, url: str, token: str) -> None:
        self.url = url
        self.shot = load.Shot("GET", "/v1/secret/data/bench/s{n}", "", token, NAMES)
        self.times: list[float] = []

    def during(self, seconds: float) -> float:
        """The p99 in milliseconds: the median of that of each second, since one may meet something else."""
        p99s = []
        for _ in range(round(seconds)):
            self.times = []
            uvloop.run(self._second())
            self.times.sort()
            p99s.append(self.times[len(self.times) * 99 // 100] * 1e3)
        return statistics.median(p99s)

    async def _second(self) -> None:
        await asyncio.gather(*(self._connection(n / CONNECTIONS) for n in range(CONNECTIONS)))

    async def _connection(self, phase: float) -> None:
        parts = urlsplit(self.url)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        pause = CONNECTIONS / READS
        begin = time.perf_counter() + 0.01 + phase * pause
        for n in range(round(0.97 / pause)):
            due = begin + n * pause
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            writer.write(load.as_bytes(self.url, self.shot, random.randrange(NAMES)))
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(f"a read was refused: {head!r}")
            await reader.readexactly(int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]))
            self.times.append(time.perf_counter() - due)
        writer.close()
