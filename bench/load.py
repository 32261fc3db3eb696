"""Load on a server: wrk if it is there, else a loader of our own that is slower than what it measures."""

from __future__ import annotations

import asyncio
import contextlib
import json
import pathlib
import random
import shutil
import subprocess
import tempfile
import time
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Shot:
    """What is asked again and again. `{n}` in the path is drawn from 0 to `names`."""

    method: str
    path: str
    body: str = ""
    token: str = ""
    names: int = 1


@dataclass(frozen=True)
class Figures:
    """What came of it; latencies in milliseconds, `cpu` in seconds."""

    requests: int
    seconds: float
    errors: int
    p50: float
    p99: float
    cpu: float = 0.0

    @property
    def rate(self) -> float:
        return self.requests / self.seconds

    @property
    def cpu_us(self) -> float:
        """Processor time of the server a request, in microseconds."""
        return self.cpu / self.requests * 1e6 if self.requests else 0.0


# The socket errors and statuses are counted together: a benchmark of refusals is none.
_LUA = """
local method, path, body, names = {method}, {path}, {body}, {names}
local headers = {{ ["X-Vault-Token"] = {token}, ["Content-Type"] = "application/json" }}
if headers["X-Vault-Token"] == "" then headers["X-Vault-Token"] = nil end
if body == "" then body = nil end
local before, after = path:match("^(.-){{n}}(.*)$")
function init(args) math.randomseed(os.time()) end
if before then
  request = function()
    return wrk.format(method, before .. math.random(0, names - 1) .. after, headers, body)
  end
else
  local fixed
  request = function()
    fixed = fixed or wrk.format(method, path, headers, body)
    return fixed
  end
end
function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format('\\n{{"requests":%d,"microseconds":%d,"errors":%d,"p50":%f,"p99":%f}}\\n',
    summary.requests, summary.duration, e.connect + e.read + e.write + e.status + e.timeout,
    latency:percentile(50), latency:percentile(99)))
end
"""


def fire(url: str, shot: Shot, *, connections: int, seconds: float) -> Figures:
    """Load a server for that long."""
    if shutil.which("wrk"):
        return _wrk(url, shot, connections, seconds)
    return asyncio.run(_own(url, shot, connections, seconds))


def _wrk(url: str, shot: Shot, connections: int, seconds: float) -> Figures:
    script = _LUA.format(
        method=json.dumps(shot.method),
        path=json.dumps(shot.path),
        body=json.dumps(shot.body),
        token=json.dumps(shot.token),
        names=shot.names,
    )
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "shot.lua"  # in a file of ours: a token must not be seen in a list of processes
        file.write_text(script)
        args = ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "-s", str(file), url]
        done = subprocess.run(args, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout.strip().splitlines()[-1])
    return Figures(
        found["requests"], found["microseconds"] / 1e6, found["errors"], found["p50"] / 1e3, found["p99"] / 1e3
    )


async def _own(url: str, shot: Shot, connections: int, seconds: float) -> Figures:
    times: list[float] = []
    errors = 0
    began = time.perf_counter()

    def texts() -> Iterator[bytes]:
        while time.perf_counter() - began < seconds:
            yield as_bytes(url, shot, random.randrange(shot.names))

    async def one() -> None:
        nonlocal errors
        async with contextlib.aclosing(converse(url, texts())) as answers:
            async for status, took in answers:
                times.append(took)
                errors += status >= 400

    await asyncio.gather(*(one() for _ in range(connections)))
    took = time.perf_counter() - began
    times.sort()
    at = lambda share: times[min(len(times) - 1, int(len(times) * share))] * 1e3  # noqa: E731
    return Figures(len(times), took, errors, at(0.5), at(0.99))


async def write_all(url: str, shot: Shot, connections: int) -> float:
    """Send the shot once for each of its names; returns the seconds it took. Raises `RuntimeError` for a refusal."""
    began = time.perf_counter()

    async def share(first: int) -> None:
        texts = (as_bytes(url, shot, n) for n in range(first, shot.names, connections))
        async with contextlib.aclosing(converse(url, texts)) as answers:
            async for status, _ in answers:
                if status >= 400:
                    raise RuntimeError(f"a write was refused: {status}")

    await asyncio.gather(*(share(first) for first in range(connections)))
    return time.perf_counter() - began


def as_bytes(url: str, shot: Shot, n: int) -> bytes:
    """The shot's request as it goes over the wire."""
    lines = [f"{shot.method} {shot.path.replace('{n}', str(n))} HTTP/1.1", f"Host: {urlsplit(url).netloc}"]
    if shot.token:
        lines.append(f"X-Vault-Token: {shot.token}")
    if shot.body:
        lines.append(f"Content-Length: {len(shot.body.encode())}")
    return ("\r\n".join(lines) + "\r\n\r\n" + shot.body).encode()


async def converse(url: str, texts: Iterator[bytes]) -> AsyncGenerator[tuple[int, float], None]:
    """Send requests over one connection, each after the answer to the one before; gives statuses and seconds."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        for text in texts:
            began = time.perf_counter()
            writer.write(text)
            head = await reader.readuntil(b"\r\n\r\n")
            length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
            if length:
                await reader.readexactly(int(length))
            yield int(head[9:12]), time.perf_counter() - began
    finally:
        writer.close()
        await writer.wait_closed()
