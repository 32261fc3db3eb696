from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.core.rate_limiter import NANO, RateLimiter, Verdict

MS = NANO // 1000


def counted(limiter: RateLimiter, moments: list[int], client: str = "a") -> list[bool]:
    return [limiter.take(client, at).allowed for at in moments]


@pytest.mark.parametrize(
    ("rate", "interval", "moments", "allowed"),
    [
        (2, 1, [0, 0, 0], [True, True, False]),
        (2, 1, [0, 0, 499 * MS, 500 * MS, 999 * MS, 1000 * MS], [True, True, False, True, False, True]),
        (0.5, 1, [0, 1 * NANO, 2 * NANO], [True, False, True]),
        (1, 60, [0, 59 * NANO, 60 * NANO], [True, False, True]),
        (3.9, 1, [0, 0, 0, 0], [True, True, True, False]),
        (1e9, 1, [0] * 5, [True] * 5),
    ],
)
def test_a_client_may_come_so_often_and_no_more(
    rate: float, interval: float, moments: list[int], allowed: list[bool]
) -> None:
    assert counted(RateLimiter(rate, interval), moments) == allowed


def test_a_client_is_told_what_it_has_left_and_when_to_come_again() -> None:
    limiter = RateLimiter(2, 1)
    assert limiter.take("a", 0) == Verdict(True, 2, 1, 0.5, 0)
    assert limiter.take("a", 0) == Verdict(True, 2, 0, 1.0, 0)
    assert limiter.take("a", 100 * MS) == Verdict(False, 2, 0, 0.9, 0.4)
    assert limiter.take("b", 100 * MS) == Verdict(True, 2, 1, 0.5, 0)


def test_who_comes_too_often_is_shut_out_for_a_while_and_trying_does_not_lengthen_it() -> None:
    limiter = RateLimiter(1, 1, block=10)
    moments = [second * NANO for second in (0, 0, 1, 9, 10, 10)]
    assert counted(limiter, moments) == [True, False, False, False, True, False]
    assert limiter.take("a", 12 * NANO).wait == 8


def test_refusals_cost_nothing_of_the_allowance() -> None:
    limiter = RateLimiter(1, 1)
    assert counted(limiter, [0, *[1] * 100, 1 * NANO]) == [True, *[False] * 100, True]


@given(
    rate=st.floats(0.01, 1e4),
    interval=st.integers(1, 3600),
    steps=st.lists(st.integers(0, 2 * NANO), min_size=1, max_size=200),
)
def test_no_stretch_of_time_sees_more_than_the_allowance_and_what_flowed_back(
    rate: float, interval: int, steps: list[int]
) -> None:
    limiter = RateLimiter(rate, interval)
    now, passed = 0, 0
    for step in steps:
        now += step
        verdict = limiter.take("a", now)
        passed += verdict.allowed
        assert passed <= max(int(rate), 1) + now / NANO * rate / interval + 1e-6 * len(steps) + 1e-6 * now
        assert 0 <= verdict.remaining < max(int(rate), 1)
        assert verdict.allowed is (verdict.wait == 0)
        if not verdict.allowed:
            assert limiter.take("a", now + round(verdict.wait * NANO) + 1).allowed
            return


def test_memory_is_bounded_and_clients_at_rest_are_forgotten_first() -> None:
    limiter = RateLimiter(1, 1000, clients=10)
    limiter.take("busy", 0)
    for number in range(100):
        limiter.take(str(number), 1)
    assert len(limiter._arrivals) <= 10
    short = RateLimiter(1, 1, clients=10)
    for number in range(9):
        short.take(str(number), 0)
    short.take("busy", 5 * NANO)
    short.take("new", 5 * NANO)
    assert short._arrivals.keys() == {"busy", "new"}
