"""AppRole through the pipeline: roles, secret ids, logins, renewals, and what is left behind."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.auth.own_server import Server, data, idle, ok, played, refused

from strongroom.api.messages import Operation
from strongroom.auth.approle.secret_ids import parse_metadata
from strongroom.errors import BadRequest

AT = "auth/approle"


async def role(server: Server, name: str = "ci", **params: Any) -> str:
    """Make a role; returns its role id."""
    if server.live.mounts.by_path(AT) is None:
        ok(await server.write("sys/auth/approle", type="approle"))
    ok(await server.write(f"{AT}/role/{name}", **params))
    text: str = data(await server.read(f"{AT}/role/{name}/role-id"))["role_id"]
    return text


async def secret(server: Server, name: str = "ci", **params: Any) -> dict[str, Any]:
    made: dict[str, Any] = data(await server.write(f"{AT}/role/{name}/secret-id", **params))
    return made


async def login(server: Server, role_id: str, secret_id: str, address: str = "127.0.0.1") -> Any:
    return await server.ask(Operation.UPDATE, f"{AT}/login", "", address=address, role_id=role_id, secret_id=secret_id)


async def stored(server: Server) -> list[str]:
    mount = server.live.mounts.by_path(AT)
    assert mount is not None
    return [key.removeprefix(mount.prefix) async for key, _ in server.live.barrier.scan(mount.prefix)]


async def tidied(server: Server) -> None:
    ok(await server.write(f"{AT}/tidy/secret-id"))
    await idle(server)


def test_no_role_id_secret_id_or_accessor_is_in_a_key() -> None:
    async def scenario(server: Server) -> None:
        role_id = await role(server)
        made = await secret(server)
        ok(await login(server, role_id, made["secret_id"]))
        mount = server.live.mounts.by_path(AT)
        assert mount is not None
        async for key, value in server.live.barrier.scan(mount.prefix):
            assert made["secret_id"] not in key
            assert role_id not in key
            assert made["secret_id_accessor"] not in key
            assert made["secret_id"].encode() not in value

    played(scenario)


def test_of_many_logins_at_once_only_as_many_succeed_as_there_are_uses() -> None:
    async def scenario(server: Server) -> None:
        role_id = await role(server, secret_id_num_uses=3)
        made = await secret(server)
        answers = await asyncio.gather(*(login(server, role_id, made["secret_id"]) for _ in range(10)))
        assert sum(not isinstance(answer, Exception) for answer in answers) == 3
        assert not [key for key in await stored(server) if key.startswith(("secret/", "accessor/"))]

    played(scenario)


def test_a_failed_login_spends_no_use() -> None:
    async def scenario(server: Server) -> None:
        role_id = await role(server, secret_id_num_uses=1, token_policies="root")
        made = await secret(server)
        assert refused(await login(server, role_id, made["secret_id"]))[0] == "BadRequest"
        ok(await server.write(f"{AT}/role/ci", token_policies="p"))
        ok(await login(server, role_id, made["secret_id"]))

    played(scenario)


def test_a_secret_id_of_another_role_is_worth_nothing() -> None:
    async def scenario(server: Server) -> None:
        await role(server, "a")
        other = await role(server, "b")
        made = await secret(server, "a")
        error = await login(server, other, made["secret_id"])
        assert refused(error) == ("InvalidCredentials", "invalid role or secret ID")
        assert "no such secret id" in error.reason

    played(scenario)


def test_an_expired_secret_id_is_refused_at_once_and_says_why_inside() -> None:
    async def scenario(server: Server) -> None:
        role_id = await role(server, secret_id_ttl="10s")
        made = await secret(server)
        server.clock.advance(12)
        error = await login(server, role_id, made["secret_id"])
        assert refused(error) == ("InvalidCredentials", "invalid role or secret ID")
        assert "expired 2 s ago" in error.reason
        assert refused(await server.list(f"{AT}/role/ci/secret-id"))[0] == "NotFound"

    played(scenario)


def test_tidy_removes_what_has_expired_and_nothing_else() -> None:
    async def scenario(server: Server) -> None:
        role_id = await role(server)
        for _ in range(5):
            await secret(server, ttl="10s")
        kept = await secret(server)
        server.clock.advance(11)
        await tidied(server)
        assert len([key for key in await stored(server) if key.startswith("secret/")]) == 1
        assert len([key for key in await stored(server) if key.startswith("accessor/")]) == 1
        ok(await login(server, role_id, kept["secret_id"]))

    played(scenario)


def test_a_deleted_role_takes_its_secret_ids_along_and_a_new_one_of_its_name_starts_empty() -> None:
    async def scenario(server: Server) -> None:
        role_id = await role(server, role_id="mine")
        made = await secret(server)
        ok(await server.delete(f"{AT}/role/ci"))
        assert refused(await login(server, role_id, made["secret_id"]))[0] == "InvalidCredentials"
        await role(server, role_id="mine")
        assert refused(await login(server, "mine", made["secret_id"]))[0] == "InvalidCredentials"
        await idle(server)
        assert not [key for key in await stored(server) if key.startswith(("secret/", "accessor/"))]

    played(scenario)


def test_a_role_id_that_is_changed_no_longer_logs_in() -> None:
    async def scenario(server: Server) -> None:
        old = await role(server)
        made = await secret(server)
        ok(await server.write(f"{AT}/role/ci/role-id", role_id="new"))
        assert refused(await login(server, old, made["secret_id"]))[0] == "InvalidCredentials"
        ok(await login(server, "new", made["secret_id"]))

    played(scenario)


@pytest.mark.parametrize(
    ("on_role", "on_secret", "address", "text"),
    [
        ({"secret_id_bound_cidrs": "10.0.0.0/8"}, {}, "192.168.0.1", "on the role"),
        ({}, {"cidr_list": "10.0.0.0/8"}, "192.168.0.1", "on the secret ID"),
        ({"secret_id_bound_cidrs": "10.0.0.0/8"}, {"cidr_list": "10.1.0.0/16"}, "10.2.0.1", "on the secret ID"),
    ],
)
def test_logins_from_elsewhere_are_refused(
    on_role: dict[str, str], on_secret: dict[str, str], address: str, text: str
) -> None:
    async def scenario(server: Server) -> None:
        role_id = await role(server, **on_role)
        made = await secret(server, **on_secret)
        assert text in refused(await login(server, role_id, made["secret_id"], address))[1]

    played(scenario)


def test_networks_of_a_secret_id_that_its_role_no_longer_covers_are_refused_at_login() -> None:
    async def scenario(server: Server) -> None:
        role_id = await role(server)
        made = await secret(server, cidr_list="10.0.0.0/8")
        ok(await server.write(f"{AT}/role/ci", secret_id_bound_cidrs="10.1.0.0/16"))
        name, text = refused(await login(server, role_id, made["secret_id"], "10.1.1.1"))
        assert name == "InternalError"
        assert "failed to verify subset relationship" in text

    played(scenario)


def test_tokens_and_alias_carry_the_secret_ids_metadata() -> None:
    async def scenario(server: Server) -> None:
        role_id = await role(server)
        made = await secret(server, metadata='{"build": "42"}')
        auth = ok(await login(server, role_id, made["secret_id"])).auth
        assert auth is not None
        assert auth.metadata == {"build": "42", "role_name": "ci"}
        entity = data(await server.read(f"identity/entity/id/{auth.entity_id}"))
        (alias,) = entity["aliases"]
        assert (alias["name"], alias["metadata"]) == (role_id, {"build": "42", "role_name": "ci"})

    played(scenario)


def test_a_role_id_is_locked_after_too_many_wrong_secret_ids() -> None:
    async def scenario(server: Server) -> None:
        role_id = await role(server)
        made = await secret(server)
        for _ in range(5):
            assert refused(await login(server, role_id, "wrong"))[0] == "InvalidCredentials"
        assert refused(await login(server, role_id, made["secret_id"])) == ("PermissionDenied", "permission denied")
        server.clock.advance(900)
        ok(await login(server, role_id, made["secret_id"]))

    played(scenario)


@pytest.mark.parametrize(
    ("field", "parameter", "value", "shown", "reset"),
    [
        ("policies", "token_policies", ["b", "a"], ["b", "a"], []),
        ("period", "token_period", "15m", 900, 0),
        ("secret-id-num-uses", "secret_id_num_uses", 5, 5, 0),
        ("secret-id-ttl", "secret_id_ttl", "3h", 10800, 0),
        ("token-ttl", "token_ttl", "10m", 600, 0),
        ("token-max-ttl", "token_max_ttl", "20m", 1200, 0),
        ("token-num-uses", "token_num_uses", 2, 2, 0),
        ("secret-id-bound-cidrs", "secret_id_bound_cidrs", ["10.0.0.0/8"], ["10.0.0.0/8"], None),
        ("token-bound-cidrs", "token_bound_cidrs", ["10.0.0.1/32"], ["10.0.0.1"], None),
        ("bound-cidr-list", "bound_cidr_list", ["10.0.0.0/8"], ["10.0.0.0/8"], None),
    ],
)
def test_every_field_has_an_endpoint(field: str, parameter: str, value: Any, shown: Any, reset: Any) -> None:
    async def scenario(server: Server) -> None:
        await role(server)
        path = f"{AT}/role/ci/{field}"
        ok(await server.write(path, **{parameter: value}))
        assert data(await server.read(path))[parameter] == shown
        ok(await server.delete(path))
        assert data(await server.read(path))[parameter] == reset

    played(scenario)


def test_a_renewal_follows_the_role_but_not_its_explicit_maximum() -> None:
    async def scenario(server: Server) -> None:
        role_id = await role(server, token_ttl="1h", token_explicit_max_ttl="2h")
        made = await secret(server)
        auth = ok(await login(server, role_id, made["secret_id"])).auth
        assert auth is not None
        ok(await server.write(f"{AT}/role/ci", token_ttl="5m", token_explicit_max_ttl="10h"))
        renewed = ok(await server.write("auth/token/renew-self", by=auth.client_token)).auth
        assert renewed is not None
        assert renewed.lease_duration == 300
        renewed = ok(await server.write("auth/token/renew-self", by=auth.client_token, increment="9h")).auth
        assert renewed is not None
        assert renewed.lease_duration == 7200

    played(scenario)


@pytest.mark.parametrize(
    ("text", "metadata"),
    [("", {}), ('{"a": "b"}', {"a": "b"}), ("a=b", {"a": "b"}), ("a=b, c = d=e", {"a": "b", "c": "d=e"})],
)
def test_metadata_is_an_object_or_pairs(text: str, metadata: dict[str, str]) -> None:
    assert parse_metadata(text) == metadata


@given(st.text())
def test_no_metadata_crashes(text: str) -> None:
    with contextlib.suppress(BadRequest):
        assert all(isinstance(value, str) for value in parse_metadata(text).values())


# -- Searching ---------------------------------------------------------------------------------------------------------

SEARCH = f"{AT}/role/ci/secret-id/search"


@pytest.mark.parametrize(
    ("metadata", "found"),
    [
        ({}, ["a", "b", "c"]),
        ({"env": "prod"}, ["a", "b"]),
        ({"env": "prod", "team": "x"}, ["a"]),
        ({"env": "pro*"}, ["a", "b"]),
        ({"team": "*"}, ["a", "c"]),
        ("env=prod,team=x", ["a"]),
        ('{"env": "test"}', ["c"]),
        ({"env": "production"}, []),
        ({"nothing": "prod"}, []),
    ],
)
@pytest.mark.parametrize("operation", [Operation.UPDATE, Operation.LIST])
def test_secret_ids_are_found_by_their_metadata(metadata: Any, found: list[str], operation: Operation) -> None:
    async def scenario(server: Server) -> None:
        await role(server)
        known = {}
        for name, text in (("a", "env=prod,team=x"), ("b", "env=prod"), ("c", "env=test,team=y")):
            known[(await secret(server, metadata=text))["secret_id_accessor"]] = name
        path = SEARCH + ("/" if operation is Operation.LIST else "")
        answer = data(await server.ask(operation, path, metadata=metadata))
        assert sorted(known[accessor] for accessor in answer["keys"]) == found
        assert list(answer["key_info"]) == answer["keys"]
        assert answer["next"] == ""
        for accessor in answer["keys"]:
            looked_up = data(await server.write(f"{AT}/role/ci/secret-id-accessor/lookup", secret_id_accessor=accessor))
            assert answer["key_info"][accessor] == looked_up

    played(scenario)


def test_a_search_goes_on_where_it_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("strongroom.auth.approle.search.LOOKED_AT", 3)

    async def scenario(server: Server) -> None:
        await role(server)
        made = {(await secret(server, metadata="env=prod"))["secret_id_accessor"] for _ in range(8)}
        for _ in range(5):
            await secret(server, metadata="env=test")
        for limit in (0, 1, 2, 100):
            seen, following, rounds = [], "", 0
            while rounds == 0 or following:
                answer = data(await server.write(SEARCH, metadata="env=prod", limit=limit, after=following))
                seen += answer["keys"]
                following, rounds = answer["next"], rounds + 1
                assert len(answer["keys"]) <= (min(limit, 3) or 3)
            assert sorted(seen) == sorted(made)

    played(scenario)


def test_a_search_finds_nothing_expired() -> None:
    async def scenario(server: Server) -> None:
        await role(server)
        await secret(server, ttl="5s", metadata="env=prod")
        server.clock.advance(6)
        assert data(await server.write(SEARCH, metadata="env=prod")) == {"keys": [], "key_info": {}, "next": ""}

    played(scenario)


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({"metadata": 1}, "metadata is neither an object of texts nor 'key=value,...'"),
        ({"metadata": "x"}, "metadata is neither an object of texts nor 'key=value,...'"),
        ({"metadata": {"a": {}}}, "metadata is neither an object of texts nor 'key=value,...'"),
        ({"metadata": {str(n): "" for n in range(65)}}, "metadata has at most 64 pairs"),
        ({"after": "../x"}, "after is not the next of an answer"),
    ],
)
def test_searches_that_cannot_be(params: dict[str, Any], text: str) -> None:
    async def scenario(server: Server) -> None:
        await role(server)
        assert refused(await server.write(SEARCH, **params)) == ("BadRequest", text)

    played(scenario)
