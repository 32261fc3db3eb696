"""Lines that are made when they are written: for all requests of a turn one after the other."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from strongroom.api.aside import LARGE
from strongroom.audit.file import FileDevice
from strongroom.turns import Driver

Make = Callable[[], bytes]


class Watched(FileDevice):
    """Notes who writes how many lines."""

    def __init__(self, path: Path, **options: str) -> None:
        super().__init__("file/", "salt", {"file_path": str(path), **options})
        self.seen: list[Any] = []

    def _append(self, lines: list[bytes]) -> None:
        self.seen.append((len(lines), threading.current_thread() is threading.main_thread()))
        super()._append(lines)


async def in_one_turn(*works: Coroutine[Any, Any, None]) -> list[BaseException | None]:
    """What each ends with, None for success."""
    loop = asyncio.get_running_loop()
    outcomes = [loop.create_future() for _ in works]

    async def told(work: Coroutine[Any, Any, None], outcome: asyncio.Future[BaseException | None]) -> None:
        try:
            await work
        except Exception as e:
            outcome.set_result(e)
        else:
            outcome.set_result(None)

    tasks: list[asyncio.Task[None]] = []
    driver = Driver(loop, tasks.append, loop.call_soon)
    for work, outcome in zip(works, outcomes, strict=True):
        driver.bring(told(work, outcome))
    return await asyncio.gather(*outcomes)


def scene(device: Watched, scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def play() -> None:
        await device.open()
        await device.write(b"first\n")  # the time to look at the file has come before any other line
        device.seen.clear()
        try:
            await scenario()
        finally:
            await device.close()

    asyncio.run(play())


def test_they_are_made_together_after_all_have_come_and_written_in_their_order(tmp_path: Path) -> None:
    device = Watched(tmp_path / "a.log")

    async def request(n: int) -> None:
        device.seen.append(f"request {n}")
        await device.record(lambda: device.seen.append(f"line {n}") or b"%d\n" % n)  # type: ignore[func-returns-value]
        device.seen.append(f"answer {n}")

    async def scenario() -> None:
        assert await in_one_turn(*(request(n) for n in range(3))) == [None] * 3

    scene(device, scenario)
    assert device.seen == [
        *(f"request {n}" for n in range(3)),
        *(f"line {n}" for n in range(3)),
        (3, True),
        *(f"answer {n}" for n in range(3)),
    ]
    assert (tmp_path / "a.log").read_bytes() == b"first\n0\n1\n2\n"


@pytest.mark.parametrize("others", [0, 2])
def test_one_that_cannot_be_made_is_its_own_requests_misfortune(tmp_path: Path, others: int) -> None:
    device = Watched(tmp_path / "a.log")

    def fail() -> bytes:
        raise ValueError("no line")

    async def record(make: Make) -> None:
        await device.record(make)

    async def scenario() -> None:
        ended = await in_one_turn(record(fail), *(record(lambda: b"good\n") for _ in range(others)))
        assert [type(one) for one in ended] == [ValueError, *[type(None)] * others]

    scene(device, scenario)
    assert (tmp_path / "a.log").read_bytes() == b"first\n" + b"good\n" * others


def test_a_failing_disk_loses_them_for_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    device = Watched(tmp_path / "a.log")

    def full(lines: list[bytes]) -> None:
        raise OSError(28, "No space left on device")

    async def record() -> None:
        await device.record(lambda: b"line\n")

    async def scenario() -> None:
        monkeypatch.setattr(device._batches, "_write", full)
        assert [type(one) for one in await in_one_turn(record(), record())] == [OSError, OSError]

    scene(device, scenario)


@pytest.mark.parametrize(
    "options", [{}, {"rotate_bytes": str(1 << 20)}, {"file_path": "discard"}], ids=["task", "rotation", "discard"]
)
def test_else_they_are_made_at_once(tmp_path: Path, options: dict[str, str]) -> None:
    device = Watched(tmp_path / "a.log", **options)
    made: list[bool] = []

    async def request() -> None:
        recorded = device.record(lambda: made.append(True) or b"line\n")  # type: ignore[func-returns-value]
        assert made == [True]
        await recorded

    async def scenario() -> None:
        assert await (in_one_turn(request()) if options else asyncio.gather(request())) == [None]

    scene(device, scenario)


def test_what_turns_out_large_is_written_by_the_thread(tmp_path: Path) -> None:
    device = Watched(tmp_path / "a.log")

    async def record(line: bytes) -> None:
        await device.record(lambda: line)

    async def scenario() -> None:
        assert await in_one_turn(record(b"small\n"), record(b"x" * LARGE + b"\n")) == [None, None]
        assert await in_one_turn(record(b"small\n")) == [None]

    scene(device, scenario)
    assert device.seen == [(2, False), (1, True)]
