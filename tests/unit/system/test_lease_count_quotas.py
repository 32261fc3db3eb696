from __future__ import annotations

from typing import Any

import pytest
from tests.unit.auth.own_server import Server, data, ok, refused
from tests.unit.system.whole import WholeServer, served

from strongroom.core.lease_quotas import RECOUNT_SECONDS
from strongroom.errors import RequestError

RULES = "sys/quotas/lease-count"
CREATE = "auth/token/create"
FULL = ("TooManyRequests", f'request path "{CREATE}": lease count quota exceeded')


async def rule(server: WholeServer, name: str = "r", **body: Any) -> None:
    ok(await server.post(f"{RULES}/{name}", body))


async def made(server: Server, **asked: Any) -> bool:
    answer = await server.write(CREATE, policies=["default"], **asked)
    if isinstance(answer, RequestError):
        assert refused(answer) == FULL
        return False
    return True


async def lease(server: WholeServer, path: str) -> str | RequestError:
    """Take a lease as an engine does at a path of the mount kv/."""
    mount = server.live.mounts.by_path("kv")
    assert mount is not None
    try:
        return (await server.live.leases.create(mount, path, None, "key", {})).id
    except RequestError as e:
        return e


def test_rules_are_written_read_listed_kept_and_deleted() -> None:
    async def scenario(server: WholeServer) -> None:
        assert refused(await server.list(RULES)) == ("NotFound", "")
        await rule(server, "all", max_leases=1000)
        await rule(server, "tokens", path="auth/token", max_leases=50)
        await server.token()
        for _ in range(2):
            assert data(await server.list(RULES)) == {"keys": ["all", "tokens"]}
            assert data(await server.read(f"{RULES}/tokens")) == {
                "type": "lease-count",
                "name": "tokens",
                "path": "auth/token/",
                "role": "",
                "max_leases": 50,
                "counter": 2,
                "inheritable": False,
            }
            await server.restart()
        for _ in range(2):
            assert ok(await server.delete(f"{RULES}/tokens")).empty
        assert refused(await server.read(f"{RULES}/tokens")) == ("NotFound", "")

    served(scenario)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({}, "'max_leases' is invalid"),
        ({"max_leases": 0}, "'max_leases' is invalid"),
        ({"max_leases": -1}, "'max_leases' is invalid"),
        ({"max_leases": 1, "role": "r"}, "a lease count quota is for a mount or a path, not for a role"),
        ({"max_leases": 1, "path": "nowhere"}, 'invalid mount path "nowhere/"'),
        ({"max_leases": 1}, 'quota rule with similar properties exists under the name "there"'),
    ],
)
def test_bad_rules_are_refused(body: dict[str, Any], text: str) -> None:
    async def scenario(server: WholeServer) -> None:
        await rule(server, "there", max_leases=10)
        assert refused(await server.post(f"{RULES}/bad", body)) == ("BadRequest", text)

    served(scenario)


def test_there_are_no_more_tokens_than_allowed_until_one_ends() -> None:
    async def scenario(server: WholeServer) -> None:
        token = await server.token()
        await rule(server, path=CREATE, max_leases=4)  # the root token and this one are there
        assert [await made(server) for _ in range(3)] == [True, True, False]
        assert await made(server, type="batch")
        ok(await server.write("auth/token/revoke", token=token))
        assert not await made(server)  # counted a moment ago
        server.clock.advance(RECOUNT_SECONDS)
        assert [await made(server) for _ in range(2)] == [True, False]
        ok(await server.delete(f"{RULES}/r"))
        assert await made(server)

    served(scenario)


def test_after_a_restart_what_is_there_is_counted() -> None:
    async def scenario(server: WholeServer) -> None:
        await rule(server, path="auth/token", max_leases=3)
        assert [await made(server) for _ in range(3)] == [True, True, False]
        await server.restart()
        assert not await made(server)

    served(scenario)


def test_a_larger_maximum_counts_at_once_and_a_smaller_one_ends_nothing() -> None:
    async def scenario(server: WholeServer) -> None:
        await rule(server, path="auth/token", max_leases=2)
        token = await server.token()
        assert not await made(server)
        await rule(server, path="auth/token", max_leases=3)
        assert [await made(server) for _ in range(2)] == [True, False]
        await rule(server, path="auth/token", max_leases=1)
        assert not await made(server)
        ok(await server.read("auth/token/lookup-self", token))

    served(scenario)


@pytest.mark.parametrize(
    ("path", "full", "free"),
    [
        ("", ["kv/a", "kv/b"], []),
        ("kv", ["kv/a", "kv/b"], []),
        ("kv/a", ["kv/a"], ["kv/ab", "kv/a/b", "kv/b"]),
        ("kv/a*", ["kv/a", "kv/ab", "kv/a/b"], ["kv/b"]),
    ],
)
def test_a_rule_is_about_what_it_says(path: str, full: list[str], free: list[str]) -> None:
    async def scenario(server: WholeServer) -> None:
        ok(await server.write("sys/mounts/kv", type="kv"))
        there = data(await server.read("sys/internal/counters/tokens"))["counters"]["service_tokens"]["total"]
        assert isinstance(await lease(server, full[0]), str)
        await rule(server, path=path, max_leases=1 if path else 1 + there)
        for each in full:
            assert refused(await lease(server, each)) == (  # type: ignore[arg-type]
                "TooManyRequests",
                f'request path "{each}": lease count quota exceeded',
            )
        for each in free:
            assert isinstance(await lease(server, each), str), each

    served(scenario)
