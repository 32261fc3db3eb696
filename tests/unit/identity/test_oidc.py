"""Identity tokens: made for entities, verified by anybody, with keys that rotate."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.auth.own_server import Server, data, ok, played, refused
from tests.unit.identity.test_identity import enable, login

from strongroom.api.messages import Operation
from strongroom.auth.jose import BadJWT, keys_from_jwks, parse, verify
from strongroom.core.identity_model import Alias, Entity, Group
from strongroom.core.identity_view import EntityView
from strongroom.errors import BadRequest
from strongroom.identity.oidc_model import KEY, NamedKey
from strongroom.identity.oidc_signing import ALGORITHMS, generate, jwk, sign
from strongroom.identity.oidc_template import RESTRICTED, check, fill

TOKEN = 'path "identity/oidc/token/*" { capabilities = ["read"] }'


async def prepared(server: Server, **role: Any) -> str:
    """A key, a role and a login; returns the login's token."""
    await enable(server, "m")
    await server.policy("p", TOKEN)
    key = {"allowed_client_ids": "*", "algorithm": "ES256", "rotation_period": "1h", "verification_ttl": "30m"}
    ok(await server.write("identity/oidc/key/k", **key))
    ok(await server.write("identity/oidc/role/r", **{"key": "k", "ttl": "10m", "client_id": "app", **role}))
    return (await login(server)).client_token


async def made(server: Server, by: str) -> str:
    text: str = data(await server.read("identity/oidc/token/r", by=by))["token"]
    return text


async def published(server: Server) -> Any:
    answer = ok(await server.ask(Operation.READ, "identity/oidc/.well-known/keys", ""))
    assert isinstance(answer.bare, dict)
    return keys_from_jwks(answer.bare)


async def active(server: Server, token: str, **more: Any) -> tuple[bool, str]:
    answer = ok(await server.write("identity/oidc/introspect", token=token, **more)).bare
    assert isinstance(answer, dict)
    return answer["active"], answer.get("error", "")


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_what_is_signed_is_verified_by_what_is_published(alg: str) -> None:
    key = generate(alg)
    (public,) = keys_from_jwks({"keys": [jwk(key)]})
    token = sign(key, {"sub": "é"})
    verify(parse(token), [public])
    head, _, signature = token.split(".")
    other = sign(key, {"sub": "b"}).split(".")[1]
    with pytest.raises(BadJWT):
        verify(parse(f"{head}.{other}.{signature}"), [public])


def test_a_token_says_who_and_for_whom() -> None:
    async def scenario(server: Server) -> None:
        by = await prepared(server, template='{"n": {{identity.entity.name}}, "g": {{identity.entity.groups.names}}}')
        token = await made(server, by)
        verify(parse(token), await published(server))
        claims = parse(token).claims
        now = int(server.clock.now())
        entity = data(await server.read("auth/token/lookup-self", by=by))["entity_id"]
        assert claims["sub"] == entity
        assert (claims["aud"], claims["iat"], claims["exp"], claims["g"]) == ("app", now, now + 600, [])
        assert claims["n"].startswith("entity_")
        assert claims["iss"].endswith("/v1/identity/oidc")

    played(scenario)


def test_a_rotated_key_verifies_for_a_while_and_the_next_is_known_before_it_signs() -> None:
    async def scenario(server: Server) -> None:
        by = await prepared(server)
        first = await made(server, by)
        before = {key.kid for key in await published(server)}
        assert len(before) == 2
        server.clock.advance(3600)
        second = await made(server, by)
        assert parse(first).kid != parse(second).kid
        assert parse(second).kid in before
        assert len(await published(server)) == 3
        verify(parse(first), await published(server))
        server.clock.advance(1800)
        with pytest.raises(BadJWT):
            verify(parse(first), await published(server))
        verify(parse(second), await published(server))

    played(scenario)


def test_a_rotation_by_hand_can_end_the_old_key_at_once() -> None:
    async def scenario(server: Server) -> None:
        by = await prepared(server)
        token = await made(server, by)
        assert await active(server, token) == (True, "")
        ok(await server.write("identity/oidc/key/k/rotate", verification_ttl=0))
        assert not (await active(server, token))[0]

    played(scenario)


def test_no_private_half_of_a_retired_key_is_kept() -> None:
    async def scenario(server: Server) -> None:
        by = await prepared(server)
        await made(server, by)
        ok(await server.write("identity/oidc/key/k/rotate"))
        ok(await server.write("identity/oidc/key/k", algorithm="EdDSA"))
        await made(server, by)
        mount = server.live.mounts.only("identity")
        key = await server.live.transaction().load(f"{mount.prefix}{KEY}k", NamedKey)
        assert key is not None
        assert [bool(one.private) for one in key.ring] == [True, True, False, False]
        assert [one.alg for one in key.ring] == ["EdDSA", "EdDSA", "ES256", "ES256"]
        assert "private" not in repr(key)

    played(scenario)


def test_introspection_says_why_a_token_is_no_good() -> None:
    async def scenario(server: Server) -> None:
        by = await prepared(server)
        token = await made(server, by)
        entity = parse(token).claims["sub"]
        assert await active(server, token, client_id="app") == (True, "")
        assert "audience" in (await active(server, token, client_id="other"))[1]
        assert not (await active(server, "rubbish"))[0]
        ok(await server.write(f"identity/entity/id/{entity}", disabled=True))
        assert await active(server, token) == (False, "entity is disabled")
        ok(await server.delete(f"identity/entity/id/{entity}"))
        assert await active(server, token) == (False, "entity was not found")

    played(scenario)


def test_a_client_that_the_key_does_not_list_gets_no_token() -> None:
    async def scenario(server: Server) -> None:
        by = await prepared(server)
        ok(await server.write("identity/oidc/key/k", allowed_client_ids="other"))
        assert "allowed client ID" in refused(await server.read("identity/oidc/token/r", by=by))[1]
        ok(await server.write("identity/oidc/key/k", allowed_client_ids="other,app"))
        await made(server, by)

    played(scenario)


@pytest.mark.parametrize(
    "issuer",
    [
        "example.com",
        "ftp://a",
        "https://",
        "https://a/",
        "https://a/b",
        "https://a?b",
        "https://u@a",
        "https://a:x",
        "a b",
    ],
)
def test_an_issuer_is_scheme_host_and_port(issuer: str) -> None:
    async def scenario(server: Server) -> None:
        assert refused(await server.write("identity/oidc/config", issuer=issuer))[0] == "BadRequest"

    played(scenario)


VIEW = EntityView(
    Entity(
        "e1",
        'a"n',
        0,
        0,
        aliases=(Alias("a1", "login", "acc", "f", 0, 0, metadata={"x": "y"}),),
        metadata={"team": "core"},
    ),
    [Group("g1", "eng", 0, 0)],
)


@pytest.mark.parametrize(
    ("template", "claims"),
    [
        ("", {}),
        ('{"a": {{identity.entity.name}}}', {"a": 'a"n'}),
        ('{"a": {{ identity.entity.metadata }}}', {"a": {"team": "core"}}),
        ('{"a": {{identity.entity.metadata.team}}, "b": {{identity.entity.metadata.none}}}', {"a": "core", "b": ""}),
        ('{"a": {{identity.entity.groups.ids}}, "b": {{identity.entity.groups.names}}}', {"a": ["g1"], "b": ["eng"]}),
        ('{"a": {{identity.entity.aliases.acc.metadata}}}', {"a": {"x": "y"}}),
        ('{"a": {{identity.entity.aliases.acc.name}}}', {"a": "login"}),
        ('{"a": {{time.now}}, "b": {{time.now.plus.1h}}, "c": {{time.now.minus.10}}}', {"a": 100, "b": 3700, "c": 90}),
    ],
)
def test_templates(template: str, claims: dict[str, Any]) -> None:
    if template:
        check(template)
    assert fill(template, VIEW, 100) == claims


@pytest.mark.parametrize(
    "template",
    [
        "[]",
        '{"a": ',
        '{"a": {{identity.entity.name}}',
        '{"a": {{nosuch}}}',
        '{"a": {{time.now.plus.x}}}',
        '"{{identity.entity.name}}"',
        *(f'{{"{name}": 1}}' for name in RESTRICTED),
    ],
)
def test_templates_that_cannot_be_are_refused(template: str) -> None:
    with pytest.raises(BadRequest):
        check(template)


@given(st.text() | st.text('{}"identity.name: ,[]1'))
def test_no_template_crashes_and_what_is_accepted_can_be_filled_in(template: str) -> None:
    with contextlib.suppress(BadRequest):
        check(template)
        assert isinstance(fill(template, VIEW, 0), dict)
