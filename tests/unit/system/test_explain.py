"""What decides about a token's right, told to those who may know."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from tests.unit.auth.own_server import data, ok, refused
from tests.unit.system.whole import WholeServer, limited, served

from strongroom.core.identity_entities import put_entity
from strongroom.core.identity_model import ENTITY, Entity

EXPLAIN = "sys/internal/explain"
READER = 'path "secret/data/app" {\n  capabilities = ["read"]\n}\n'
DENIER = '# none of it\n\npath "secret/data/app" {\n  capabilities = ["deny"]\n}\n'
PICKY = 'path "cubbyhole/a" {\n  capabilities = ["create", "update"]\n  required_parameters = ["why"]\n}\n'
MOUNTS = 'path "sys/raw/*" {\n  capabilities = ["read"]\n}\npath "sys/rotate" { capabilities = ["update", "sudo"] }'
POLICIES = {"reader": READER, "denier": DENIER, "picky": PICKY, "mounts": MOUNTS}


async def explained(server: WholeServer, policies: list[str], **asked: Any) -> dict[str, Any]:
    for name, text in POLICIES.items():
        await server.policy(name, text)
    token = await server.token(policies=policies, no_default_policy=True)
    answer = data(await server.post(EXPLAIN, {"token": token, **asked}))
    assert isinstance(answer, dict)
    return answer


@pytest.mark.parametrize(
    ("policies", "operation", "path", "allowed", "sources", "reason"),
    [
        (["reader"], "read", "secret/data/app", True, [("reader", 1)], "(policy reader line 1) grants"),
        (["reader"], "update", "secret/data/app", False, [("reader", 1)], "grants read, not update"),
        (["reader"], "read", "secret/data/other", False, [], "no policy has a rule for"),
        (["reader", "denier"], "read", "secret/data/app", False, [("denier", 3), ("reader", 1)], "denies everything"),
        (["picky"], "update", "cubbyhole/a", False, [("picky", 1)], '"why" is required'),
        (["mounts"], "read", "sys/raw/core", False, [("mounts", 1)], "not sudo, which this endpoint needs"),
        (["mounts"], "sudo", "sys/rotate", True, [("mounts", 4)], "grants sudo"),
        (["mounts"], "sudo", "sys/raw/core", False, [("mounts", 1)], "does not grant sudo"),
        (["mounts"], "read", "sys/health", True, [], "needs no token"),
        (["root"], "delete", "anything", True, [], "root policy"),
    ],
)  # fmt: skip
def test_the_rule_that_decides_is_named(
    policies: list[str], operation: str, path: str, allowed: bool, sources: list[tuple[str, int]], reason: str
) -> None:
    async def scenario(server: WholeServer) -> None:
        answer = await explained(server, policies, operation=operation, path=path)
        assert answer["allowed"] is allowed
        assert sorted((source["policy"], source["line"]) for source in answer["sources"]) == sources
        assert reason in answer["reason"]
        assert bool(answer["missing"]) is not allowed or operation == "sudo"

    served(scenario)


def test_parameters_are_judged_when_they_are_given() -> None:
    async def scenario(server: WholeServer) -> None:
        asked = {"operation": "update", "path": "cubbyhole/a", "parameters": {"why": "because"}}
        answer = await explained(server, ["picky"], **asked)
        assert (answer["allowed"], answer["mount"]) == (True, "cubbyhole/")
        assert "because" not in str(answer)

    served(scenario)


def test_the_token_may_be_named_by_its_accessor_or_be_the_callers_own() -> None:
    async def scenario(server: WholeServer) -> None:
        answer = ok(await server.write("auth/token/create", policies=["default"], display_name="app"))
        assert answer.auth is not None
        by_accessor = data(await server.post(EXPLAIN, {"accessor": answer.auth.accessor, "path": "sys/mounts"}))
        assert (by_accessor["display_name"], by_accessor["policies"]) == ("token-app", ["default"])
        own = data(await server.post(EXPLAIN, {"path": "sys/mounts"}))
        assert own["policies"] == ["root"]

    served(scenario)


def test_what_a_listing_would_ask_is_asked() -> None:
    async def scenario(server: WholeServer) -> None:
        text = 'path "secret/metadata/" { capabilities = ["list"] }'
        await server.policy("lister", text)
        token = await server.token(policies=["lister"])
        answer = data(await server.post(EXPLAIN, {"token": token, "operation": "list", "path": "secret/metadata"}))
        assert (answer["allowed"], answer["path"]) == (True, "secret/metadata/")

    served(scenario)


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"path": "/"},
        {"path": "a", "operation": "fly"},
        {"path": "a", "token": "hvs.none"},
        {"path": "a", "accessor": "none"},
        {"path": "a", "token": "root", "accessor": "x"},
    ],
)
def test_a_question_that_cannot_be_answered_is_refused(asked: dict[str, Any]) -> None:
    async def scenario(server: WholeServer) -> None:
        assert refused(await server.post(EXPLAIN, asked))[0] == "BadRequest"

    served(scenario)


def test_it_needs_sudo() -> None:
    async def scenario(server: WholeServer) -> None:
        plain, sudo = await limited(server, "update"), await limited(server, "update", "sudo")
        assert refused(await server.post(EXPLAIN, {"path": "a"}, plain))[0] == "PermissionDenied"
        ok(await server.post(EXPLAIN, {"path": "a"}, sudo))

    served(scenario)


def test_policies_of_the_tokens_entity_count_and_its_end_is_said() -> None:
    async def scenario(server: WholeServer) -> None:
        await server.policy("own", READER)
        ok(await server.write("sys/auth/approle", type="approle"))
        ok(await server.write("auth/approle/role/r", bind_secret_id=False, token_bound_cidrs="127.0.0.0/8"))
        role = data(await server.read("auth/approle/role/r/role-id"))["role_id"]
        auth = ok(await server.write("auth/approle/login", role_id=role)).auth
        assert auth is not None
        asked = {"path": "secret/data/app", "token": auth.client_token}
        assert data(await server.post(EXPLAIN, asked))["policies"] == ["default"]
        await changed(server, auth.entity_id, policies=("own",))
        answer = data(await server.post(EXPLAIN, asked))
        assert (answer["allowed"], answer["policies"]) == (True, ["default", "own"])
        await changed(server, auth.entity_id, disabled=True)
        answer = data(await server.post(EXPLAIN, asked))
        assert (answer["allowed"], answer["reason"]) == (False, "the token's entity is disabled or deleted")

    served(scenario)


async def changed(server: WholeServer, entity_id: str, **changes: Any) -> None:
    tx, identity = server.live.transaction(), server.live.identity
    entity = await tx.load(ENTITY + entity_id, Entity)
    assert entity is not None
    await put_entity(identity.salt, tx, entity, msgspec.structs.replace(entity, **changes))
    await tx.commit()
