"""KV version 2 knows who wrote and who read: noted without a write of its own, shown at once, gone with its key."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest
from tests.unit.auth.own_server import data, idle, ok, refused
from tests.unit.system.whole import WholeServer, served

from strongroom.api.messages import Operation
from strongroom.core.notes import TASK
from strongroom.engines.kv.v2.model import Reads
from strongroom.errors import StorageError
from strongroom.storage.base import Batch

#: The display name of these tests' root token.
ROOT = "token"
START = "2023-11-14T22:13:20Z"
POLICY = """
path "s/data/*" { capabilities = ["create", "read", "update", "delete"] }
path "s/metadata/*" { capabilities = ["read", "list", "delete"] }
"""

Scenario = Callable[[WholeServer], Awaitable[None]]


def played(scenario: Scenario) -> None:
    async def whole(server: WholeServer) -> None:
        ok(await server.write("sys/mounts/s", type="kv", options={"version": "2"}))
        await server.policy("user", POLICY)
        await scenario(server)

    served(whole)


async def user(server: WholeServer, name: str) -> str:
    return await server.token(policies=["user"], display_name=name)


async def put(server: WholeServer, path: str, by: str = "root") -> None:
    ok(await server.write(f"s/data/{path}", by, data={"a": 1}))


async def get(server: WholeServer, path: str, by: str = "root", version: int = 0) -> None:
    ok(await server.read(f"s/data/{path}", by, version=version))


async def metadata(server: WholeServer, path: str) -> dict[str, Any]:
    shown: dict[str, Any] = msgspec.to_builtins(data(await server.read(f"s/metadata/{path}")))
    return shown


async def last_read(server: WholeServer, path: str, version: int = 0) -> tuple[str, str]:
    """By whom and when a key, or a version of it, was read last."""
    shown = await metadata(server, path)
    use = shown["versions"][str(version)] if version else shown
    return (use["last_read_by"] or {}).get("display_name", ""), use["last_read_time"]


async def stored(server: WholeServer, folder: str = "read/") -> list[str]:
    mount = server.live.mounts.by_path("s/")
    assert mount is not None
    return await server.live.transaction().list(mount.prefix + folder)


async def flush(server: WholeServer) -> None:
    await server.live.notes.run()


def test_each_version_tells_who_made_it_and_who_read_it_last() -> None:
    async def scenario(server: WholeServer) -> None:
        ann, bob = await user(server, "ann"), await user(server, "bob")
        await put(server, "app", ann)
        server.clock.advance(60)
        await put(server, "app", bob)
        shown = await metadata(server, "app")
        assert shown["created_by"]["display_name"] == "token-ann"
        assert [v["created_by"]["display_name"] for v in shown["versions"].values()] == ["token-ann", "token-bob"]
        assert await last_read(server, "app") == ("", "")
        await get(server, "app", ann, version=1)
        server.clock.advance(60)
        await get(server, "app", bob)
        for _ in range(2):  # noted, then stored
            assert await last_read(server, "app", 1) == ("token-ann", "2023-11-14T22:14:20Z")
            assert await last_read(server, "app", 2) == ("token-bob", "2023-11-14T22:15:20Z")
            assert await last_read(server, "app") == ("token-bob", "2023-11-14T22:15:20Z")
            await flush(server)

    played(scenario)


def test_people_are_an_entity_a_name_and_the_accessor_as_the_audit_log_has_it() -> None:
    async def scenario(server: WholeServer) -> None:
        ok(await server.write("sys/auth/userpass", type="userpass"))
        ok(await server.write("auth/userpass/users/ann", password="long enough", token_policies=["user"]))
        answer = ok(await server.ask(Operation.UPDATE, "auth/userpass/login/ann", "", password="long enough"))
        assert answer.auth is not None
        await put(server, "app", answer.auth.client_token)
        ok(await server.post("sys/audit/file", {"type": "file", "options": {"file_path": "discard"}}))
        await put(server, "app", answer.auth.client_token)
        hashed = data(await server.write("sys/audit-hash/file", input=answer.auth.accessor))["hash"]
        who = {"accessor_hmac": hashed, "display_name": "userpass-ann", "entity_id": answer.auth.entity_id}
        versions = (await metadata(server, "app"))["versions"]
        assert versions["2"]["created_by"] == who
        # There was no device at that time: hashed all the same.
        earlier = versions["1"]["created_by"]
        assert earlier["accessor_hmac"].startswith("hmac-sha256:")
        assert {**earlier, "accessor_hmac": hashed} == who
        await get(server, "app", answer.auth.client_token)
        await flush(server)
        assert (await metadata(server, "app"))["last_read_by"] == who
        everything = b"".join(v for _, v in [e async for e in server.core.barrier.scan("logical/")])
        assert answer.auth.accessor.encode() not in everything

    played(scenario)


def test_only_a_read_of_the_data_counts() -> None:
    async def scenario(server: WholeServer) -> None:
        await put(server, "app")
        for path in ("s/metadata/app", "s/subkeys/app"):
            ok(await server.read(path))
        ok(await server.list("s/metadata/"))
        assert refused(await server.read("s/data/app", "no such token"))[0] == "BadToken"
        assert await last_read(server, "app") == ("", "")
        ok(await server.delete("s/data/app"))
        assert ok(await server.read("s/data/app")).status == 404
        assert await last_read(server, "app") == ("", "")

    played(scenario)


def test_a_read_writes_nothing_and_what_was_read_survives_a_seal_but_not_a_crash() -> None:
    async def scenario(server: WholeServer) -> None:
        await put(server, "app")
        await flush(server)
        commits: list[Batch] = []
        real = server.storage.commit

        async def counted(batch: Batch) -> None:
            commits.append(batch)
            await real(batch)

        server.storage.commit = counted  # type: ignore[method-assign]
        for _ in range(5):
            await get(server, "app")
        assert (commits, await stored(server)) == ([], [])
        await flush(server)
        assert (len(commits), await stored(server)) == (1, ["app"])
        server.clock.advance(60)
        await get(server, "app")
        await server.restart()
        assert await last_read(server, "app") == (ROOT, "2023-11-14T22:14:20Z")

    played(scenario)


def test_it_is_stored_by_itself_within_seconds() -> None:
    async def scenario(server: WholeServer) -> None:
        await put(server, "app")
        await get(server, "app")
        server.live.tasks.wake(TASK)  # as the time does
        there = False
        async with asyncio.timeout(10):
            while not there:
                await asyncio.sleep(0)
                there = bool(await stored(server))

    played(scenario)


def test_without_storage_reads_go_on_and_are_stored_later() -> None:
    async def scenario(server: WholeServer) -> None:
        await put(server, "app")
        await flush(server)
        real = server.storage.commit

        async def full(batch: Batch) -> None:
            raise StorageError("no room")

        server.storage.commit = full  # type: ignore[method-assign]
        await get(server, "app")
        with pytest.raises(StorageError):
            await flush(server)
        assert await last_read(server, "app") == (ROOT, START)
        server.storage.commit = real  # type: ignore[method-assign]
        await flush(server)
        assert await stored(server) == ["app"]

    played(scenario)


def test_what_is_known_of_reads_goes_with_the_key() -> None:
    async def scenario(server: WholeServer) -> None:
        await put(server, "app")
        await get(server, "app")
        await flush(server)
        await get(server, "app")
        ok(await server.delete("s/metadata/app"))
        assert await stored(server) == []
        # What was noted and not stored is of the former key too.
        await put(server, "app")
        assert await last_read(server, "app") == ("", "")
        await flush(server)
        assert await stored(server) == []

    played(scenario)


def test_a_key_that_is_deleted_while_its_reads_are_stored_leaves_nothing() -> None:
    async def scenario(server: WholeServer) -> None:
        await put(server, "app")
        await get(server, "app")
        real = server.storage.commit

        async def meanwhile(batch: Batch) -> None:
            server.storage.commit = real  # type: ignore[method-assign]
            ok(await server.delete("s/metadata/app"))
            await real(batch)

        server.storage.commit = meanwhile  # type: ignore[method-assign]
        await server.live.notes.flush()
        assert (await stored(server), await stored(server, "meta/")) == ([], [])

    played(scenario)


def test_it_goes_with_the_mount() -> None:
    async def scenario(server: WholeServer) -> None:
        await put(server, "app")
        await get(server, "app")
        await flush(server)
        await get(server, "app")
        mount = server.live.mounts.by_path("s/")
        assert mount is not None
        ok(await server.delete("sys/mounts/s"))
        await flush(server)
        await idle(server)
        assert await server.live.transaction().list(mount.prefix) == []

    played(scenario)


def test_of_trimmed_versions_only_the_last_read_of_the_key_stays() -> None:
    async def scenario(server: WholeServer) -> None:
        ok(await server.write("s/metadata/app", max_versions=2))
        for _ in range(2):
            await put(server, "app")
        await get(server, "app", version=1)
        await flush(server)
        server.clock.advance(60)
        await get(server, "app", version=2)
        for _ in range(3):  # it is gone when its read is stored
            await put(server, "app")
        await flush(server)
        assert await last_read(server, "app") == (ROOT, "2023-11-14T22:14:20Z")
        assert [await last_read(server, "app", version) for version in (4, 5)] == [("", "")] * 2
        server.clock.advance(60)
        await get(server, "app", version=4)
        await flush(server)
        assert await last_read(server, "app") == await last_read(server, "app", 4) == (ROOT, "2023-11-14T22:15:20Z")
        mount = server.live.mounts.by_path("s/")
        assert mount is not None
        reads = await server.live.transaction().load(f"{mount.prefix}read/app", Reads)
        assert reads is not None
        assert list(reads.versions) == [4]

    played(scenario)


def test_a_move_takes_the_reads_along_and_a_copy_begins_anew() -> None:
    async def scenario(server: WholeServer) -> None:
        ann = await user(server, "ann")
        await put(server, "app", ann)
        await put(server, "app", ann)
        await get(server, "app", version=1)
        await flush(server)
        server.clock.advance(60)
        await get(server, "app", ann)
        before = await metadata(server, "app")
        ok(await server.write("s/move/app", to="team/b"))
        for _ in range(2):
            assert await metadata(server, "team/b") == before
            await flush(server)
        assert (await stored(server), await stored(server, "read/team/")) == (["team/"], ["b"])
        ok(await server.write("s/copy/team/b", to="c"))
        copied = await metadata(server, "c")
        assert (copied["created_by"]["display_name"], copied["last_read_time"]) == ("token-ann", "")
        assert [v["created_by"] for v in copied["versions"].values()] == [before["created_by"]] * 2

    played(scenario)


def test_turned_off_nothing_is_noted_and_what_was_is_forgotten() -> None:
    async def scenario(server: WholeServer) -> None:
        for name in ("app", "team/db"):
            await put(server, name)
            await get(server, name)
        await flush(server)
        assert "track_access" not in data(await server.read("s/config"))
        ok(await server.write("s/config", track_access=False))
        await get(server, "app")  # on its way when it was turned off
        await idle(server)
        assert data(await server.read("s/config"))["track_access"] is False
        assert (await stored(server), await stored(server, "")) == ([], ["config", "data/", "meta/"])
        await put(server, "app")
        await get(server, "app")
        await flush(server)
        assert await stored(server) == []
        shown = await metadata(server, "app")
        assert "last_read_time" not in shown
        assert shown["versions"]["2"]["created_by"] is None
        ok(await server.write("s/config", track_access=True))
        await get(server, "app")
        await flush(server)
        assert await stored(server) == ["app"]

    played(scenario)


def test_forgetting_goes_on_after_a_restart() -> None:
    async def scenario(server: WholeServer) -> None:
        await put(server, "app")
        await get(server, "app")
        await flush(server)
        server.live.tasks.running = lambda name: True  # type: ignore[method-assign]
        ok(await server.write("s/config", track_access=False))  # it does not even begin
        assert await stored(server) == ["app"]
        await server.restart()
        await flush(server)
        await idle(server)
        assert (await stored(server), "tracking" in await stored(server, "")) == ([], False)

    played(scenario)


def test_keys_from_before_read_as_before() -> None:
    """What earlier releases stored has no author, neither of the key nor of its versions."""
    old = (
        b'{"id":"00000000000000000000000000000001","created_time":"2023-01-01T00:00:00Z",'
        b'"updated_time":"2023-01-02T00:00:00Z","current_version":2,"versions":{"1":["2023-01-01T00:00:00Z",0,true],'
        b'"2":["2023-01-02T00:00:00Z",0,false]},"v":1}'
    )

    async def scenario(server: WholeServer) -> None:
        mount = server.live.mounts.by_path("s/")
        assert mount is not None
        tx = server.live.transaction()
        tx.put(f"{mount.prefix}meta/app", old)
        tx.put(f"{mount.prefix}data/00000000000000000000000000000001/2", b'{"a":1}')
        await tx.commit()
        shown = await metadata(server, "app")
        assert shown["created_by"] is None
        assert shown["versions"]["1"] == {
            "created_by": None,
            "created_time": "2023-01-01T00:00:00Z",
            "deletion_time": "",
            "destroyed": True,
            "last_read_by": None,
            "last_read_time": "",
        }
        await get(server, "app")
        await put(server, "app")
        shown = await metadata(server, "app")
        assert (shown["created_by"], shown["versions"]["3"]["created_by"]["display_name"]) == (None, ROOT)
        assert shown["versions"]["2"]["last_read_time"] == START

    played(scenario)


def test_reads_of_what_version_1_left_stay_known_when_it_is_changed() -> None:
    async def scenario(server: WholeServer) -> None:
        ok(await server.write("sys/mounts/old", type="kv"))
        ok(await server.write("old/app", a=1))
        ok(await server.write("sys/mounts/old/tune", options={"version": "2"}))
        ok(await server.read("old/data/app"))
        await flush(server)
        for version in ("1", "2"):
            shown: Any = msgspec.to_builtins(data(await server.read("old/metadata/app")))
            assert list(shown["versions"])[-1] == version
            assert shown["versions"]["1"]["last_read_time"] == START
            ok(await server.write("old/data/app", data={"a": 2}))

    played(scenario)


def test_a_damaged_record_of_reads_keeps_nobody_from_theirs() -> None:
    async def scenario(server: WholeServer) -> None:
        mount = server.live.mounts.by_path("s/")
        assert mount is not None
        for name in ("app", "b"):
            await put(server, name)
        tx = server.live.transaction()
        tx.put(f"{mount.prefix}read/app", b"[]")
        await tx.commit()
        for name in ("app", "b"):
            await get(server, name)
        await flush(server)
        assert await last_read(server, "app") == await last_read(server, "b") == (ROOT, START)

    played(scenario)
