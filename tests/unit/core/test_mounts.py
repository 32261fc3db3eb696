"""The mount table: who serves a path, which paths are free, and that unmounting survives a crash."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.unit.core.fake_live import ROOT_KEY, FailingStorage

from strongroom.api.backend import Backend, backend
from strongroom.api.routes import Engine
from strongroom.clock import ManualClock
from strongroom.core import mounts as module
from strongroom.core.catalog import Catalog
from strongroom.core.mounts import GONE, Mount, MountConfig, MountEntry, Mounts, new_entry
from strongroom.core.scheduler import Scheduler
from strongroom.errors import BadRequest, StorageError, Unavailable
from strongroom.storage.barrier import Barrier
from strongroom.storage.base import Batch
from strongroom.storage.memory import MemoryStorage
from strongroom.storage.transaction import Transaction

ONE, TWO = Engine("kv", help="one"), Engine("kv", help="two")
KV = Backend("kv", "secret", lambda options: TWO if options.get("version") == "2" else ONE)
CATALOG = Catalog(
    (
        KV,
        backend(Engine("approle", kind="auth")),
        backend(Engine("token", kind="auth"), mountable=False),
        backend(Engine("system", kind="system"), mountable=False),
        backend(Engine("cubbyhole"), mountable=False),
    )
)
OWN = (("sys/", "system", "system"), ("cubbyhole/", "cubbyhole", "secret"), ("auth/token/", "token", "auth"))


class Live:
    """As much of the unsealed server as the table needs."""

    def __init__(self, storage: MemoryStorage) -> None:
        self.clock = ManualClock()
        self.storage = storage
        self.barrier = Barrier(storage, self.clock)
        self.core = SimpleNamespace(catalog=CATALOG, lease_ttls=(100, 1000))
        self.tasks = Scheduler(self)  # type: ignore[arg-type]
        self.in_flight: list[Any] = []
        self.changed = asyncio.Event()
        self.mounts = Mounts(self)  # type: ignore[arg-type]

    def transaction(self) -> Transaction:
        return Transaction(self.barrier)

    async def quiet(self, concerned: Callable[[Any], bool], seconds: float) -> bool:
        assert seconds > 0
        while any(map(concerned, self.in_flight)):
            self.changed.clear()
            await self.changed.wait()
        return True

    async def open(self) -> Live:
        if not await self.barrier.initialised():
            await self.barrier.initialise(ROOT_KEY)
        await self.barrier.unseal(ROOT_KEY)
        await self.mounts.load()
        return self

    async def again(self) -> Live:
        """The server after a crash: nothing but its storage is left."""
        await self.tasks.stop()
        if isinstance(self.storage, FailingStorage):
            self.storage.commits_left = None
        return await Live(self.storage).open()

    async def mount(self, path: str, type_: str = "kv", kind: str = "secret", **more: Any) -> Mount:
        entry = new_entry(path, type_, kind, **more)
        tx = self.transaction()
        self.mounts.store(tx, entry)
        await tx.commit()
        self.mounts.apply(entry)
        found = self.mounts.by_uuid(entry.uuid)
        assert found is not None
        return found

    async def unmount(self, entry: MountEntry) -> None:
        tx = self.transaction()
        self.mounts.discard(tx, entry)
        await tx.commit()
        self.mounts.remove(entry)

    async def fill(self, mount: Mount, count: int) -> None:
        await self.barrier.commit(Batch({f"{mount.prefix}folder/{n}": b"x" for n in range(count)}))

    async def keys(self, prefix: str) -> list[str]:
        return [key async for key, _ in self.storage.scan(prefix)]

    async def purged(self) -> None:
        """Until nothing is left to remove; nothing but the storage says when."""
        while await self.keys(GONE):  # noqa: ASYNC110
            await asyncio.sleep(0)


def played(scenario: Callable[[Live], Awaitable[None]], storage: MemoryStorage | None = None) -> None:
    async def play() -> None:
        live = await Live(storage or FailingStorage()).open()
        try:
            await scenario(live)
        finally:
            await live.tasks.stop()

    asyncio.run(play())


def entry(path: str, uuid: str = "u", **more: Any) -> MountEntry:
    kind = "auth" if path.startswith("auth/") else "secret"
    return MountEntry(uuid, "a", path, "approle" if kind == "auth" else "kv", kind, **more)


# -- Finding -----------------------------------------------------------------------------------------------------------

SEGMENT = st.sampled_from(["a", "b", "ab", "auth", "x.y"])
PATH = st.lists(SEGMENT, min_size=1, max_size=4).map("/".join)


def naive(table: list[str], path: str) -> tuple[str, str] | None:
    """The longest mount that the path begins with, slash or not."""
    found = [m for m in table if path.startswith(m) or path + "/" == m]
    if not found:
        return None
    best = max(found, key=len)
    return best, path.removeprefix(best) if path.startswith(best) else ""


@given(st.lists(PATH, max_size=8), PATH, st.sampled_from(["", "/", "/rest", "//", "/a/b/"]))
def test_find_is_the_longest_match(wanted: list[str], asked: str, tail: str) -> None:
    async def play() -> None:
        live = Live(MemoryStorage())
        table: list[str] = []
        for number, path in enumerate(wanted):
            try:
                live.mounts.check_free(path + "/", auth=path.startswith("auth/"))
            except BadRequest:
                continue
            live.mounts.apply(entry(path + "/", str(number)))
            table.append(path + "/")
        found = live.mounts.find(asked + tail)
        assert (found and (found[0].path, found[1])) == naive(table, asked + tail)

    asyncio.run(play())


@pytest.mark.parametrize(
    ("path", "mount", "rest"),
    [
        ("kv/a/b", "kv/", "a/b"),
        ("kv/", "kv/", ""),
        ("kv", "kv/", ""),
        ("kv//a", "kv/", "/a"),
        ("auth/ci/login", "auth/ci/", "login"),
        ("kvx/a", "", ""),
        ("k", "", ""),
        ("", "", ""),
        ("/kv/a", "", ""),
        ("auth/", "", ""),
        ("KV/a", "", ""),
    ],
)
def test_find(path: str, mount: str, rest: str) -> None:
    async def scenario(live: Live) -> None:
        await live.mount("kv/")
        await live.mount("auth/ci/", "approle", "auth")
        found = live.mounts.find(path)
        assert (found and (found[0].path, found[1])) == ((mount, rest) if mount else None)

    played(scenario)


def test_a_mount_tells_its_handlers_what_is_in_force() -> None:
    async def scenario(live: Live) -> None:
        plain = await live.mount("a/")
        assert (plain.info.default_lease_ttl, plain.info.max_lease_ttl, plain.info.token_type) == (
            100,
            1000,
            "default-service",
        )
        config = MountConfig(default_lease_ttl=5000, max_lease_ttl=2000, audit_non_hmac_request_keys=("x",))
        tuned = await live.mount("b/", options={"version": "2"}, config=config)
        assert (tuned.info.default_lease_ttl, tuned.info.max_lease_ttl) == (2000, 2000)
        assert tuned.non_hmac_request == {"x"}
        assert plain.engine is ONE
        assert tuned.engine is TWO

    played(scenario)


def test_accessors_say_what_they_are_of() -> None:
    assert new_entry("kv/", "kv", "secret").accessor.startswith("kv_")
    made = new_entry("auth/ci/", "approle", "auth")
    assert made.accessor.startswith("auth_approle_")
    assert len(made.accessor) == len("auth_approle_") + 8


# -- Free paths --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "auth", "text"),
    [
        ("sys/", False, 'cannot mount "sys/"'),
        ("sys/a/", False, 'cannot mount "sys/a/"'),
        ("audit/", False, 'cannot mount "audit/"'),
        ("audit/a/", False, 'cannot mount "audit/a/"'),
        ("auth/", False, 'cannot mount "auth/"'),
        ("auth/a/", False, 'cannot mount "auth/a/"'),
        ("cubbyhole/", False, 'cannot mount "cubbyhole/"'),
        ("identity/", False, 'cannot mount "identity/"'),
        ("cubbyhole/a/", False, "path is already in use at cubbyhole/"),
        ("auth/", True, 'cannot mount "auth/"'),
        ("auth/token/", True, "path is already in use at auth/token/"),
        ("auth/token/a/", True, "path is already in use at auth/token/"),
        ("a/b/", False, "path is already in use at a/b/"),
        ("a/b/c/", False, "path is already in use at a/b/"),
        ("a/", False, "path is already in use at a/b/"),
        ("a//c/", False, 'cannot mount "a//c/"'),
        ("a/../c/", False, 'cannot mount "a/../c/"'),
        ("./", False, 'cannot mount "./"'),
        ("/", False, 'cannot mount "/"'),
        ("x\n/", False, 'cannot mount "x\n/"'),
        ("x\u200e/", False, "cannot mount"),
        ("a/bc/", False, ""),
        ("systems/", False, ""),
        ("authx/", False, ""),
        ("identity2/", False, ""),
        ("auth/a/", True, ""),
        ("auth/sys/", True, ""),
        ("auth/tokens/", True, ""),
        ("\u00fc/", False, ""),
    ],
)
def test_which_paths_are_free(path: str, auth: bool, text: str) -> None:
    async def scenario(live: Live) -> None:
        for own in OWN:
            await live.mount(*own)
        await live.mount("a/b/")
        if not text:
            live.mounts.check_free(path, auth=auth)
            return
        with pytest.raises(BadRequest) as caught:
            live.mounts.check_free(path, auth=auth)
        assert caught.value.errors[0].startswith(text)

    played(scenario)


# -- Changes -----------------------------------------------------------------------------------------------------------


def test_a_changed_entry_takes_the_place_of_the_old() -> None:
    async def scenario(live: Live) -> None:
        mount = await live.mount("a/")
        moved = replace(mount.entry, path="b/", description="moved")
        live.mounts.apply(moved)
        assert live.mounts.by_path("a/") is None
        now = live.mounts.by_path("b")
        assert now is live.mounts.by_uuid(moved.uuid) is live.mounts.by_accessor(moved.accessor)
        assert now is not None
        assert now.entry.description == "moved"
        assert [m.path for m in live.mounts] == ["b/"]

    played(scenario)


def test_the_halves_of_the_table_are_sorted() -> None:
    async def scenario(live: Live) -> None:
        for own in OWN:
            await live.mount(*own)
        await live.mount("a/")
        assert [m.path for m in live.mounts.of(auth=True)] == ["auth/token/"]
        assert [m.path for m in live.mounts.of(auth=False)] == ["a/", "cubbyhole/", "sys/"]
        assert live.mounts.only("cubbyhole").path == "cubbyhole/"

    played(scenario)


def test_mounts_come_back_after_a_crash() -> None:
    async def scenario(live: Live) -> None:
        mount = await live.mount("a/", options={"version": "2"})
        back = (await live.again()).mounts.by_path("a/")
        assert back is not None
        assert back.entry == mount.entry

    played(scenario)


def test_a_leaving_mount_is_found_by_nobody_and_waits_for_those_inside() -> None:
    async def scenario(live: Live) -> None:
        mount, other = await live.mount("a/"), await live.mount("b/")
        inside, beside = SimpleNamespace(mount=mount), SimpleNamespace(mount=other)
        live.in_flight = [inside, beside, SimpleNamespace(mount=None)]
        leaving = asyncio.create_task(live.mounts.leave(mount))
        await asyncio.sleep(0)
        assert live.mounts.find("a/x") is None
        assert live.mounts.find("a") is None
        assert live.mounts.find("b/x") is not None
        assert live.mounts.by_path("a/") is mount  # revocation still needs it
        assert not leaving.done()
        with pytest.raises(BadRequest, match="already in use"):
            live.mounts.check_free("a/")
        live.in_flight.remove(inside)
        live.changed.set()
        await leaving
        live.mounts.stay("a/")
        assert live.mounts.find("a/x") == (mount, "x")

    played(scenario)


def test_an_unmounting_that_is_cancelled_while_it_waits_leaves_the_mount_serving() -> None:
    async def scenario(live: Live) -> None:
        mount = await live.mount("a/")
        live.in_flight = [SimpleNamespace(mount=mount)]
        leaving = asyncio.create_task(live.mounts.leave(mount))
        await asyncio.sleep(0)
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
        assert live.mounts.find("a/x") is not None

    played(scenario)


def test_unmounting_takes_the_data_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PURGE_CHUNK", 10)

    async def scenario(live: Live) -> None:
        mount, other = await live.mount("a/"), await live.mount("b/")
        await live.fill(mount, 35)
        await live.fill(other, 5)
        await live.unmount(mount.entry)
        assert live.mounts.find("a/x") is None
        await live.mounts.purge()
        assert await live.keys(mount.prefix) == await live.keys(GONE) == []
        assert len(await live.keys(other.prefix)) == 5

    played(scenario)


def test_removing_wakes_the_purge() -> None:
    async def scenario(live: Live) -> None:
        mount = await live.mount("a/")
        await live.fill(mount, 3)
        await live.unmount(mount.entry)
        await live.purged()
        assert await live.keys(mount.prefix) == []

    played(scenario)


@pytest.mark.parametrize("commits", range(6))
def test_a_purge_goes_on_after_a_crash_at_any_commit(commits: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PURGE_CHUNK", 10)

    async def scenario(live: Live) -> None:
        assert isinstance(live.storage, FailingStorage)
        mount = await live.mount("a/")
        await live.fill(mount, 35)
        tx = live.transaction()
        live.mounts.discard(tx, mount.entry)
        await tx.commit()
        live.storage.commits_left = commits
        try:
            await live.mounts.purge()
        except StorageError:
            assert await live.keys(GONE) == [GONE + mount.entry.uuid]
        again = await live.again()
        assert again.mounts.by_path("a/") is None
        again.mounts.check_free("a/")
        await again.purged()
        assert await again.keys(mount.prefix) == []
        await again.tasks.stop()

    played(scenario)


def test_a_type_that_is_not_installed_keeps_its_path_and_refuses_requests(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(live: Live) -> None:
        with caplog.at_level(logging.ERROR):
            await live.mount("x/", "from-elsewhere")
            again = await live.again()
        found = again.mounts.find("x/a")
        assert found is not None
        with pytest.raises(Unavailable):
            found[0].engine.match(found[1], "read")  # type: ignore[arg-type]
        with pytest.raises(BadRequest, match="already in use"):
            again.mounts.check_free("x/")
        await again.tasks.stop()

    played(scenario)


def test_of_two_entries_at_one_path_one_is_served_and_the_other_reported(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(live: Live) -> None:
        tx = live.transaction()
        for uuid in ("1", "2"):
            live.mounts.store(tx, entry("a/", uuid))
        await tx.commit()
        with caplog.at_level(logging.ERROR):
            again = await live.again()
        assert "two mounts are stored at a/" in caplog.text
        found = again.mounts.by_path("a/")
        assert found is not None
        assert found.entry.uuid == "1"
        await again.tasks.stop()

    played(scenario)


def test_moves_are_remembered_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOVES", 3)

    async def scenario(live: Live) -> None:
        ids = [live.mounts.note_move("a/", f"b{n}/") for n in range(5)]
        assert list(live.mounts.moves) == ids[2:]
        assert live.mounts.moves[ids[4]] == ("a/", "b4/")

    played(scenario)
