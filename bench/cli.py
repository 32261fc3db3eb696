"""`python -m bench.cli`: what one run of a command costs, from the start of its process to its end."""

from __future__ import annotations

import argparse
import asyncio
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass

from bench import load, report, servers
from bench.operations import filling

PROGRAM = servers.STRONGROOM.with_name("vault")
#: Runs a command as a child of a process that is small: a child's peak memory is counted from its parent's on.
RUNNER = """
import json, os, sys, time
sink = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
began = time.perf_counter()
child = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=sink)
_, status, used = os.wait4(child, 0)
wall = time.perf_counter() - began
print(json.dumps([os.waitstatus_to_exitcode(status), wall, used.ru_utime + used.ru_stime, used.ru_maxrss]))
"""


@dataclass(frozen=True)
class Row:
    """A command, and how many seconds of wall and processor time it may take. "" is a bare interpreter."""

    words: str
    wall: float = 0.0
    cpu: float = 0.0


def rows(count: int) -> list[Row]:
    """The commands; the last ones list `count` keys."""
    every = [
        Row(""),
        Row("version", 0.1, 0.09),
        Row("kv get secret/bench/s0", 0.1, 0.09),
        Row("__complete -- vault kv get secret/"),
    ]
    return every + ([Row("kv list secret/bench"), Row("kv find secret/bench")] if count else [])


@dataclass(frozen=True)
class Run:
    """One run of a command: seconds, seconds, bytes."""

    wall: float
    cpu: float
    peak: int


def run(words: Sequence[str], env: dict[str, str]) -> Run:
    """Run a command; raises `RuntimeError` when it fails."""
    command = [str(PROGRAM), *words] if words else [sys.executable, "-c", "pass"]
    runner = [sys.executable, "-I", "-S", "-c", RUNNER, *command]
    done = subprocess.run(runner, capture_output=True, text=True, env=env, check=True)
    code, wall, cpu, kilobytes = json.loads(done.stdout)
    if code:
        raise RuntimeError(f"{' '.join(words)}: exit code {code}: {done.stderr}")
    return Run(wall, cpu, kilobytes * 1024)


def words_of(row: Row) -> list[str]:
    """The words of a row's command; behind two dashes stands one whole line."""
    before, dashes, line = row.words.partition(" -- ")
    return [*before.split(), *(["--", line] if dashes else [])]


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"


def cells(row: Row, runs: Sequence[Run]) -> list[str]:
    """A row of the table; of the times, the medians."""
    line = row.words.partition(" -- ")[2]
    return [
        f"`{line}`, Tab" if line else f"`vault {row.words}`" if row.words else "`python -c pass`",
        _milliseconds(statistics.median(one.wall for one in runs)),
        _milliseconds(row.wall) if row.wall else "",
        _milliseconds(statistics.median(one.cpu for one in runs)),
        _milliseconds(row.cpu) if row.cpu else "",
        f"{max(one.peak for one in runs) / 1e6:.0f} MB",
    ]


HEAD = ["command", "wall", "at most", "processor", "at most", "peak memory"]


def table(lines: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    text = ["| " + " | ".join(line) + " |" for line in [HEAD, *lines]]
    return "\n".join([text[0], "|---|" + "---:|" * (len(HEAD) - 1), *text[1:]])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.cli", description=__doc__)
    parser.add_argument("--runs", type=int, default=20, help="how often each command runs; medians are shown")
    parser.add_argument("--keys", type=int, default=100_000, help="how many keys the lists have; 0 leaves them out")
    parser.add_argument("--write", action="store_true", help=f"put the figures into {report.DOCUMENT.name}")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="strongroom-bench-") as name:
        folder = pathlib.Path(name)
        server = servers.start(folder)
        try:
            servers.prepare(server, folder, audited=False)
            asyncio.run(load.write_all(server.url, filling(server.token, max(args.keys, 1)), 16))
            env = {**servers.environment(folder), "VAULT_ADDR": server.url, "VAULT_TOKEN": server.token}
            lines = []
            for row in rows(args.keys):
                run(words_of(row), env)  # whatever is read from the disk for the first time
                lines.append(cells(row, [run(words_of(row), env) for _ in range(args.runs)]))
        finally:
            server.stop()
    text = table(lines)
    if args.keys:
        text += f"\n\nThe lists are of {args.keys:,} keys."
    print(text)
    if args.write:
        report.write(text, begin=report.MARK.format("bench.cli"))


if __name__ == "__main__":
    main()
