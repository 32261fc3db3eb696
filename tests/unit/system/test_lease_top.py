"""sys/leases/top: leases counted by what made them."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from tests.unit.pipeline.probe import Probe, data, ok, played, refused

from strongroom.core import lease_top
from strongroom.core.lease_model import ID


async def taken(server: Probe, name: str, number: int) -> None:
    for _ in range(number):
        ok(await server.write(f"probe/lease/{name}", value="x"))


def test_the_busiest_come_first() -> None:
    async def scenario(server: Probe) -> None:
        await taken(server, "a", 1)
        await taken(server, "b", 3)
        await taken(server, "c", 2)
        answer = data(await server.read("sys/leases/top", prefix="probe", limit="2"))
        assert answer == {
            "group_by": "role",
            "leases": 6,
            "producers": 3,
            "top": [{"path": "probe/lease/b", "leases": 3}, {"path": "probe/lease/c", "leases": 2}],
        }
        by_mount = data(await server.read("sys/leases/top", group_by="mount"))
        assert {"path": "probe/", "leases": 6} in by_mount["top"]

    played(scenario)


def test_tokens_are_shown_by_their_display_name_and_accessor() -> None:
    async def scenario(server: Probe) -> None:
        await taken(server, "a", 2)
        answer = data(await server.read("sys/leases/top", group_by="token"))
        [top] = answer["top"]
        assert top["display_name"] == "token"
        assert top["accessor"]
        assert top["leases"] == 2

    played(scenario)


@pytest.mark.parametrize(
    ("asked", "problem"),
    [
        ({"limit": "0"}, "limit must be between 1 and 1000"),
        ({"limit": "1001"}, "limit must be between 1 and 1000"),
        ({"group_by": "token", "prefix": "a"}, "a prefix cannot be used with group_by=token"),
    ],
)
def test_what_makes_no_sense_is_refused(asked: dict[str, str], problem: str) -> None:
    async def scenario(server: Probe) -> None:
        assert refused(await server.read("sys/leases/top", **asked))[1] == problem

    played(scenario)


class Keys:
    """A barrier of a few keys, which notes how many names it was asked for."""

    def __init__(self, *keys: str) -> None:
        self.keys = sorted(ID + key for key in keys)
        self.longest = 0

    async def get(self, key: str) -> bytes | None:
        return b"" if key in self.keys else None

    async def list(self, prefix: str, after: str = "", limit: int = 0) -> list[str]:
        rests = [key.removeprefix(prefix) for key in self.keys if key.startswith(prefix)]
        names = sorted({head + slash for head, slash, _ in (rest.partition("/") for rest in rests)})
        page = [name for name in names if name > after][:limit]
        self.longest = max(self.longest, len(page))
        return page


def counted(keys: Keys, prefix: str = "", limit: int = 20) -> lease_top.Counts:
    live: Any = SimpleNamespace(barrier=keys)
    return asyncio.run(lease_top.count(live, lease_top.ROLE, prefix, limit))


def test_a_producer_is_counted_once_over_all_its_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease_top, "PAGE", 2)
    keys = Keys("a/1", "a/2", "a/b/3", "a/b/c/4", "a/b/c/5", "a/d/6", "a/z1", "a/z2", "a/z3", "e/7")
    counts = counted(keys)
    assert counts.top == [("a", 5), ("a/b/c", 2), ("a/b", 1), ("a/d", 1), ("e", 1)]
    assert (counts.leases, counts.producers) == (10, 5)
    assert keys.longest == 2


@pytest.mark.parametrize(
    ("prefix", "top"),
    [("a/b", [("a/b", 2)]), ("a/b/1", [("a/b", 1)]), ("a/bc", [("a/bc", 1)]), ("a/", [("a/b", 2), ("a/bc", 1)])],
)
def test_a_prefix_is_whole_segments(prefix: str, top: list[tuple[str, int]]) -> None:
    assert counted(Keys("a/b/1", "a/b/2", "a/bc/3", "d/4"), prefix).top == top


def test_only_as_many_as_asked_for_are_kept_but_all_are_counted() -> None:
    counts = counted(Keys(*(f"p{n:03}/{lease}" for n in range(100) for lease in range(1 + n % 10))), limit=3)
    assert counts == lease_top.Counts(550, 100, [("p009", 10), ("p019", 10), ("p029", 10)])
