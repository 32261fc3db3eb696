"""KV version 2: secrets that move and are copied whole, and what that takes."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.auth.own_server import data, ok, refused
from tests.unit.system.whole import WholeServer, served

BOTH = ("move", "copy")
#: What moving s/a to s/b takes; copying needs no `delete`.
RIGHTS = {
    "s/move/a": ["update"],
    "s/copy/a": ["update"],
    "s/data/a": ["read"],
    "s/metadata/a": ["read", "delete"],
    "s/undelete/a": ["update"],
    "s/data/b": ["create"],
    "s/metadata/b": ["create"],
}


async def kv(server: WholeServer) -> None:
    ok(await server.write("sys/mounts/s", type="kv", options={"version": "2"}))
    for number in (1, 2, 3):
        ok(await server.write("s/data/a", data={"n": number}))
    ok(await server.write("s/metadata/a", custom_metadata={"owner": "ops"}, max_versions=7))


async def holder(server: WholeServer, rights: dict[str, list[str]]) -> str:
    text = "\n".join(f'path "{path}" {{ capabilities = {names} }}' for path, names in rights.items()).replace("'", '"')
    await server.policy("holder", text)
    return await server.token(policies=["holder"], no_default_policy=True)


async def shape(server: WholeServer, path: str) -> Any:
    return msgspec.to_builtins(data(await server.read(f"s/metadata/{path}")))


async def value(server: WholeServer, path: str, version: int = 0) -> Any:
    found: Any = ok(await server.read(f"s/data/{path}", version=version)).data
    return None if found["data"] is None else msgspec.json.decode(found["data"])


def test_a_move_takes_versions_settings_and_times_along() -> None:
    async def scenario(server: WholeServer) -> None:
        await kv(server)
        before = await shape(server, "a")
        assert data(await server.write("s/move/a", to="team/b")) == {
            "path": "team/b",
            "current_version": 3,
            "versions": 3,
        }
        assert await shape(server, "team/b") == before
        assert [await value(server, "team/b", n) for n in (1, 2, 3)] == [{"n": 1}, {"n": 2}, {"n": 3}]
        assert refused(await server.read("s/metadata/a"))[0] == "NotFound"
        # What is written where it was has nothing to do with it.
        ok(await server.write("s/data/a", data={"n": "new"}))
        assert await value(server, "team/b") == {"n": 3}

    served(scenario)


def test_a_copy_and_its_source_go_their_own_ways() -> None:
    async def scenario(server: WholeServer) -> None:
        await kv(server)
        ok(await server.write("s/copy/a", to="b"))
        assert await shape(server, "b") == await shape(server, "a")
        ok(await server.write("s/destroy/a", versions=[1]))
        ok(await server.write("s/data/b", data={"n": 4}))
        assert [await value(server, "b", n) for n in (1, 4)] == [{"n": 1}, {"n": 4}]
        assert await value(server, "a") == {"n": 3}
        ok(await server.delete("s/metadata/a"))
        assert await value(server, "b", 2) == {"n": 2}

    served(scenario)


@pytest.mark.parametrize("verb", BOTH)
def test_deleted_and_destroyed_versions_stay_so_and_the_deleted_can_be_brought_back(verb: str) -> None:
    async def scenario(server: WholeServer) -> None:
        await kv(server)
        ok(await server.write("s/delete/a", versions=[2]))
        ok(await server.write("s/destroy/a", versions=[1]))
        ok(await server.write(f"s/{verb}/a", to="b"))
        versions = (await shape(server, "b"))["versions"]
        assert versions["1"]["destroyed"]
        assert versions["2"]["deletion_time"]
        ok(await server.write("s/undelete/b", versions=[1, 2]))
        assert await value(server, "b", 2) == {"n": 2}
        assert await value(server, "b", 1) is None

    served(scenario)


@pytest.mark.parametrize("verb", BOTH)
@pytest.mark.parametrize("without", sorted(RIGHTS))
def test_every_right_is_needed_on_both_paths(verb: str, without: str) -> None:
    async def scenario(server: WholeServer) -> None:
        await kv(server)
        ok(await server.write("s/delete/a", versions=[2]))
        rights = {path: names for path, names in RIGHTS.items() if path != without}
        answer = await server.write(f"s/{verb}/a", await holder(server, rights), to="b")
        if without in ("s/move/a", "s/copy/a") and verb not in without:
            ok(answer)
            return
        assert refused(answer)[0] == "PermissionDenied"
        assert await value(server, "a") == {"n": 3}
        assert refused(await server.read("s/metadata/b"))[0] == "NotFound"

    served(scenario)


@pytest.mark.parametrize(
    ("verb", "metadata", "allowed"), [("move", ["read"], False), ("copy", ["read"], True), ("copy", ["delete"], False)]
)
def test_only_a_move_needs_the_right_to_delete(verb: str, metadata: list[str], allowed: bool) -> None:
    async def scenario(server: WholeServer) -> None:
        await kv(server)
        token = await holder(server, {**RIGHTS, "s/metadata/a": metadata})
        answer = await server.write(f"s/{verb}/a", token, to="b")
        assert (not isinstance(answer, Exception)) is allowed

    served(scenario)


def test_a_rule_on_parameters_of_the_destination_judges_every_version() -> None:
    async def scenario(server: WholeServer) -> None:
        await kv(server)
        rules = "\n".join(f'path "{p}" {{ capabilities = {c} }}' for p, c in RIGHTS.items() if p != "s/data/b")
        denied = 'path "s/data/b" { capabilities = ["create"]\n denied_parameters = { "data" = [] } }'
        await server.policy("holder", rules.replace("'", '"') + denied)
        token = await server.token(policies=["holder"], no_default_policy=True)
        assert refused(await server.write("s/copy/a", token, to="b"))[0] == "PermissionDenied"

    served(scenario)


@pytest.mark.parametrize("verb", BOTH)
@pytest.mark.parametrize(
    "to", ["", "a", "b/", "/b", "b//c", "../b", "b/../c", "b/./c", "b/.c", "b\n", "b\x00", "there"]
)
def test_what_is_no_destination_is_refused_and_nothing_changes(verb: str, to: str) -> None:
    async def scenario(server: WholeServer) -> None:
        await kv(server)
        ok(await server.write("s/data/there", data={"k": "kept"}))
        assert refused(await server.write(f"s/{verb}/a", to=to))[0] == "BadRequest"
        assert (await value(server, "a"), await value(server, "there")) == ({"n": 3}, {"k": "kept"})

    served(scenario)


def test_of_two_that_go_to_one_place_at_once_one_arrives() -> None:
    async def scenario(server: WholeServer) -> None:
        await kv(server)
        ok(await server.write("s/data/other", data={"n": "other"}))
        moves = [
            server.write("s/move/a", to="b"),
            server.write("s/move/other", to="b"),
            server.write("s/move/b", to="a"),
        ]
        answers = await asyncio.gather(*moves)
        assert sum(isinstance(answer, Exception) for answer in answers[:2]) <= 1
        listed = data(await server.list("s/metadata"))["keys"]
        values = [await value(server, name) for name in listed]
        assert sorted(str(one["n"]) for one in values) == ["3", "other"]

    served(scenario)


@pytest.mark.parametrize("verb", BOTH)
def test_there_is_nothing_to_transfer_where_nothing_is(verb: str) -> None:
    async def scenario(server: WholeServer) -> None:
        await kv(server)
        assert refused(await server.write(f"s/{verb}/none", to="b"))[0] == "NotFound"

    served(scenario)


@settings(max_examples=15, deadline=None)
@given(st.text(max_size=12))
def test_any_destination_is_taken_or_refused(to: str) -> None:
    async def scenario(server: WholeServer) -> None:
        await kv(server)
        answer = await server.write("s/move/a", to=to)
        if isinstance(answer, Exception):
            assert refused(answer)[0] == "BadRequest"
        else:
            assert await value(server, to) == {"n": 3}

    served(scenario)
