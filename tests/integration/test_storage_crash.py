"""Processes that die or run out of room in the middle of writing, over SQLite and the barrier."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from strongroom.storage.barrier import Barrier
from strongroom.storage.sqlite import SQLiteStorage

ROOT = bytes(range(32))
ROUNDS = 8
ACKNOWLEDGED = 400

#: Sixteen tasks write pairs of entries; a line goes out for each pair that was acknowledged.
WRITER = """
import asyncio, os, pathlib, sys
import uvloop
from strongroom.storage.barrier import Barrier
from strongroom.storage.base import Batch
from strongroom.storage.sqlite import SQLiteStorage

async def write(barrier, name):
    for turn in range(100_000):
        value = f"{name}.{turn}".encode() * 50
        await barrier.commit(Batch({f"one/{name}/{turn}": value, f"two/{turn}/{name}": value, f"last/{name}": value}))
        os.write(1, f"{name} {turn}\\n".encode())

async def main():
    barrier = Barrier(SQLiteStorage(pathlib.Path(sys.argv[1])))
    root = bytes(range(32))
    if not await barrier.initialised():
        await barrier.initialise(root)
    await barrier.unseal(root)
    await asyncio.gather(*(write(barrier, f"{sys.argv[2]}-{task}") for task in range(16)))

uvloop.run(main())
"""


def acknowledged(path: Path, round_: int) -> set[tuple[str, int]]:
    """Let a process write until so many writes are acknowledged, kill it, and say which were."""
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, path, str(round_)], stdout=subprocess.PIPE, text=True
    ) as writer:
        lines = [writer.stdout.readline() for _ in range(ACKNOWLEDGED)]
        writer.kill()
        # What was still in the pipe was acknowledged too; a last line cut off by the kill was not.
        lines += [line for line in writer.stdout.read().splitlines(keepends=True) if line.endswith("\n")]
    return {(name, int(turn)) for name, turn in (line.split() for line in lines)}


def test_no_acknowledged_write_is_missing_and_none_is_half_done(tmp_path):
    path = tmp_path / "strongroom.db"
    done: set[tuple[str, int]] = set()

    async def check():
        storage = SQLiteStorage(path)
        barrier = Barrier(storage)
        await barrier.unseal(ROOT)
        ones = {tuple(key.split("/")[1:]): value async for key, value in barrier.scan("one/")}
        twos = {tuple(key.split("/")[:0:-1]): value async for key, value in barrier.scan("two/")}
        lasts = {key.split("/")[1]: value async for key, value in barrier.scan("last/")}
        await storage.close()
        assert ones == twos
        assert {(name, str(turn)) for name, turn in done} <= set(ones)
        for name in lasts:
            last = max(int(turn) for other, turn in ones if other == name)
            assert lasts[name] == ones[name, str(last)] == f"{name}.{last}".encode() * 50

    for round_ in range(ROUNDS):
        done |= acknowledged(path, round_)
        assert len(done) >= ACKNOWLEDGED * (round_ + 1)
        asyncio.run(check())


#: Writes until the system refuses to let the files grow, then lifts the limit and writes on.
LIMITED = """
import asyncio, pathlib, resource, sys
from strongroom.errors import StorageError
from strongroom.storage.base import Batch
from strongroom.storage.sqlite import SQLiteStorage

async def main():
    storage = SQLiteStorage(pathlib.Path(sys.argv[1]))
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4 << 20, hard))
    done, failed = 0, 0
    while failed < 5:
        try:
            await storage.commit(Batch({f"k{done}": bytes(20_000)}))
            done += 1
        except StorageError:
            failed += 1
    assert all([await storage.get(f"k{i}") == bytes(20_000) for i in range(done)])
    assert await storage.get(f"k{done}") is None
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    await storage.commit(Batch({"after": b"1"}))
    print(done)

asyncio.run(main())
"""


def test_files_that_cannot_grow_fail_the_request_and_lose_nothing(tmp_path):
    path = tmp_path / "strongroom.db"
    out = subprocess.run([sys.executable, "-c", LIMITED, path], capture_output=True, text=True, check=False)
    assert out.returncode == 0, out.stderr
    done = int(out.stdout)
    assert done > 50

    async def check():
        storage = SQLiteStorage(path)
        keys = [key async for key, value in storage.scan("k") if value == bytes(20_000)]
        assert keys == sorted(f"k{i}" for i in range(done))
        assert await storage.get("after") == b"1"
        await storage.close()

    asyncio.run(check())


@pytest.mark.parametrize("cut", [1, 100, 5000])
def test_a_log_whose_end_was_not_written_loses_only_that_end(tmp_path, cut):
    """A power failure can leave a torn end of the log: commits before it stay, and each is whole or absent."""
    path = tmp_path / "strongroom.db"
    acknowledged(path, 0)
    log = path.with_name("strongroom.db-wal")
    log.write_bytes(log.read_bytes()[:-cut] + b"\xaa" * (cut // 2))

    async def check():
        storage = SQLiteStorage(path)
        barrier = Barrier(storage)
        await barrier.unseal(ROOT)
        ones = {tuple(key.split("/")[1:]): value async for key, value in barrier.scan("one/")}
        twos = {tuple(key.split("/")[:0:-1]): value async for key, value in barrier.scan("two/")}
        assert ones == twos
        assert len(ones) > ACKNOWLEDGED // 2
        await storage.close()

    asyncio.run(check())
