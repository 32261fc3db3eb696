"""Tokens: what is stored, who is found, how uses are counted, what logins get."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.unit.core.fake_live import HOUR, FailingStorage, FakeLive, played

from strongroom.api.messages import Auth
from strongroom.core.token_model import ID, TokenEntry
from strongroom.core.tokens import auth_of
from strongroom.errors import BadRequest, StorageError


def test_neither_tokens_nor_accessors_lie_in_storage_in_the_clear() -> None:
    async def scenario(live: FakeLive) -> None:
        token, entry = await live.token(ttl=HOUR)
        async for key, value in live.storage.scan(""):
            assert token not in key
            assert entry.accessor not in key
            assert token.encode() not in value
            assert entry.accessor.encode() not in value
        async for _, value in live.barrier.scan("sys/"):
            assert token.encode() not in value

    played(scenario)


def test_another_server_hashes_the_same_token_to_another_key() -> None:
    async def scenario(live: FakeLive) -> str:
        return live.tokens.key_of("hvs.same")

    assert played(scenario) != played(scenario)


def test_the_salt_outlives_a_restart() -> None:
    async def scenario(live: FakeLive) -> None:
        token, entry = await live.token(ttl=HOUR)
        again = await live.restarted()
        assert await again.tokens.lookup(token) == entry
        await again.stop()

    played(scenario)


@pytest.mark.parametrize(
    "token", ["", "hvs.", "hvs.nosuch", "root", "x" * 100_000, "\ud800", "hvb.", "hvb.AAAA", "hvb.!"]
)
def test_what_nobody_made_is_not_found(token: str) -> None:
    async def scenario(live: FakeLive) -> None:
        assert await live.tokens.lookup(token) is None

    played(scenario)


def test_a_found_token_costs_no_suspension() -> None:
    async def scenario(live: FakeLive) -> None:
        token, entry = await live.token()
        looking = live.tokens.lookup(token)
        with pytest.raises(StopIteration) as found:
            looking.send(None)
        assert found.value.value is entry

    played(scenario)


def test_a_token_ends_to_the_nanosecond_whether_swept_or_not() -> None:
    async def scenario(live: FakeLive) -> None:
        token, entry = await live.token(ttl=10)
        live.clock.advance(9.999999)
        assert await live.tokens.lookup(token) == entry
        live.clock.advance(0.000001)
        assert await live.tokens.lookup(token) is None
        assert await live.tokens.by_accessor(entry.accessor) is None
        assert await live.tokens.by_key(entry.key) is None

    played(scenario)


def test_sweeping_leaves_nothing_of_an_expired_token() -> None:
    async def scenario(live: FakeLive) -> None:
        root = await live.root()
        before = await live.keys("")
        await live.token(root, ttl=10)
        live.clock.advance(11)
        await live.leases.run_due()
        assert await live.keys("") == before

    played(scenario)


# -- Limited uses ------------------------------------------------------------------------------------------------------


async def spend(live: FakeLive, token: str) -> TokenEntry | None:
    entry = await live.tokens.lookup(token)
    return await live.tokens.use(entry) if entry else None


def test_uses_count_down_and_the_last_is_marked() -> None:
    async def scenario(live: FakeLive) -> None:
        token, _ = await live.token(num_uses=3)
        left = [used.num_uses if (used := await spend(live, token)) else None for _ in range(4)]
        assert left == [2, 1, -1, None]

    played(scenario)


@pytest.mark.parametrize("uses", [1, 2, 5])
def test_of_many_requests_at_once_only_as_many_are_served_as_there_are_uses(uses: int) -> None:
    async def scenario(live: FakeLive) -> None:
        _, entry = await live.token(num_uses=uses)
        served = await asyncio.gather(*(live.tokens.use(entry) for _ in range(20)))
        counts = sorted(used.num_uses for used in served if used is not None)
        assert counts == sorted([*range(1, uses), -1])

    played(scenario)


def test_a_use_is_durable_before_it_is_granted() -> None:
    async def scenario(live: FakeLive) -> None:
        assert isinstance(live.storage, FailingStorage)
        token, entry = await live.token(num_uses=1)
        live.storage.commits_left = 0
        with pytest.raises(StorageError):
            await live.tokens.use(entry)
        again = await live.restarted()
        used = await spend(again, token)
        assert used is not None
        last = await again.restarted()
        assert await spend(last, token) is None
        await last.stop()

    played(scenario)


def test_after_the_last_use_the_token_is_gone() -> None:
    async def scenario(live: FakeLive) -> None:
        token, _ = await live.token(num_uses=1)
        used = await spend(live, token)
        assert used is not None
        await live.tokens.after_last_use(used)
        assert await live.keys(ID + used.key) == []

    played(scenario)


def test_a_token_without_a_limit_is_not_written_by_its_use() -> None:
    async def scenario(live: FakeLive) -> None:
        assert isinstance(live.storage, FailingStorage)
        _, entry = await live.token()
        commits = live.storage.commits
        assert await live.tokens.use(entry) is entry
        assert live.storage.commits == commits

    played(scenario)


# -- Chosen ids --------------------------------------------------------------------------------------------------------


def test_of_two_requests_for_the_same_id_one_gets_it() -> None:
    async def scenario(live: FakeLive) -> None:
        root = await live.root()
        made = await asyncio.gather(*(live.token(root, id="mine") for _ in range(5)), return_exceptions=True)
        refused = [m for m in made if isinstance(m, BadRequest)]
        assert len(refused) == 4
        assert str(refused[0]) == "cannot create a token with a duplicate ID"

    played(scenario)


def test_an_id_is_free_again_when_its_token_has_expired_and_the_cubbyhole_is_new() -> None:
    async def scenario(live: FakeLive) -> None:
        root = await live.root()
        _, entry = await live.token(root, id="mine", ttl=5)
        tx = live.transaction()
        tx.put(live.cubbyhole(entry.key) + "note", b"old")
        tx.put(live.cubbyhole(entry.key) + "folder/note", b"old")
        await tx.commit()
        live.clock.advance(6)
        await live.token(root, id="mine", ttl=5)
        assert await live.keys(live.cubbyhole(entry.key)) == []

    played(scenario)


@pytest.mark.parametrize("token", ["s.x", "hvs.x", "hvb.x", "b.x", "a.b", "x" * 100_000])
def test_reserved_ids_are_refused(token: str) -> None:
    async def scenario(live: FakeLive) -> None:
        with pytest.raises(BadRequest, match="custom token ID"):
            await live.token(id=token)

    played(scenario)


# -- Root tokens and logins --------------------------------------------------------------------------------------------


def test_a_root_token_never_ends_and_is_listed_as_a_lease() -> None:
    async def scenario(live: FakeLive) -> None:
        entry = await live.root()
        live.clock.advance(1e9)
        await live.leases.run_due()
        assert (await live.tokens.by_key(entry.key)) == entry
        assert entry.root
        assert await live.leases.list("auth/token") == ["root/"]
        lease = await live.leases.lookup(entry.lease_id)
        assert lease is not None
        assert lease.expire_ns == 0

    played(scenario)


def test_a_development_servers_root_token_is_made_once() -> None:
    async def scenario(live: FakeLive) -> None:
        assert [await live.tokens.create_root("root") for _ in range(2)] == ["root", "root"]
        entry = await live.tokens.lookup("root")
        assert entry is not None
        assert entry.path == "auth/token/create"

    played(scenario)


async def login(live: FakeLive, **asked: Any) -> Auth:
    auth = Auth(**asked)
    tx = live.transaction()
    await live.tokens.register_login(tx, auth, live.table["auth/userpass/"], "auth/userpass/login/ann")  # type: ignore[arg-type]
    await tx.commit()
    return auth


def test_a_login_fills_in_the_auth_block_and_is_found() -> None:
    async def scenario(live: FakeLive) -> None:
        live.mount("auth/userpass/")
        auth = await login(
            live, policies=["Web"], display_name="ann", ttl=HOUR, renewable=True, identity_policies=["x"]
        )
        assert auth.token_policies == ["default", "web"]
        assert auth.policies == ["default", "web", "x"]
        assert (auth.lease_duration, auth.renewable, auth.orphan) == (HOUR, True, True)
        entry = await live.tokens.lookup(auth.client_token)
        assert entry is not None
        assert entry.display_name == "userpass-ann"
        assert entry.lease_id.startswith("auth/userpass/login/ann/h")
        assert auth_of(entry).accessor == auth.accessor

    played(scenario)


def test_no_login_makes_a_root_token() -> None:
    async def scenario(live: FakeLive) -> None:
        live.mount("auth/userpass/")
        with pytest.raises(BadRequest):
            await login(live, policies=["root", "x"])

    played(scenario)


@pytest.mark.parametrize(
    ("tuned", "asked", "kind"),
    [
        ("default-service", "", "service"),
        ("default-service", "batch", "batch"),
        ("default-batch", "", "batch"),
        ("default-batch", "service", "service"),
        ("batch", "service", "batch"),
        ("service", "batch", "service"),
    ],
)
def test_the_mounts_tuning_and_the_method_settle_the_type(tuned: str, asked: str, kind: str) -> None:
    async def scenario(live: FakeLive) -> None:
        live.mount("auth/userpass/").info.token_type = tuned
        auth = await login(live, token_type=asked, policies=["x"], num_uses=3, renewable=True)
        assert auth.token_type == kind
        assert auth.client_token.startswith("hvb." if kind == "batch" else "hvs.")
        assert (auth.num_uses, auth.renewable) == ((0, False) if kind == "batch" else (3, True))

    played(scenario)


@pytest.mark.parametrize(
    ("cidrs", "address", "allowed"),
    [
        ([], "10.0.0.1", True),
        (["10.0.0.0/8"], "10.9.9.9", True),
        (["10.0.0.0/8"], "11.0.0.1", False),
        (["10.0.0.0/8"], "::ffff:10.1.1.1", True),
        (["10.0.0.0/8", "127.0.0.1"], "127.0.0.1", True),
        (["fe80::/10"], "fe80::1%eth0", True),
        (["10.0.0.0/8"], "", False),
        (["127.0.0.1/99"], "127.0.0.1", False),
    ],
)
def test_a_token_is_good_only_from_its_networks(cidrs: list[str], address: str, allowed: bool) -> None:
    async def scenario(live: FakeLive) -> None:
        live.mount("auth/userpass/")
        auth = await login(live, bound_cidrs=cidrs)
        entry = await live.tokens.lookup(auth.client_token)
        assert entry is not None
        assert live.tokens.permits(entry, address) is allowed

    played(scenario)


def test_accessors_are_streamed_and_lead_to_their_tokens() -> None:
    async def scenario(live: FakeLive) -> None:
        root = await live.root()
        made = [(await live.token(root))[1] for _ in range(5)]
        listed = {found.accessor: found.key async for found in live.tokens.accessors()}
        assert listed == {entry.accessor: entry.key for entry in [root, *made]}
        assert await live.tokens.by_accessor(made[0].accessor) == made[0]
        assert await live.tokens.by_accessor("nosuch") is None

    played(scenario)
