"""The table of audit devices: what is stored, when a device begins and ends, what a restart finds."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from strongroom.api.messages import Operation, Request, Response
from strongroom.audit.entry import Exchange
from strongroom.clock import ManualClock
from strongroom.core.audits import HEADERS, PREFIX, Audits, DeviceEntry, SaltEntry
from strongroom.errors import BadRequest, InternalError
from strongroom.storage.barrier import Barrier
from strongroom.storage.memory import MemoryStorage
from strongroom.storage.transaction import Transaction

ROOT_KEY = bytes(32)


class Live:
    """As much of the unsealed server as the audit devices need."""

    def __init__(self, storage: MemoryStorage) -> None:
        self.clock = ManualClock()
        self.barrier = Barrier(storage, self.clock)

    def transaction(self) -> Transaction:
        return Transaction(self.barrier)


class Server:
    """A life of the server on some storage."""

    def __init__(self, storage: MemoryStorage) -> None:
        self.live = Live(storage)
        self.audits = Audits(self.live)  # type: ignore[arg-type]

    async def start(self) -> None:
        if not await self.live.barrier.initialised():
            await self.live.barrier.initialise(ROOT_KEY)
        await self.live.barrier.unseal(ROOT_KEY)
        await self.audits.load()

    async def enable(self, path: str, file: Path | str, **options: str) -> None:
        tx = self.live.transaction()
        after = await self.audits.enable(tx, path, "file", "", {"file_path": str(file), **options})
        await tx.commit()
        await after()

    async def disable(self, path: str) -> None:
        tx = self.live.transaction()
        after = await self.audits.disable(tx, path)
        await tx.commit()
        if after:
            await after()

    async def request(self, path: str, change: Callable[[], Awaitable[None]] | None = None) -> None:
        """A request and its answer, around a change of the table."""
        exchange = Exchange(Request(id="r", operation=Operation.UPDATE, path=path), response=Response())
        await self.audits.broker.request(exchange)
        if change:
            await change()
        await self.audits.broker.response(exchange)


def played(scenario: Callable[[Server], Awaitable[Any]], storage: MemoryStorage | None = None) -> Any:
    async def play() -> Any:
        server = Server(storage or MemoryStorage())
        await server.start()
        try:
            return await scenario(server)
        finally:
            await server.audits.stop()

    return asyncio.run(play())


def log(path: Path) -> list[tuple[str, str]]:
    """The type and path of each line."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [(line["type"], line["request"]["path"]) for line in lines]


def test_a_device_begins_with_a_test_line_and_the_answer_to_its_enabling(tmp_path: Path) -> None:
    path = tmp_path / "a.log"

    async def scenario(server: Server) -> None:
        await server.request("sys/audit/file", lambda: server.enable("file", path))
        await server.request("kv/app")
        await server.request("sys/audit/file", lambda: server.disable("file/"))
        await server.request("kv/unseen")

    played(scenario)
    assert log(path) == [
        ("request", "sys/audit/test"),
        ("response", "sys/audit/file"),
        ("request", "kv/app"),
        ("response", "kv/app"),
        ("request", "sys/audit/file"),
    ]


def test_a_device_is_idle_until_its_entry_is_durable(tmp_path: Path) -> None:
    async def scenario(server: Server) -> None:
        tx = server.live.transaction()
        await server.audits.enable(tx, "file", "file", "", {"file_path": str(tmp_path / "a.log")})
        assert server.audits.broker.devices == ()
        assert server.audits.table() == {}
        await server.request("kv/app")
        # The commit failed: the path is free, and the file is let go of.
        lost = server.audits._opened
        await server.enable("file", tmp_path / "b.log")
        assert lost
        assert lost._closed  # type: ignore[attr-defined]
        assert list(server.audits.table()) == ["file/"]

    played(scenario)
    assert log(tmp_path / "a.log") == [("request", "sys/audit/test")]


def test_the_table_is_as_clients_see_it(tmp_path: Path) -> None:
    async def scenario(server: Server) -> Any:
        tx = server.live.transaction()
        options = {"file_path": str(tmp_path / "a.log"), "log_raw": "1", "other": "kept"}
        after = await server.audits.enable(tx, "deep/one", "file", "another file", options, True)
        await tx.commit()
        await after()
        await server.enable("a", "discard")
        return server.audits.table()

    table = played(scenario)
    assert list(table) == ["a/", "deep/one/"]
    assert table["deep/one/"] == {
        "description": "another file",
        "local": True,
        "options": {"file_path": str(tmp_path / "a.log"), "log_raw": "1", "other": "kept"},
        "path": "deep/one/",
        "type": "file",
    }


@pytest.mark.parametrize(
    ("path", "free"),
    [("logs/main", False), ("logs/main/deeper", False), ("logs", False), ("logs/mainly", True), ("log", True)],
)
def test_paths_may_be_nested_but_not_within_one_another(path: str, free: bool) -> None:
    async def scenario(server: Server) -> None:
        await server.enable("logs/main", "discard")
        if free:
            await server.enable(path, "discard")
        else:
            # A taken path is told before anything else that is wrong.
            with pytest.raises(BadRequest, match="path already in use"):
                await server.audits.enable(server.live.transaction(), path, "no-such-type")

    played(scenario)


@pytest.mark.parametrize(
    ("kind", "options", "text"),
    [
        ("", {}, 'unknown backend type: ""'),
        ("file", {}, "file_path is required"),
        ("file", {"file_path": "discard", "skip_test": "maybe"}, 'strconv.ParseBool: parsing "maybe": invalid syntax'),
        ("file", {"file_path": "/dev/null/a"}, "mkdir /dev/null: not a directory"),
        (
            "file",
            {"file_path": "/dev/full", "mode": "0000"},
            "audit backend failed test message: write /dev/full: no space left on device",
        ),
        (
            "socket",
            {"address": "/nowhere", "socket_type": "unix"},
            "failed test message: dial unix /nowhere: connect: no",
        ),
    ],
)
def test_what_is_refused_leaves_nothing_behind(kind: str, options: dict[str, str], text: str) -> None:
    async def scenario(server: Server) -> None:
        tx = server.live.transaction()
        with pytest.raises(BadRequest) as caught:
            await server.audits.enable(tx, "a", kind, "", options)
        assert text in caught.value.errors[0]
        assert caught.value.kind == "invalid request"
        assert not tx.pending
        assert server.audits._opened is None

    played(scenario)


def test_without_its_test_line_a_failing_device_is_kept_and_blocks() -> None:
    async def scenario(server: Server) -> None:
        with pytest.raises(InternalError):
            await server.request("sys/audit/full", lambda: server.enable("full", "/dev/full", skip_test="true"))
        assert list(server.audits.table()) == ["full/"]
        with pytest.raises(InternalError):
            await server.request("kv/app")

    played(scenario)


def test_devices_survive_a_restart_with_their_salt(tmp_path: Path) -> None:
    storage, path = MemoryStorage(), tmp_path / "a.log"

    async def first(server: Server) -> tuple[str, Any]:
        await server.enable("file", path)
        tx = server.live.transaction()
        after = server.audits.set_header(tx, "X-Secret", True)
        await tx.commit()
        await after()
        return server.audits.hash("file", "constant"), server.audits.table()

    async def second(server: Server) -> tuple[str, Any]:
        await server.request("kv/app")
        assert server.audits.headers() == {"x-secret": True}
        return server.audits.hash("file", "constant"), server.audits.table()

    assert played(first, storage) == played(second, storage)
    assert log(path) == [("request", "sys/audit/test"), ("request", "kv/app"), ("response", "kv/app")]


def test_a_device_that_cannot_be_opened_at_unseal_is_kept_failing_until_it_can(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    storage, path = MemoryStorage(), tmp_path / "a.log"
    played(lambda server: server.enable("file", path), storage)
    path.unlink()
    path.mkdir()

    async def later(server: Server) -> None:
        assert "audit device file/ cannot be opened" in caplog.text
        with pytest.raises(InternalError):
            await server.request("kv/app")
        path.rmdir()
        await server.request("kv/app")

    played(later, storage)
    assert len(log(path)) == 2


def test_a_device_of_an_unknown_kind_is_kept_and_records_nothing(caplog: pytest.LogCaptureFixture) -> None:
    storage = MemoryStorage()

    async def plant(server: Server) -> None:
        tx = server.live.transaction()
        tx.store(PREFIX + "1", DeviceEntry(uuid="1", path="gone/", type="gone", salt="s"))
        await tx.commit()

    async def later(server: Server) -> None:
        assert 'gone/ cannot be opened: unknown backend type: "gone"' in caplog.text
        with pytest.raises(InternalError):
            await server.request("kv/app")
        await server.disable("gone")
        await server.request("kv/app")

    played(plant, storage)
    played(later, storage)


def test_hashing_is_per_device_and_needs_one() -> None:
    async def scenario(server: Server) -> None:
        await server.enable("one", "discard")
        await server.enable("two", "discard")
        assert server.audits.hash("one", "same") == server.audits.hash("one/", "same")
        assert server.audits.hash("one", "same") != server.audits.hash("two", "same")
        with pytest.raises(BadRequest, match='unknown audit backend "three/"'):
            server.audits.hash("three", "x")

    played(scenario)


def test_disabling_what_is_not_there_changes_nothing() -> None:
    async def scenario(server: Server) -> None:
        await server.enable("logs/main", "discard")
        tx = server.live.transaction()
        assert await server.audits.disable(tx, "logs") is None
        assert await server.audits.disable(tx, "logs/main/x") is None
        assert not tx.pending

    played(scenario)


def test_headers_are_kept_in_lower_case_and_replaced() -> None:
    async def scenario(server: Server) -> None:
        for name, hashed in (("X-Two", True), ("x-one", False), ("X-TWO", False)):
            tx = server.live.transaction()
            after = server.audits.set_header(tx, name, hashed)
            await tx.commit()
            await after()
        assert server.audits.headers() == {"x-one": False, "x-two": False}
        for name in ("X-Two", "X-Absent"):
            tx = server.live.transaction()
            after = server.audits.delete_header(tx, name)
            # Nothing changes before it is durable.
            assert name != "X-Two" or "x-two" in server.audits.headers()
            await tx.commit()
            await after()
        assert server.audits.headers() == {"x-one": False}
        assert await server.live.barrier.get(HEADERS) == b'{"headers":{"x-one":false},"v":1}'

    played(scenario)


def test_reopening_follows_a_rotation_and_reports_what_it_cannot(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path, bad = tmp_path / "a.log", tmp_path / "bad.log"

    async def scenario(server: Server) -> None:
        await server.enable("file", path)
        await server.enable("bad", bad)
        for file in (path, bad):
            file.rename(f"{file}.1")
        bad.mkdir()
        await server.audits.reopen()
        await server.request("kv/app")

    played(scenario)
    assert log(path) == [("request", "kv/app"), ("response", "kv/app")]
    assert log(tmp_path / "bad.log.1")[-1] == ("response", "kv/app")
    assert "audit device bad/ cannot be reopened" in caplog.text


def test_stopping_closes_devices_and_forgets(tmp_path: Path) -> None:
    async def scenario(server: Server) -> None:
        await server.enable("file", tmp_path / "a.log")
        device = server.audits.broker.devices[0]
        device.salt.lasting("token")
        await server.audits.stop()
        assert not device.salt._known
        assert server.audits.broker.devices == ()
        with pytest.raises(OSError, match="closed"):
            await device.write(b"x\n")

    played(scenario)


def test_what_is_hashed_for_others_is_found_in_the_log_of_the_first_device_by_name() -> None:
    storage = MemoryStorage()

    async def scenario(server: Server) -> None:
        audits = server.audits
        without = audits.hashed("accessor")
        assert without.startswith("hmac-sha256:")
        await server.enable("second", "discard")
        await server.enable("first", "discard")
        assert audits.hashed("accessor") == audits.hash("first", "accessor") != without
        await server.disable("first")
        assert audits.hashed("accessor") == audits.hash("second", "accessor")
        await server.disable("second")
        later = Server(storage)
        await later.start()
        assert later.audits.hashed("accessor") == audits.hashed("accessor") == without

    async def play() -> None:
        server = Server(storage)
        await server.start()
        await scenario(server)

    asyncio.run(play())


def test_the_salt_does_not_show() -> None:
    assert "s3cr3t" not in repr(SaltEntry("s3cr3t"))
    assert "s3cr3t" not in repr(DeviceEntry(uuid="1", path="a/", type="file", salt="s3cr3t"))
