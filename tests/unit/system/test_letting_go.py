"""Mounts that cannot revoke: disabling is refused, or lets go of what is left and shows it."""

from __future__ import annotations

import asyncio

from tests.unit.pipeline.probe import Probe, data, ok, played, refused

from strongroom.api.messages import Operation
from strongroom.core.lease_undo import ATTEMPTS


async def taken(server: Probe, *names: str) -> list[str]:
    ids = []
    for name in names:
        lease = ok(await server.write(f"probe/lease/{name}", value="x")).lease
        assert lease is not None
        ids.append(lease.id)
    return ids


def test_a_mount_that_cannot_revoke_is_not_disabled_and_serves_on() -> None:
    async def scenario(server: Probe) -> None:
        ids = await taken(server, "a", "stuck")
        server.stuck.add("stuck")
        assert refused(await server.delete("sys/mounts/probe")) == (
            "BadRequest",
            f'failed to revoke "{ids[1]}" (1 / 2): failed to revoke entry: the world is down',
        )
        assert server.revoked == ["a"]
        assert await server.live.leases.lookup(ids[1]) is not None
        ok(await server.read("probe/get/x"))
        server.stuck.clear()
        ok(await server.delete("sys/mounts/probe"))
        assert server.revoked == ["a", "stuck"]

    played(scenario)


def test_by_force_it_goes_and_what_is_left_is_listed_and_can_be_dropped() -> None:
    async def scenario(server: Probe) -> None:
        ids = await taken(server, "a", "b", "stuck")
        server.stuck.add("stuck")
        answer = ok(await server.ask(Operation.DELETE, "sys/mounts/probe", force="true"))
        assert answer.warnings == ["1 leases could not be revoked; they are kept as irrevocable"]
        assert sorted(server.revoked) == ["a", "b"]
        assert refused(await server.read("probe/get/x"))[0] == "NoRoute"
        assert data(await server.read("sys/leases", type="irrevocable")) == {
            "lease_count": 1,
            "leases": [{"lease_id": ids[2], "mount": "probe/", "error": "the world is down"}],
        }
        assert data(await server.read("sys/leases/count", type="irrevocable")) == {
            "lease_count": 1,
            "counts": {"probe/": 1},
        }
        text = refused(await server.write(f"sys/leases/revoke/{ids[2]}"))[1]
        assert text == "failed to revoke entry: there is no mount at probe/ any more that could revoke it"
        ok(await server.write("sys/leases/revoke-force/probe"))
        assert data(await server.read("sys/leases", type="irrevocable")) == {"lease_count": 0, "leases": []}

    played(scenario)


def test_where_nothing_can_be_revoked_the_rest_is_not_tried() -> None:
    async def scenario(server: Probe) -> None:
        names = [f"n{number}" for number in range(40)]
        await taken(server, *names)
        server.stuck.update(names)
        asked = 0
        revoke = server.mount.engine.revokers["thing"]

        async def counted(ctx: object, lease: dict[str, object]) -> None:
            nonlocal asked
            asked += 1
            await revoke(ctx, lease)

        server.mount.engine.revokers["thing"] = counted
        answer = ok(await server.ask(Operation.DELETE, "sys/mounts/probe", force=True))
        assert answer.warnings == ["40 leases could not be revoked; they are kept as irrevocable"]
        assert asked == 16

    played(scenario)


def test_a_parked_lease_is_tried_again_on_demand() -> None:
    async def scenario(server: Probe) -> None:
        (stuck,) = await taken(server, "stuck")
        server.stuck.add("stuck")
        await server.live.leases.abandon(stuck)
        for _ in range(ATTEMPTS):
            await server.live.leases.run_due()
            server.clock.advance(10_000)
            await asyncio.sleep(0)
        assert data(await server.read("sys/leases/count", type="irrevocable"))["lease_count"] == 1
        assert refused(await server.write("sys/leases/revoke", lease_id=stuck))[0] == "BadRequest"
        assert data(await server.read("sys/leases/count", type="irrevocable"))["lease_count"] == 1
        server.stuck.clear()
        ok(await server.write("sys/leases/revoke", lease_id=stuck))
        assert data(await server.read("sys/leases/count", type="irrevocable"))["lease_count"] == 0
        assert server.revoked == ["stuck"]

    played(scenario)


def test_tokens_of_a_method_are_revoked_with_it_by_force_too() -> None:
    async def scenario(server: Probe) -> None:
        login = ok(await server.write("probe/login/ann", by="")).auth
        assert login is not None
        answer = ok(await server.ask(Operation.DELETE, "sys/mounts/probe", force="true"))
        assert answer.warnings == []
        assert refused(await server.read("auth/token/lookup-self", by=login.client_token))[0] == "BadToken"

    played(scenario)
