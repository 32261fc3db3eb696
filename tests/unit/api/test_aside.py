"""Work on large data: on one thread, which rests after it."""

from __future__ import annotations

import asyncio
import functools
import threading

import pytest

from strongroom.api import aside as module
from strongroom.api.aside import BREATH, REST, aside, breathe
from strongroom.engines.transit import encoding


class Time:
    """A clock that work and rests move, and the rests that were taken."""

    def __init__(self) -> None:
        self.now = 100.0
        self.rests: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.rests.append(seconds)


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    made = Time()
    monkeypatch.setattr(module, "time", made)
    monkeypatch.setattr(module, "_lane", functools.cache(module._Lane))
    return made


def test_it_is_done_by_one_thread_that_is_not_the_loops(time: Time) -> None:
    async def several() -> set[int]:
        return set(await asyncio.gather(*(aside(threading.get_ident) for _ in range(8))))

    (thread,) = asyncio.run(several())
    assert thread != threading.get_ident()


@pytest.mark.parametrize(
    ("took", "pause", "rest"),
    [
        (0.0, 0.0, 0.0),
        (REST / 2, 0.0, REST / 2),
        (REST * 9, 0.0, REST),
        (REST * 9, REST / 4, REST * 3 / 4),
        (REST * 9, REST * 2, 0.0),
    ],
)
@pytest.mark.parametrize("fails", [False, True])
def test_it_waits_until_the_thread_has_rested_from_the_one_before(
    time: Time, took: float, pause: float, rest: float, fails: bool
) -> None:
    def work() -> str:
        time.now += took
        if fails:
            raise OSError("no")
        return "done"

    async def one_after_the_other() -> list[str | BaseException]:
        ended = []
        for wait in (0.0, pause):
            time.now += wait
            ended += await asyncio.gather(aside(work), return_exceptions=True)
        return ended

    ended = asyncio.run(one_after_the_other())
    assert [str(one) for one in ended] == ["no" if fails else "done"] * 2
    assert time.rests == ([pytest.approx(rest)] if rest else [])


def test_a_breath_is_short(time: Time) -> None:
    breathe()
    assert time.rests == [BREATH]


@pytest.mark.parametrize("pieces", [0, 3])
def test_base64_is_converted_in_pieces_with_a_breath_after_each(time: Time, pieces: int) -> None:
    data = bytes(encoding.CHUNK // 4 * 3) * (pieces or 1)
    text = encoding.encode(data)
    encoded = len(time.rests)
    assert encoding.decode(text) == data
    assert (encoded, len(time.rests) - encoded) == (pieces, pieces)
