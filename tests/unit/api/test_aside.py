"""Work on large data: on one thread, which rests after it."""

from __future__ import annotations

import asyncio
import threading

import pytest

from strongroom.api import aside as module
from strongroom.api.aside import BREATH, REST, aside, breathe
from strongroom.engines.transit import encoding


class Time:
    """A clock that work moves, and the rests that were taken."""

    def __init__(self) -> None:
        self.now = 0.0
        self.rests: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.rests.append(seconds)


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    made = Time()
    monkeypatch.setattr(module, "time", made)
    return made


def test_it_is_done_by_one_thread_that_is_not_the_loops(time: Time) -> None:
    async def several() -> set[int]:
        return set(await asyncio.gather(*(aside(threading.get_ident) for _ in range(8))))

    (thread,) = asyncio.run(several())
    assert thread != threading.get_ident()


@pytest.mark.parametrize(("took", "rest"), [(0.0, 0.0), (REST / 2, REST / 2), (REST * 9, REST)])
@pytest.mark.parametrize("fails", [False, True])
def test_the_thread_rests_as_long_as_it_worked_but_never_long(
    time: Time, took: float, rest: float, fails: bool
) -> None:
    def work(answer: str) -> str:
        time.now += took
        if fails:
            raise OSError(answer)
        return answer

    if fails:
        with pytest.raises(OSError, match="done"):
            asyncio.run(aside(work, "done"))
    else:
        assert asyncio.run(aside(work, "done")) == "done"
    assert time.rests == [rest]


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
