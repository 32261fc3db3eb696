"""sys/leases/top: leases counted by what made them."""

from __future__ import annotations

import pytest
from tests.unit.pipeline.probe import Probe, data, ok, played, refused


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
