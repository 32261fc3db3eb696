"""Where the server's time goes under load: `python -m bench.hotspots --only "KV v2 read"`.

The server runs as it always does, but a timer that counts its processor time interrupts it every millisecond, and what
its loop is doing at that moment is counted. Time of the HTTP server's own threads shows up under the loop's idle frame.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import dataclasses
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
from types import FrameType

from bench import load, servers
from bench.operations import NAMES, filling, operations

OUT = "STRONGROOM_PROFILE"
INTERVAL = 0.001


def child(args: list[str]) -> int:
    """Be the server, and write the stacks that were seen when it ends. SIGUSR1 forgets those seen so far."""
    seen: collections.Counter[tuple[str, ...]] = collections.Counter()

    def sample(_: int, frame: FrameType | None) -> None:
        stack = []
        while frame is not None:
            code = frame.f_code
            stack.append(f"{code.co_filename}:{code.co_firstlineno} {code.co_qualname}")
            frame = frame.f_back
        seen[tuple(stack)] += 1

    signal.signal(signal.SIGUSR1, lambda *_: seen.clear())
    signal.signal(signal.SIGPROF, sample)
    signal.setitimer(signal.ITIMER_PROF, INTERVAL, INTERVAL)
    from strongroom.cli.main import main

    try:
        sys.argv = ["strongroom", *args]
        return int(main() or 0)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        pathlib.Path(os.environ[OUT]).write_text(json.dumps([[list(stack), n] for stack, n in seen.items()]))


def show(file: pathlib.Path, lines: int) -> None:
    """The functions that most of the time was spent in, and below."""
    stacks = json.loads(file.read_text())
    total = sum(n for _, n in stacks) or 1
    own: collections.Counter[str] = collections.Counter()
    below: collections.Counter[str] = collections.Counter()
    for stack, n in stacks:
        own[stack[0]] += n
        for name in set(stack):
            below[name] += n
    for title, counted in (("in the function itself", own), ("in it and what it calls", below)):
        print(f"\n{title} ({total} samples)")
        for name, n in counted.most_common(lines):
            print(f"  {n / total:6.1%}  {short(name)}")


def short(name: str) -> str:
    """A function's place without the folders that every name begins with."""
    for folder in ("/src/", "/site-packages/", "/lib/"):
        if folder in name:
            return name.rpartition(folder)[2]
    return name


def main() -> None:
    if len(sys.argv) > 1 and sys.argv[1] == "server":
        raise SystemExit(child(sys.argv[1:]))
    parser = argparse.ArgumentParser(prog="python -m bench.hotspots", description=__doc__)
    parser.add_argument("--only", default="KV v2 read", help="the operation whose name contains this")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--no-audit", action="store_true", help="without the audit device")
    parser.add_argument("--secrets", type=int, default=NAMES, help="how many secrets are there")
    parser.add_argument("--lines", type=int, default=30)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="strongroom-profile-") as name:
        folder = pathlib.Path(name)
        out = folder / "stacks.json"
        port = servers.free_port()
        config = folder / "config.hcl"
        config.write_text(servers.CONFIG.format(folder=folder, port=port))
        with (folder / "server.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "bench.hotspots", "server", f"-config={config}"],
                env={**servers.environment(folder), OUT: str(out)},
                stdout=log,
                stderr=log,
            )
        server = servers.Server(process, f"http://127.0.0.1:{port}")
        servers.wait(server)
        servers.prepare(server, folder, audited=not args.no_audit)
        token = servers.ordinary_token(server)
        asyncio.run(load.write_all(server.url, filling(token, args.secrets), args.connections))
        row = next(row for row in operations(token, args.secrets) if args.only in row.name)
        process.send_signal(signal.SIGUSR1)
        before = server.cpu_seconds()
        figures = load.fire(server.url, row.shot, connections=args.connections, seconds=args.seconds)
        figures = dataclasses.replace(figures, cpu=server.cpu_seconds() - before)
        server.stop()
        print(f"{row.name}: {figures.rate:,.0f}/s, {figures.cpu_us:.0f} µs of processor time each")
        show(out, args.lines)


if __name__ == "__main__":
    main()
