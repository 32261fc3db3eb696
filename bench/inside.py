"""What a request costs the loop's thread, without a network: `python -m bench.inside --only "KV v2 write"`.

The whole server runs in this process, with storage and audit device as always, but its connections' transports are
counterparts that ask the next thing as soon as they are answered. What is left is the server's own work, which repeats
better than a rate does. Under `valgrind --tool=callgrind` two runs of different `--requests` tell, by the difference
of their instruction counts, what one request executes, to a fraction of a percent.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import cProfile
import logging
import pathlib
import pstats
import random
import socket
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import uvloop

from bench import load, servers
from bench.operations import NAMES, Row, filling, operations
from strongroom.app.compose import build_core, streams
from strongroom.app.server import settle
from strongroom.config import Listener
from strongroom.config import load as read_config
from strongroom.core.core import Core
from strongroom.pipeline import handle
from strongroom.server.flights import Flights
from strongroom.server.http import Rules
from strongroom.server.own.connection import Connection
from strongroom.server.own.server import Running
from strongroom.server.render import Renderer
from strongroom.server.site import Service, Site

URL = "http://127.0.0.1:8200"


class Counterpart(asyncio.Transport):
    """A client that sends texts one after the other, each when the one before has been answered."""

    def __init__(self, connection: Connection, left: Iterator[bytes], over: asyncio.Future[None]) -> None:
        super().__init__({"peername": ("127.0.0.1", 40000)})
        self._connection, self._left, self._over = connection, left, over
        self._loop = asyncio.get_running_loop()
        connection.connection_made(self)
        self._send()

    def _send(self) -> None:
        text = next(self._left, None)
        if text is None:
            if not self._over.done():
                self._over.set_result(None)
        else:
            self._connection.data_received(text)

    def write(self, data: Any) -> None:
        """Take an answer, whole as all that are measured are, and ask on in the next turn."""
        if not data.startswith((b"HTTP/1.1 200", b"HTTP/1.1 204")):
            self._over.set_exception(RuntimeError(bytes(data).decode()))
        self._loop.call_soon(self._send)

    def is_closing(self) -> bool:
        """Never."""
        return False


class Inside:
    """A core behind the HTTP server's connections, in this process."""

    def __init__(self, core: Core, connections: int) -> None:
        service = Service(partial(handle, core), streams, Flights(), logging.getLogger("bench"))
        site = Site(service, Rules(), Renderer(), Listener.max_request_duration)
        self._server = Running(site, socket.socket(), Listener(), None)
        self._connections = connections

    async def send(self, texts: Iterator[bytes]) -> None:
        """Have all of them answered; raises `RuntimeError` for a refusal."""
        loop = asyncio.get_running_loop()
        overs = [loop.create_future() for _ in range(self._connections)]
        for over in overs:
            Counterpart(Connection(self._server), texts, over)
        await asyncio.gather(*overs)


def texts(row: Row, count: int) -> Iterator[bytes]:
    """That many requests, drawn beforehand from all names."""
    drawn = [load.as_bytes(URL, row.shot, n) for n in range(row.shot.names)]
    return iter([random.choice(drawn) for _ in range(count)])


def prepare(folder: pathlib.Path, *, audited: bool) -> tuple[str, str]:
    """Have a server fill the folder's storage; returns the unseal key and the ordinary token."""
    server = servers.start(folder)
    try:
        key = servers.prepare(server, folder, audited=audited)
        token = servers.ordinary_token(server)
        asyncio.run(load.write_all(server.url, filling(token, NAMES), 16))
    finally:
        server.stop()
    return key, token


async def measure(args: argparse.Namespace, folder: pathlib.Path, key: str, token: str) -> None:
    core = build_core(read_config([folder / "config.hcl"])[0])
    await core.seal.unseal(base64.b64decode(key))
    settle()
    inside = Inside(core, args.connections)
    for row in operations(token):
        if args.only not in row.name:
            continue
        await inside.send(texts(row, 1000))
        if args.calls:
            await count_calls(inside, row, args)
            continue
        took, wall = [], []
        for _ in range(args.rounds):
            asked = texts(row, args.requests)
            began, on = time.thread_time(), time.perf_counter()
            await inside.send(asked)
            took.append((time.thread_time() - began) / args.requests * 1e6)
            wall.append((time.perf_counter() - on) / args.requests * 1e6)
        print(f"{row.name:22} {min(took):6.1f} µs of the loop's thread, {min(wall):6.1f} µs in all")
    await core.close()


async def count_calls(inside: Inside, row: Row, args: argparse.Namespace) -> None:
    profile = cProfile.Profile(builtins=True)
    asked = texts(row, args.requests)
    profile.enable()
    await inside.send(asked)
    profile.disable()
    counted: dict[str, tuple[float, float]] = {}
    for (file, line, name), (_, calls, own, _, _) in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]
        counted[f"{file.rpartition('/src/')[2]}:{line} {name}"] = calls / args.requests, own / args.requests * 1e6
    print(f"{row.name}: {sum(calls for calls, _ in counted.values()):.0f} calls a request")
    for name, (calls, own) in sorted(counted.items(), key=lambda one: -one[1][1])[: args.lines]:
        print(f"  {calls:6.2f} {own:6.2f} µs  {name}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.inside", description=__doc__)
    parser.add_argument("--only", default="KV v2 read", help="operations whose name contains this")
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--no-audit", action="store_true", help="without the audit device")
    parser.add_argument("--calls", action="store_true", help="count the calls of each function instead")
    parser.add_argument("--lines", type=int, default=60)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="strongroom-inside-") as name:
        folder = pathlib.Path(name)
        uvloop.run(measure(args, folder, *prepare(folder, audited=not args.no_audit)))


if __name__ == "__main__":
    main()
