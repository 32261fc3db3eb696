"""`python -m bench.leases`: a million leases and tokens; what a restart, memory and the expiration cost with them."""

from __future__ import annotations

import argparse
import asyncio
import pathlib
import sqlite3
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from bench import lease_state, load, outside, servers
from bench.operations import NAMES, filling
from bench.reads import READS, Reads

PROGRAM = (sys.executable, "-P", pathlib.Path(outside.__file__))

#: Expiries a second that fall due while reads are measured, and for how many seconds.
RATE = 2000
STEADY = 15.0

#: Seconds of reads before anything falls due.
IDLE = 7.0

#: From the last order of the filling to the first expiry: the filling itself, a restart, the unsealing and `IDLE`.
LEAD = 45.0

DAY = 86400.0
NANO = 1_000_000_000


@dataclass
class Index:
    """The server's expiry index as it lies in storage: its keys are times, and not encrypted."""

    file: pathlib.Path

    def left(self, first: float, last: float) -> int:
        """How many rows there are between two Unix times."""
        with sqlite3.connect(f"file:{self.file}?mode=ro", uri=True) as connection:
            found = 0
            for begin, end in _ranges(int(first * NANO), int(last * NANO)):
                sql = "SELECT count(*) FROM entries WHERE key >= ? AND key < ?"
                found += connection.execute(sql, (begin, end)).fetchone()[0]
            return found


def _ranges(first: int, last: int) -> list[tuple[str, str]]:
    """The keys between two times, a range a bucket; see core/lease_index.py."""
    width = 1 << 36
    ranges = []
    for bucket in range(first // width, last // width + 1):
        low, high = max(first, bucket * width), min(last, (bucket + 1) * width - 1)
        prefix = f"sys/lease/expiry/{bucket:07x}/"
        ranges.append((f"{prefix}{low:016x}", f"{prefix}{high:016x}~"))
    return ranges


def watch(left: Callable[[], int], since: float) -> float:
    """Wait until nothing is left; when it was gone (Unix time)."""
    while left() and time.time() < since + 120:
        time.sleep(0.1)
    return time.time()


def measure(folder: pathlib.Path, count: int, burst: int) -> None:
    server = servers.start(folder, PROGRAM)
    key = servers.prepare(server, folder, audited=True)
    server.call("POST", f"sys/mounts/{outside.TYPE}", {"type": outside.TYPE})
    token = servers.ordinary_token(server)
    asyncio.run(load.write_all(server.url, filling(token, NAMES), 4))
    server.stop()

    steady = int(RATE * STEADY)
    began = time.perf_counter()
    orders = [
        {"count": max(0, count - steady - burst), "first": DAY, "last": 30 * DAY},
        {"count": steady, "first": LEAD, "last": LEAD + STEADY},
        {"count": burst, "first": LEAD + STEADY + 5, "last": LEAD + STEADY + 5.1},
    ]
    starts = lease_state.fill(folder, orders, key, token)
    size = sum(file.stat().st_size for file in folder.glob("data*") if file.is_file())
    size += sum(file.stat().st_size for file in (folder / "data").rglob("*") if file.is_file())
    say(f"{count:,} leases and tokens built in {time.perf_counter() - began:.0f} s, {size / 1e9:.2f} GB")

    server = servers.start(folder, PROGRAM)
    try:
        began = time.perf_counter()
        server.call("PUT", "sys/unseal", {"key": key})
        say(f"unsealed in {time.perf_counter() - began:.2f} s after a restart (less than 3)")
        steps(server, token, folder, starts, steady, burst)
    finally:
        server.stop()


def steps(
    server: servers.Server, token: str, folder: pathlib.Path, starts: list[float], steady: int, burst: int
) -> None:
    """What is measured on the running server."""
    reads = Reads(server.url, token)
    index = Index(next(file for file in [folder / "data", *(folder / "data").rglob("*.db")] if file.is_file()))
    reads.during(1)
    idle = reads.during(IDLE)
    say(f"idle: p99 of {READS:,} reads/s is {idle:.2f} ms; {server.resident_bytes() / 1e6:.0f} MB resident")

    first = starts[1] + LEAD
    if time.time() > first:
        say("this machine is slow: what follows began before it could be measured; raise LEAD")
    time.sleep(max(0.0, first - time.time()))
    late: list[int] = []
    done = threading.Event()

    def lag() -> None:
        while not done.wait(0.5):
            late.append(index.left(first, min(time.time(), first + STEADY)))

    watcher = threading.Thread(target=lag)
    watcher.start()
    cpu = server.cpu_seconds()
    busy = reads.during(STEADY)
    cpu = (server.cpu_seconds() - cpu) / STEADY
    done.set()
    watcher.join()
    behind = statistics.median(late[len(late) // 2 :])
    say(
        f"{RATE:,} expiries/s for {STEADY:.0f} s: p99 of the same reads {busy:.2f} ms, {busy / idle:.1f} x idle "
        f"(at most 3); {behind / RATE:.2f} s behind; {cpu:.2f} processors; "
        f"{server.resident_bytes() / 1e6:.0f} MB resident (less than 250)"
    )
    second = starts[2] + LEAD + STEADY + 5
    time.sleep(max(0.0, second + 0.1 - time.time()))
    begun, at_first = time.time(), index.left(second - 1, second + 2)
    beside: list[float] = []
    reader = threading.Thread(target=lambda: beside.append(reads.during(4)))
    reader.start()
    gone = watch(lambda: index.left(second - 1, second + 2), second)
    reader.join()
    say(
        f"{burst:,} at one moment: {at_first / (gone - begun):,.0f} expiries/s; p99 of the same reads "
        f"{beside[0]:.2f} ms, {beside[0] / idle:.1f} x idle; {server.resident_bytes() / 1e6:.0f} MB resident"
    )


def say(text: str) -> None:
    print(text, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.leases", description=__doc__)
    parser.add_argument("--count", type=int, default=1_000_000, help="leases and tokens together")
    parser.add_argument("--burst", type=int, default=20_000, help="how many of them fall due at one moment")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="strongroom-bench-") as name:
        measure(pathlib.Path(name), args.count, args.burst)


if __name__ == "__main__":
    main()
