"""KV version 2: what nobody reads any more, page by page, and nothing that the token may not list."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.auth.own_server import data, ok, refused
from tests.unit.system.whole import WholeServer, served

from strongroom.engines.kv.v2 import stale as module
from strongroom.engines.kv.v2 import walk as walking
from strongroom.engines.kv.v2.walk import walk

DAY = 86_400
NAMES = ("app", "team/a", "team/deep/b", "team/z", "z")

Scenario = Callable[[WholeServer], Awaitable[None]]


def played(scenario: Scenario) -> None:
    async def whole(server: WholeServer) -> None:
        ok(await server.write("sys/mounts/s", type="kv", options={"version": "2"}))
        for name in NAMES:
            ok(await server.write(f"s/data/{name}", data={"a": 1}))
        await server.live.notes.run()
        await scenario(server)

    served(whole)


async def stale(server: WholeServer, folder: str = "", by: str = "root", **more: Any) -> dict[str, Any]:
    answer: dict[str, Any] = msgspec.to_builtins(data(await server.list(f"s/stale/{folder}", by, **more)))
    return answer


async def names(server: WholeServer, days: float, folder: str = "") -> list[str]:
    found: list[str] = (await stale(server, folder, unused=f"{int(days * DAY)}s"))["keys"]
    return found


def test_what_was_read_lately_is_not_among_them() -> None:
    async def scenario(server: WholeServer) -> None:
        assert await names(server, 0) == list(NAMES)
        assert await names(server, 1) == []
        server.clock.advance(10 * DAY)
        for name in ("app", "team/deep/b"):
            ok(await server.read(f"s/data/{name}"))
        for _ in range(2):  # noted, then stored
            assert await names(server, 10) == ["team/a", "team/z", "z"]
            await server.live.notes.flush()
        assert await names(server, 10, "team/") == ["team/a", "team/z"]
        assert await names(server, 10.1) == []
        server.clock.advance(10 * DAY)
        assert await names(server, 10) == list(NAMES)
        info = (await stale(server, unused="20d"))["key_info"]
        assert info["z"] == {
            "created_time": "2023-11-14T22:13:20Z",
            "current_version": 1,
            "last_read_by": None,
            "last_read_time": "",
            "updated_time": "2023-11-14T22:13:20Z",
        }
        info = (await stale(server, unused="10d"))["key_info"]
        assert info["app"]["last_read_time"] == "2023-11-24T22:13:20Z"
        assert info["app"]["last_read_by"]["display_name"] == "token"

    played(scenario)


def test_a_write_is_no_read_and_a_copy_is_new() -> None:
    async def scenario(server: WholeServer) -> None:
        server.clock.advance(10 * DAY)
        ok(await server.write("s/data/app", data={"a": 2}))
        ok(await server.write("s/copy/app", to="copy"))
        assert await names(server, 10) == list(NAMES)
        server.clock.advance(10 * DAY)
        assert await names(server, 10) == sorted([*NAMES, "copy"])

    played(scenario)


def test_nothing_is_older_than_the_noting_of_reads() -> None:
    async def scenario(server: WholeServer) -> None:
        server.clock.advance(100 * DAY)
        ok(await server.write("s/config", track_access=False))
        assert refused(await server.list("s/stale/"))[0] == "BadRequest"
        ok(await server.write("s/config", track_access=True))
        server.clock.advance(10 * DAY)
        assert await names(server, 11) == []
        answer = await stale(server, unused="10d")
        assert (answer["keys"], answer["since"]) == (list(NAMES), "2024-02-22T22:13:20Z")

    played(scenario)


def test_of_what_version_1_left_nothing_is_missing() -> None:
    async def scenario(server: WholeServer) -> None:
        ok(await server.write("sys/mounts/old", type="kv"))
        for name in ("app", "team/a"):
            ok(await server.write(f"old/{name}", a=1))
        ok(await server.write("sys/mounts/old/tune", options={"version": "2"}))
        ok(await server.write("old/data/team/b", data={"a": 1}))
        assert data(await server.list("old/stale/"))["keys"] == ["app", "team/a", "team/b"]

    played(scenario)


def test_pages_come_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(server: WholeServer) -> None:
        for limit, most in ((1, 1000), (2, 1000), (0, 1000), (0, 1), (0, 2), (-1, 3)):
            monkeypatch.setattr(module, "MOST", most)
            found, after = list[str](), ""
            for _ in range(20):
                page = await stale(server, limit=limit, after=after)
                found += page["keys"]
                assert len(page["keys"]) <= (limit if limit > 0 else most)
                after = page["next"]
                if not after:
                    break
            assert found == list(NAMES)

    played(scenario)


def test_only_what_the_token_may_list_and_whose_metadata_it_may_read_is_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MOST", 2)  # what is left out takes part in the paging

    async def scenario(server: WholeServer) -> None:
        await server.policy(
            "some",
            """
            path "s/stale/*"        { capabilities = ["list"] }
            path "s/metadata/"      { capabilities = ["list"] }
            path "s/metadata/team/" { capabilities = ["list"] }
            path "s/metadata/team/z" { capabilities = ["read"] }
            path "s/metadata/z"     { capabilities = ["read"] }
            path "s/metadata/team/deep/b" { capabilities = ["read"] }
            """,
        )
        token = await server.token(policies=["some"], no_default_policy=True)
        found, left_out, after = list[str](), list[str](), ""
        for _ in range(20):
            page = await stale(server, by=token, after=after)
            found, left_out, after = found + page["keys"], left_out + page["refused"], page["next"]
            if not after:
                break
        assert (found, left_out) == (["team/z", "z"], ["app", "team/a", "team/deep/"])
        assert refused(await server.list("s/stale/team/deep/", token))[0] == "PermissionDenied"

    played(scenario)


def test_it_takes_a_right_of_its_own() -> None:
    async def scenario(server: WholeServer) -> None:
        await server.policy("all", 'path "s/metadata/*" { capabilities = ["list", "read"] }')
        token = await server.token(policies=["all"], no_default_policy=True)
        assert refused(await server.list("s/stale/", token))[0] == "PermissionDenied"

    played(scenario)


# ------------------------------------------------------------------------------------------------ walking
class Tree:
    """Names below a folder, listed as storage lists them."""

    def __init__(self, paths: set[str]) -> None:
        self.paths = paths

    async def names(self, folder: str, after: str, limit: int) -> list[str]:
        rests = (path.removeprefix(folder) for path in self.paths if path.startswith(folder))
        found = {rest.partition("/")[0] + rest.partition("/")[1] for rest in rests}
        return sorted(name for name in found if name > after)[:limit]

    async def all(self, top: str = "", after: str = "", closed: str = "") -> list[str]:
        return [path async for path in walk(self.names, top, after, lambda folder: folder != closed)]


PATHS = st.sets(st.lists(st.sampled_from(["a", "b", "b0", "c"]), min_size=1, max_size=4).map("/".join), max_size=12)


@given(paths=PATHS, page=st.integers(1, 3), closed=st.sampled_from(["", "a/", "b/", "a/b/"]))
def test_a_walk_meets_everything_once_and_goes_on_behind_anything(paths: set[str], page: int, closed: str) -> None:
    async def scenario() -> None:
        tree = Tree(paths)
        whole = await tree.all(closed=closed)
        hidden = {path for path in paths if closed and path.startswith(closed)}
        assert sorted(whole) == sorted(paths - hidden | ({closed} if hidden else set()))
        for number, path in enumerate(whole):
            assert await tree.all(after=path, closed=closed) == whole[number + 1 :]
        below = [path for path in await tree.all() if path.startswith("b/")]
        assert await tree.all("b/") == below
        for number, path in enumerate(below):
            assert await tree.all("b/", path) == below[number + 1 :]

    former, walking.PAGE = walking.PAGE, page  # type: ignore[misc]
    try:
        asyncio.run(scenario())
    finally:
        walking.PAGE = former  # type: ignore[misc]


def test_a_walk_may_go_deep() -> None:
    deep = "/".join("d" * 1024)
    assert asyncio.run(Tree({deep, "e"}).all()) == [deep, "e"]
