"""The identity store through the pipeline: who a token belongs to, and what follows from that at once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.unit.auth.own_server import Server, data, ok, played, refused

from strongroom.api.messages import Auth, Operation, Request
from strongroom.core import slices
from strongroom.core.identity_model import PREFIX, Alias, Entity, Group
from strongroom.core.identity_view import EntityView
from strongroom.core.locks import HeldLocks
from strongroom.errors import PermissionDenied
from strongroom.identity import engine
from strongroom.pipeline import handle

READER = 'path "cubbyhole/x" { capabilities = ["deny"] }\npath "sys/mounts" { capabilities = ["read"] }'


async def enable(server: Server, *paths: str) -> None:
    for path in paths:
        ok(await server.write(f"sys/auth/{path}", type="approle"))


async def login(server: Server, path: str = "m", name: str = "ann", **more: Any) -> Auth:
    """A login of a mount's `name`, as a method ends it: without going through one."""
    live = server.live
    mount = live.mounts.by_path(f"auth/{path}/")
    assert mount is not None
    auth = Auth(policies=["p"], alias_name=name, **more)
    tx, held = live.transaction(), HeldLocks(live.locks)
    try:
        view = await live.identity.login(tx, held, auth, mount)
        auth.entity_id = view.entity.id
        await live.tokens.register_login(tx, auth, mount, f"auth/{path}/login")
        await tx.commit()
    finally:
        held.release()
    return auth


async def accessor(server: Server, path: str = "m") -> str:
    mount = server.live.mounts.by_path(f"auth/{path}/")
    assert mount is not None
    return mount.info.accessor


async def entity(server: Server, **params: Any) -> str:
    made: str = data(await server.write("identity/entity", **params))["id"]
    return made


async def group(server: Server, **params: Any) -> str:
    made: str = data(await server.write("identity/group", **params))["id"]
    return made


async def alias(server: Server, owner: str, name: str = "ann", path: str = "m", **more: Any) -> str:
    made: str = data(
        await server.write(
            "identity/entity-alias",
            name=name,
            mount_accessor=await accessor(server, path),
            canonical_id=owner,
            **more,
        )
    )["id"]
    return made


# -- Logins ------------------------------------------------------------------------------------------------------------


def test_first_logins_at_once_make_one_entity() -> None:
    async def scenario(server: Server) -> None:
        await enable(server, "m")
        auths = await asyncio.gather(*(login(server) for _ in range(10)))
        assert len({auth.entity_id for auth in auths}) == 1
        assert len(data(await server.list("identity/entity/id"))["keys"]) == 1

    played(scenario)


def test_the_same_name_at_another_mount_is_somebody_else() -> None:
    async def scenario(server: Server) -> None:
        await enable(server, "m", "n")
        assert (await login(server, "m")).entity_id != (await login(server, "n")).entity_id

    played(scenario)


def test_names_of_logins_count_in_the_case_that_the_method_gives() -> None:
    async def scenario(server: Server) -> None:
        await enable(server, "m")
        assert (await login(server, name="Ann")).entity_id != (await login(server, name="ann")).entity_id

    played(scenario)


def test_a_login_that_brings_the_same_writes_nothing_of_identity() -> None:
    async def scenario(server: Server) -> None:
        await enable(server, "m")
        await login(server, alias_metadata={"a": "b"})
        told: list[str] = []
        stop = server.live.barrier.subscribe(PREFIX, told.append)
        await login(server, alias_metadata={"a": "b"})
        assert not told
        await login(server, alias_metadata={"a": "c"})
        assert told
        stop()

    played(scenario)


def test_nobodys_name_is_in_a_key() -> None:
    async def scenario(server: Server) -> None:
        await enable(server, "m")
        await login(server, name="telltale")
        await entity(server, name="telltale-entity")
        await group(server, name="telltale-group")
        async for key, _ in server.live.barrier.scan(PREFIX):
            assert "telltale" not in key

    played(scenario)


# -- What counts at each request ---------------------------------------------------------------------------------------


def test_policies_of_entity_and_groups_count_at_once_for_tokens_given_before() -> None:
    async def scenario(server: Server) -> None:
        await enable(server, "m")
        await server.policy("reader", READER)
        auth = await login(server)
        token = auth.client_token

        async def may() -> bool:
            return not isinstance(await server.read("sys/mounts", by=token), Exception)

        assert not await may()
        child = await group(server, member_entity_ids=[auth.entity_id])
        parent = await group(server, member_group_ids=[child], policies=["READER"])
        assert await may()
        ok(await server.write(f"identity/group/id/{parent}", policies=[]))
        assert not await may()
        ok(await server.write(f"identity/entity/id/{auth.entity_id}", policies="reader"))
        assert await may()
        assert data(await server.read("auth/token/lookup", token=token))["identity_policies"] == ["reader"]
        ok(await server.write(f"identity/entity/id/{auth.entity_id}", policies=[]))
        assert not await may()

    played(scenario)


@pytest.mark.parametrize("token_type", ["service", "batch"])
def test_a_disabled_or_deleted_entitys_tokens_are_refused(token_type: str) -> None:
    async def scenario(server: Server) -> None:
        await enable(server, "m")
        auth = await login(server, token_type=token_type)
        by, path = auth.client_token, f"identity/entity/id/{auth.entity_id}"
        read = "sys/policies/acl"
        assert refused(await server.list(read, by=by))[0] == "PermissionDenied"
        ok(await server.write(path, disabled=True))
        error = await server.list(read, by=by)
        assert refused(error) == ("BadToken", "permission denied")
        assert "disabled" in error.reason  # type: ignore[union-attr]
        with pytest.raises(PermissionDenied, match="disabled"):
            await login(server)
        ok(await server.write(path, disabled=False))
        assert refused(await server.list(read, by=by))[0] == "PermissionDenied"
        ok(await server.delete(path))
        assert refused(await server.list(read, by=by))[0] == "BadToken"

    played(scenario)


def test_a_disabled_entitys_token_can_do_nothing_by_capabilities_either() -> None:
    async def scenario(server: Server) -> None:
        await enable(server, "m")
        await server.policy("p", READER)
        auth = await login(server)
        asked = {"token": auth.client_token, "paths": ["sys/mounts"]}
        assert data(await server.write("sys/capabilities", **asked))["sys/mounts"] == ["read"]
        ok(await server.write(f"identity/entity/id/{auth.entity_id}", disabled=True))
        assert data(await server.write("sys/capabilities", **asked))["sys/mounts"] == ["deny"]

    played(scenario)


def test_templates_are_filled_in_for_each_and_follow_changes() -> None:
    async def scenario(server: Server) -> None:
        await enable(server, "m")
        await server.policy("p", 'path "kv/{{identity.entity.name}}" { capabilities = ["read"] }')
        ann = await login(server, name="ann")
        bob = await login(server, name="bob")
        for auth, name in ((ann, "ann-e"), (bob, "bob-e")):
            ok(await server.write(f"identity/entity/id/{auth.entity_id}", name=name))

        async def may(auth: Auth) -> Any:
            paths = ["kv/ann-e", "kv/bob-e", "kv/other"]
            told = data(await server.write("sys/capabilities", token=auth.client_token, paths=paths))
            return [path for path in paths if told[path] == ["read"]]

        assert (await may(ann), await may(bob)) == (["kv/ann-e"], ["kv/bob-e"])
        ok(await server.write(f"identity/entity/id/{ann.entity_id}", name="other"))
        assert await may(ann) == ["kv/other"]
        await server.policy("p", 'path "kv/other" { capabilities = ["read"] }')
        assert await may(bob) == ["kv/other"]

    played(scenario)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("identity.entity.id", "e1"),
        ("identity.entity.name", "ann"),
        ("identity.entity.metadata.team", "core"),
        ("identity.entity.metadata.none", None),
        ("identity.entity.aliases.acc.name", "login"),
        ("identity.entity.aliases.acc.metadata.x", "y"),
        ("identity.entity.aliases.acc.custom_metadata.z", "w"),
        ("identity.entity.aliases.other.name", None),
        ("identity.entity.aliases.acc", None),
        ("identity.groups.names.a.b.id", "g1"),
        ("identity.groups.names.a.b.metadata.floor", "3"),
        ("identity.groups.ids.g1.name", "a.b"),
        ("identity.groups.ids.g2.name", None),
        ("identity.groups.odd.g1.name", None),
        ("identity.entity", None),
        ("identity.entity.secret", None),
        ("", None),
    ],
)
def test_template_variables(name: str, value: str | None) -> None:
    login_alias = Alias("a1", "login", "acc", "f", 0, 0, metadata={"x": "y"}, custom_metadata={"z": "w"})
    who = Entity("e1", "ann", 0, 0, aliases=(login_alias,), metadata={"team": "core"})
    view = EntityView(who, [Group("g1", "a.b", 0, 0, metadata={"floor": "3"})])
    assert view.value(name) == value


# -- External groups ---------------------------------------------------------------------------------------------------


def test_logins_say_who_is_in_an_external_group() -> None:
    async def scenario(server: Server) -> None:
        await enable(server, "m", "n")
        by_mount = {}
        for path in ("m", "n"):
            by_mount[path] = await group(server, name=f"ext-{path}", type="external", policies=["ext"])
            ok(
                await server.write(
                    "identity/group-alias",
                    name="admins",
                    mount_accessor=await accessor(server, path),
                    canonical_id=by_mount[path],
                )
            )
        inner = await group(server, name="inner")
        auth = await login(server, group_aliases=["admins", "unknown"])
        ok(await server.write(f"identity/group/id/{inner}", member_entity_ids=[auth.entity_id]))

        async def groups() -> set[str]:
            told = data(await server.read(f"identity/entity/id/{auth.entity_id}"))
            return set(told["direct_group_ids"])

        assert await groups() == {by_mount["m"], inner}
        shown = data(await server.read(f"identity/group/id/{by_mount['m']}"))
        assert shown["member_entity_ids"] == [auth.entity_id]
        await login(server, group_aliases=[])
        assert await groups() == {inner}

    played(scenario)


# -- Entities, aliases and groups point at each other ------------------------------------------------------------------


async def consistent(server: Server) -> None:
    """Every pointer of the store leads to what points back."""
    entries = {key.removeprefix(PREFIX): value async for key, value in server.live.barrier.scan(PREFIX)}
    entities = [data(await server.read(f"identity/entity/id/{k[7:]}")) for k in entries if k.startswith("entity/")]
    by_id = {e["id"]: e for e in entities}
    aliases = {a["id"] for e in entities for a in e["aliases"]}
    assert {k[6:] for k in entries if k.startswith("alias/")} == aliases
    assert sum(k.startswith("factor/") for k in entries) == len(aliases)
    assert sum(k.startswith("entity-name/") for k in entries) == len(entities)
    groups = {k[6:]: data(await server.read(f"identity/group/id/{k[6:]}")) for k in entries if k.startswith("group/")}
    assert sum(k.startswith("group-name/") for k in entries) == len(groups)
    members = {tuple(k[7:].split("/")) for k in entries if k.startswith("member/")}
    assert members == {(g, e["id"]) for e in entities for g in e["direct_group_ids"]}
    assert all(g in groups and e in by_id for g, e in members)
    children = {tuple(k[6:].split("/")) for k in entries if k.startswith("child/")}
    assert children == {(p, g) for g, told in groups.items() for p in told["parent_group_ids"] or ()}
    assert all(p in groups for p, _ in children)


def test_everything_stays_consistent_through_changes() -> None:
    async def scenario(server: Server) -> None:
        await enable(server, "m", "n")
        a, b, c = [await entity(server, name=name) for name in "abc"]
        first = await alias(server, a)
        await alias(server, b, "bob", "n")
        await alias(server, c, "cid", "n")
        top = await group(server, name="top", member_entity_ids=[a, b])
        low = await group(server, name="low", member_entity_ids=[b, c])
        ok(await server.write(f"identity/group/id/{top}", member_group_ids=[low]))
        await consistent(server)
        # An alias moves, is renamed and moves back.
        await alias(server, c, "ann", "m")
        ok(await server.write(f"identity/entity-alias/id/{first}", name="anna"))
        await alias(server, a, "anna", "m")
        await consistent(server)
        # Members change, a group goes, an entity is renamed, merged and deleted.
        ok(await server.write(f"identity/group/id/{top}", member_entity_ids=[c], name="roof"))
        ok(await server.write(f"identity/entity/id/{a}", name="aa"))
        await consistent(server)
        ok(await server.write("identity/entity/merge", from_entity_ids=[b], to_entity_id=a))
        await consistent(server)
        ok(await server.delete(f"identity/group/id/{low}"))
        ok(await server.delete(f"identity/entity-alias/id/{first}"))
        await consistent(server)
        ok(await server.write("identity/entity/batch-delete", entity_ids=[a, c]))
        await consistent(server)
        assert refused(await server.list("identity/entity-alias/id"))[0] == "NotFound"

    played(scenario)


def test_tokens_of_a_merged_entity_belong_to_the_one_that_stays() -> None:
    async def scenario(server: Server) -> None:
        await enable(server, "m", "n")
        await server.policy("reader", READER)
        gone, stays = await login(server, "m"), await login(server, "n")
        ok(await server.write(f"identity/entity/id/{stays.entity_id}", policies=["reader"]))
        assert refused(await server.read("sys/mounts", by=gone.client_token))[0] == "PermissionDenied"
        asked = {"from_entity_ids": [gone.entity_id], "to_entity_id": stays.entity_id}
        ok(await server.write("identity/entity/merge", **asked))
        ok(await server.read("sys/mounts", by=gone.client_token))
        assert (await login(server, "m")).entity_id == stays.entity_id
        ok(await server.delete(f"identity/entity/id/{stays.entity_id}"))
        assert refused(await server.read("sys/mounts", by=gone.client_token))[0] == "BadToken"

    played(scenario)


def test_two_aliases_at_one_mount_are_merged_only_when_it_is_said_which_stays() -> None:
    async def scenario(server: Server) -> None:
        await enable(server, "m")
        a, b = [await entity(server, name=name) for name in "ab"]
        mine, other = await alias(server, a, "x"), await alias(server, b, "y")
        asked: dict[str, Any] = {"from_entity_ids": [b], "to_entity_id": a}
        assert "same mount accessor" in refused(await server.write("identity/entity/merge", **asked))[1]
        ok(await server.write("identity/entity/merge", **asked, conflicting_alias_ids_to_keep=[other]))
        kept = data(await server.read(f"identity/entity/id/{a}"))["aliases"]
        assert [one["id"] for one in kept] == [other]
        assert refused(await server.read(f"identity/entity-alias/id/{mine}"))[0] == "NotFound"
        await consistent(server)

    played(scenario)


def test_an_entity_has_one_alias_at_a_mount() -> None:
    async def scenario(server: Server) -> None:
        await enable(server, "m")
        owner = await entity(server)
        await alias(server, owner, "x")
        answer = await server.write(
            "identity/entity-alias", name="y", mount_accessor=await accessor(server), canonical_id=owner
        )
        assert "already exists" in refused(answer)[1]

    played(scenario)


def test_a_group_is_not_in_itself_by_way_of_others() -> None:
    async def scenario(server: Server) -> None:
        a = await group(server, name="a")
        b = await group(server, name="b", member_group_ids=[a])
        c = await group(server, name="c", member_group_ids=[b])
        answer = await server.write(f"identity/group/id/{a}", member_group_ids=[c])
        assert refused(answer) == ("BadRequest", f'cyclic relationship detected for member group ID "{c}"')
        await consistent(server)

    played(scenario)


def test_a_refused_change_changes_nothing() -> None:
    async def scenario(server: Server) -> None:
        a = await entity(server, name="a")
        assert refused(await server.write("identity/group", name="g", member_entity_ids=[a, "nosuch"]))[0]
        assert refused(await server.read("identity/group/name/g"))[0] == "NotFound"
        assert data(await server.read(f"identity/entity/id/{a}"))["group_ids"] == []
        await consistent(server)

    played(scenario)


def test_an_alias_outlives_its_mount_without_path_and_type() -> None:
    async def scenario(server: Server) -> None:
        await enable(server, "m")
        auth = await login(server)
        ok(await server.delete("sys/auth/m"))
        (one,) = data(await server.read(f"identity/entity/id/{auth.entity_id}"))["aliases"]
        assert (one["mount_path"], one["mount_type"]) == ("", "")

    played(scenario)


def test_a_token_role_gives_the_entity_of_an_alias_of_the_token_method() -> None:
    async def scenario(server: Server) -> None:
        ok(await server.write("auth/token/roles/r", allowed_entity_aliases=["web-*"]))
        tokens = [
            ok(await server.write("auth/token/create/r", entity_alias=name)).auth
            for name in ("web-1", "WEB-1", "web-2")
        ]
        ids = [auth.entity_id for auth in tokens if auth is not None]
        assert ids[0] == ids[1] != ids[2]
        assert refused(await server.write("auth/token/create/r", entity_alias="db"))[0] == "BadRequest"

    played(scenario)


def test_a_token_role_makes_no_token_for_a_disabled_entity() -> None:
    async def scenario(server: Server) -> None:
        ok(await server.write("auth/token/roles/r", allowed_entity_aliases=["web-*"]))
        auth = ok(await server.write("auth/token/create/r", entity_alias="web-1")).auth
        assert auth is not None
        for disabled in (True, False):
            ok(await server.write(f"identity/entity/id/{auth.entity_id}", disabled=disabled))
            answer = await server.write("auth/token/create/r", entity_alias="web-1")
            if disabled:
                assert refused(answer) == ("PermissionDenied", "entity from given entity alias is disabled")
            else:
                ok(answer)

    played(scenario)


def test_nothing_is_read_of_the_entities_at_unsealing() -> None:
    async def scenario(server: Server) -> None:
        await enable(server, "m")
        for number in range(50):
            await login(server, name=f"n{number}")
        root_key, core = bytes(32), server.core
        await core.seal_now()
        read: list[str] = []
        get = core.storage.get

        async def noted(key: str) -> bytes | None:
            read.append(key)
            return await get(key)

        core.storage.get = noted  # type: ignore[method-assign]
        await core.unsealed_with(root_key)
        assert [key for key in read if key.startswith(PREFIX)] == [PREFIX + "salt"]
        assert not server.live.identity._views

    played(scenario)


@pytest.mark.parametrize("listed", ["entity/id", "entity/name", "entity-alias/id", "group/id", "group/name"])
def test_a_long_list_lets_others_in_between(listed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slices, "SLICE", 0.0)
    monkeypatch.setattr(engine, "MANY", 5)

    async def scenario(server: Server) -> None:
        await enable(server, "m")
        for n in range(10):
            await alias(server, await entity(server, name=f"e{n}"), f"a{n}")
            await group(server, name=f"g{n}")
        request = Request(id="1", operation=Operation.LIST, path=f"identity/{listed}/", token="root")
        asked = asyncio.create_task(handle(server.core, request))
        others = 0
        while not asked.done():
            ok(await server.read("sys/mounts"))
            others += 1
            await asyncio.sleep(0)
        assert others >= 10
        answer = await asked
        assert isinstance(answer.data, dict)
        assert len(answer.data["keys"]) == 10
        assert request.large, "so that its encoding holds up nobody either"

    played(scenario)
