"""`python -m bench`: measure the server beside a bare one and print the table."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import pathlib
import sys
import tempfile
import time
from dataclasses import dataclass

from bench import load, report, servers
from bench.operations import NAMES, filling, operations


@dataclass(frozen=True)
class Settings:
    """How long and how hard."""

    seconds: float
    rounds: int
    connections: int
    only: str
    audited: bool


def measure(server: servers.Server, shot: load.Shot, settings: Settings) -> load.Figures:
    """Load a server and add the processor time that it took."""
    before = server.cpu_seconds()
    figures = load.fire(server.url, shot, connections=settings.connections, seconds=settings.seconds)
    return dataclasses.replace(figures, cpu=server.cpu_seconds() - before)


def compare(server: servers.Server, token: str, settings: Settings) -> list[report.Measured]:
    """Every operation in every round, each right after the bare server: so that both met the same machine."""
    bare = servers.start_bare()
    plain = report.Measured("bare server", 0.0)
    rows = [row for row in operations(token) if settings.only in row.name]
    measured = [report.Measured(row.name, row.target) for row in rows]
    try:
        for _ in range(settings.rounds):
            for row, into in zip(rows, measured, strict=True):
                beside = measure(bare, load.Shot("GET", "/"), settings)
                plain.rounds.append((beside, beside.rate))
                into.rounds.append((measure(server, row.shot, settings), beside.rate))
                print(".", end="", file=sys.stderr, flush=True)
    finally:
        bare.stop()
        print(file=sys.stderr)
    return [plain, *measured]


def startup(folder: pathlib.Path) -> str:
    """How long a dev server takes to its first answer (the best of five), and what it then holds."""
    took, resident = [], 0
    for _ in range(5):
        server, seconds = servers.start_dev(folder)
        took.append(seconds)
        resident = server.resident_bytes()
        server.stop()
    return f"Dev server ready in {min(took):.2f} s (at most 0.60); {resident / 1e6:.0f} MB resident when idle (70)."


def many(folder: pathlib.Path, count: int, settings: Settings) -> str:
    """Reads from a store of that many secrets against reads from one of a few, of the same and of all; a restart."""
    server = servers.start(folder)
    key = servers.prepare(server, folder, audited=settings.audited)
    root, token = server.token, servers.ordinary_token(server)
    asyncio.run(load.write_all(server.url, filling(token, NAMES), settings.connections))
    some = load.Shot("GET", "/v1/secret/data/bench/s{n}", "", token, NAMES)
    lot = dataclasses.replace(some, names=count)
    few = [measure(server, some, settings) for _ in range(settings.rounds)]
    took = asyncio.run(load.write_all(server.url, filling(token, count), settings.connections))
    same = [measure(server, some, settings) for _ in range(settings.rounds)]
    full = [measure(server, lot, settings) for _ in range(settings.rounds)]
    resident = server.resident_bytes()
    server.stop()
    server = servers.start(folder)
    began = time.perf_counter()
    server.call("PUT", "sys/unseal", {"key": key})
    unseal = time.perf_counter() - began
    server.token = root
    cold = measure(server, lot, settings)
    server.stop()
    best = lambda rounds: max(one.rate for one in rounds)  # noqa: E731
    return (
        f"{count:,} secrets, written at {count / took:,.0f}/s. Reads of the same {NAMES} as before: "
        f"{best(same):,.0f}/s, {best(same) / best(few):.2f} of the rate without the others (at least 0.90). Reads at "
        f"random over all of them: {best(full):,.0f}/s, {best(full) / best(few):.2f}, p99 "
        f"{min(one.p99 for one in full):.2f} ms; {resident / 1e6:.0f} MB resident. After a restart unsealed in "
        f"{unseal:.2f} s (at most 1), first reads at {cold.rate:,.0f}/s."
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0, help="length of each measurement")
    parser.add_argument("--rounds", type=int, default=3, help="how often each is repeated; medians are shown")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--only", default="", help="operations whose name contains this")
    parser.add_argument("--no-audit", action="store_true", help="without the audit device")
    parser.add_argument("--secrets", type=int, default=0, help="also measure a store of that many secrets")
    parser.add_argument("--write", action="store_true", help=f"put the figures into {report.DOCUMENT.name}")
    args = parser.parse_args()
    settings = Settings(args.seconds, args.rounds, args.connections, args.only, not args.no_audit)
    parts = []
    with tempfile.TemporaryDirectory(prefix="strongroom-bench-") as name:
        folder = pathlib.Path(name)
        server = servers.start(folder)
        try:
            servers.prepare(server, folder, audited=settings.audited)
            token = servers.ordinary_token(server)
            asyncio.run(load.write_all(server.url, filling(token, NAMES), settings.connections))
            parts.append(report.table(compare(server, token, settings)))
        finally:
            server.stop()
        print(parts[-1], flush=True)
        (folder / "dev").mkdir()
        parts.append(startup(folder / "dev"))
        print("\n" + parts[-1], flush=True)
        if args.secrets:
            (folder / "many").mkdir()
            parts.append(many(folder / "many", args.secrets, settings))
            print("\n" + parts[-1], flush=True)
    if args.write:
        report.write("\n\n".join(parts))


if __name__ == "__main__":
    main()
