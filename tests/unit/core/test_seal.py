from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.seal_server import FakeCore, run

from strongroom.core.seal_config import SEAL_CONFIG_KEY, SealConfig
from strongroom.errors import BadRequest, CorruptEntry, InternalError, StorageError
from strongroom.storage.barrier import KEYRING_KEY
from strongroom.storage.base import FENCE_KEY, Batch
from strongroom.storage.memory import MemoryStorage

WRONG = "unable to retrieve stored keys: invalid key: failed to decrypt keys from storage"


class Counting(MemoryStorage):
    """Counts commits, and refuses them when told to."""

    def __init__(self) -> None:
        super().__init__()
        self.commits: list[Batch] = []
        self.broken = False

    async def commit(self, batch: Batch) -> None:
        if self.broken:
            raise StorageError("broken")
        self.commits.append(batch)
        await super().commit(batch)


async def everything(storage: MemoryStorage) -> dict[str, bytes]:
    return {key: value async for key, value in storage.scan("")}


# -- Initialising ------------------------------------------------------------------------------------------------------


def test_init_hands_out_shares_and_a_root_token_and_leaves_the_server_sealed() -> None:
    async def test() -> None:
        core = FakeCore()
        assert not await core.seal.initialised()
        made = await core.init(5, 3)
        assert [len(share) for share in made.shares] == [33] * 5
        assert made.root_token.startswith("hvs.")
        assert core.live is None
        assert core.barrier.sealed
        assert await core.seal.initialised()
        assert core.barrier.storage is core.storage
        await core.unseal(made.shares[2:])
        assert await core.has_token(made.root_token)

    run(test)


def test_a_single_share_is_the_key_itself() -> None:
    async def test() -> None:
        core = FakeCore()
        made = await core.init(1, 1)
        assert [len(share) for share in made.shares] == [32]
        await core.unseal(made.shares)
        assert not core.seal.sealed

    run(test)


def test_init_is_one_commit() -> None:
    async def test() -> None:
        storage = Counting()
        core = FakeCore(storage)
        await core.init()
        assert len(storage.commits) == 1
        assert {KEYRING_KEY, SEAL_CONFIG_KEY, "core/mount/1"} < set(storage.commits[0].puts)

    run(test)


def test_nothing_is_left_of_an_init_that_fails() -> None:
    async def test() -> None:
        storage = Counting()
        core = FakeCore(storage)
        storage.broken = True
        with pytest.raises(StorageError):
            await core.init()
        storage.broken = False
        core.fail = RuntimeError("while the first state was built")
        with pytest.raises(RuntimeError):
            await core.init()
        core.fail = None

        async def no_token() -> str:
            raise StorageError("no token")

        with pytest.raises(StorageError):
            await core.seal.init(1, 1, no_token)
        assert await everything(storage) == {}
        assert core.barrier.sealed
        assert core.live is None
        await core.unsealed()

    run(test)


def test_no_plaintext_and_no_key_reaches_the_storage() -> None:
    async def test() -> None:
        core = FakeCore()
        made = await core.init(1, 1)
        stored = b"".join((await everything(core.storage)).values())
        assert made.shares[0] not in stored
        assert b"first state" not in stored
        assert made.shares[0].hex() not in repr(made)
        assert made.root_token not in repr(made)

    run(test)


def test_the_root_token_can_be_made_by_the_caller() -> None:
    async def test() -> None:
        core = FakeCore()

        async def make() -> str:
            await core.barrier.commit(Batch({"sys/token/root": b"root"}))
            return "root"

        made = await core.seal.init(1, 1, make)
        assert made.root_token == "root"
        await core.unseal(made.shares)
        assert await core.has_token("root")

    run(test)


def test_a_server_is_initialised_once() -> None:
    async def test() -> None:
        core = FakeCore()
        results = await asyncio.gather(core.init(), core.init(), return_exceptions=True)
        assert [type(result).__name__ for result in results] == ["Initialised", "BadRequest"]
        before = await everything(core.storage)
        with pytest.raises(BadRequest, match=r"^Vault is already initialized$"):
            await core.init(0, 0)
        assert await everything(core.storage) == before

    run(test)


def test_an_impossible_split_is_refused() -> None:
    async def test() -> None:
        core = FakeCore()
        with pytest.raises(BadRequest, match=r"^invalid seal configuration: threshold cannot be larger than shares$"):
            await core.init(3, 4)
        assert not await core.seal.initialised()

    run(test)


@pytest.mark.parametrize("present", ["logical/a", "core/mount/x", "vault/core/keyring"])
def test_init_does_not_take_a_storage_that_holds_something_else(present: str) -> None:
    async def test() -> None:
        core = FakeCore()
        await core.storage.commit(Batch({present: b"precious"}))
        with pytest.raises(InternalError, match=r"not empty.*Nothing was written"):
            await core.init()
        assert await everything(core.storage) == {present: b"precious"}

    run(test)


def test_init_keeps_the_fence_and_commits_under_it() -> None:
    async def test() -> None:
        storage = Counting()
        core = FakeCore(storage)
        await storage.commit(Batch({FENCE_KEY: b"node 1"}))
        core.barrier.fence = b"node 1"
        await core.unsealed()
        assert await storage.get(FENCE_KEY) == b"node 1"
        assert storage.commits[1].fence == b"node 1"

    run(test)


# -- Unsealing ---------------------------------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_any_threshold_of_the_shares_unseals(data: st.DataObject) -> None:
    total = data.draw(st.integers(1, 6))
    threshold = 1 if total == 1 else data.draw(st.integers(2, total))
    order = data.draw(st.permutations(range(total)))

    async def test() -> None:
        core = FakeCore()
        made = await core.init(total, threshold)
        for count, index in enumerate(order[:threshold], 1):
            assert core.seal.sealed
            await core.seal.unseal(made.shares[index])
            status = await core.seal.status()
            assert status.progress == count % threshold
        assert not core.seal.sealed

    run(test)


def test_progress_has_a_nonce_and_the_same_share_counts_once() -> None:
    async def test() -> None:
        core = FakeCore()
        made = await core.init()
        assert (await core.seal.status()).nonce == ""
        await core.seal.unseal(made.shares[0])
        first = await core.seal.status()
        assert (first.progress, first.threshold, first.shares, first.sealed) == (1, 2, 3, True)
        assert len(first.nonce) == 36
        await core.seal.unseal(made.shares[0])
        assert await core.seal.status() == first
        core.seal.reset()
        cleared = await core.seal.status()
        assert (cleared.progress, cleared.nonce) == (0, "")
        await core.seal.unseal(made.shares[0])
        again = await core.seal.status()
        assert again.progress == 1
        assert again.nonce != first.nonce

    run(test)


@pytest.mark.parametrize("bad", [bytes(33), bytes(range(33)), bytes(32), bytes(16)])
def test_a_wrong_set_is_refused_and_dropped(bad: bytes) -> None:
    async def test() -> None:
        core = FakeCore()
        made = await core.init()
        before = await everything(core.storage)
        await core.seal.unseal(made.shares[0])
        with pytest.raises(BadRequest, match=WRONG):
            await core.seal.unseal(bad)
        status = await core.seal.status()
        assert (status.progress, status.nonce) == (0, "")
        assert await everything(core.storage) == before
        await core.unseal(made.shares[1:])
        assert not core.seal.sealed

    run(test)


def test_shares_are_checked_before_they_are_counted() -> None:
    async def test() -> None:
        core = FakeCore()
        with pytest.raises(BadRequest, match=r"^Vault is not initialized$"):
            await core.seal.unseal(b"short")
        core.seal.reset()
        made = await core.init(1, 1)
        with pytest.raises(BadRequest, match="shorter than minimum"):
            await core.seal.unseal(b"short")
        assert (await core.seal.status()).nonce == ""
        await core.unseal(made.shares)
        await core.seal.unseal(b"short")
        with pytest.raises(BadRequest, match=r"^vault is unsealed$"):
            core.seal.reset()

    run(test)


def test_shares_given_at_the_same_time_open_it_once() -> None:
    async def test() -> None:
        core = FakeCore()
        made = await core.init(5, 3)
        await asyncio.gather(*(core.seal.unseal(share) for share in made.shares))
        assert not core.seal.sealed
        assert (await core.seal.status()).progress == 0

    run(test)


def test_a_sealed_server_unseals_again_with_the_same_shares() -> None:
    async def test() -> None:
        core = FakeCore()
        made = await core.unsealed()
        await core.seal_now()
        assert (await core.seal.status()).sealed
        await core.unseal(made.shares[1:])
        assert await core.has_token(made.root_token)

    run(test)


def test_another_process_unseals_what_this_one_initialised() -> None:
    async def test() -> None:
        core = FakeCore()
        made = await core.init()
        other = FakeCore(core.storage)
        await other.unseal(made.shares[:2])
        assert await other.has_token(made.root_token)

    run(test)


# -- Damage ------------------------------------------------------------------------------------------------------------


async def _damaged(key: str, change: Any) -> FakeCore:
    core = FakeCore()
    made = await core.init(1, 1)
    value = await core.storage.get(key)
    assert value is not None
    damaged = change(value)
    await core.storage.commit(Batch(deletes={key}) if damaged is None else Batch({key: damaged}))
    before = await everything(core.storage)
    with pytest.raises(InternalError, match="Nothing was written"):
        await core.seal.unseal(made.shares[0])
    assert core.seal.sealed
    assert await everything(core.storage) == before
    return core


@pytest.mark.parametrize("change", [lambda v: None, lambda v: v[:-1], lambda v: v.replace(b'"n', b'"m'), lambda v: b""])
def test_a_damaged_seal_configuration_is_named_and_never_written_over(change: Any) -> None:
    async def test() -> None:
        core = await _damaged(SEAL_CONFIG_KEY, lambda v: change(v) if change(v) != v else v[:-2])
        for attempt in (core.init(), core.seal.status(), core.seal.initialised()):
            with pytest.raises(InternalError, match="seal configuration"):
                await attempt

    run(test)


@pytest.mark.parametrize("change", [lambda v: v[:-1], lambda v: b"?" + v[1:], lambda v: v[:60] + b"?" + v[61:]])
def test_a_damaged_keyring_is_named_and_never_written_over(change: Any) -> None:
    async def test() -> None:
        core = await _damaged(KEYRING_KEY, change)
        with pytest.raises(BadRequest, match="already initialized"):
            await core.init()

    run(test)


def test_a_seal_configuration_beside_another_servers_keyring_is_named() -> None:
    async def test() -> None:
        other = FakeCore()
        await other.init(1, 1)
        keyring = await other.storage.get(KEYRING_KEY)
        core = await _damaged(KEYRING_KEY, lambda _: keyring)
        assert core.live is None

    run(test)


@pytest.mark.parametrize(
    ("failure", "told"),
    [
        (
            CorruptEntry("the entry core/mount/1 does not decrypt"),
            "the entry core/mount/1 does not decrypt. Nothing was",
        ),
        (StorageError("disk I/O error at /var/lib"), "the storage does not work"),
    ],
)
def test_a_failure_behind_the_seal_is_told(failure: Exception, told: str) -> None:
    async def test() -> None:
        core = FakeCore()
        made = await core.init(1, 1)
        core.fail = failure
        with pytest.raises(InternalError, match=told) as caught:
            await core.unseal(made.shares)
        assert "/var/lib" not in str(caught.value)
        core.fail = None
        await core.unseal(made.shares)

    run(test)


# -- While unsealed ----------------------------------------------------------------------------------------------------


def test_the_configuration_is_read_from_storage_only_while_sealed() -> None:
    async def test() -> None:
        core = FakeCore()
        await core.unsealed()
        config = await core.seal.config()
        assert config is not None
        await core.storage.commit(Batch(deletes={SEAL_CONFIG_KEY}))
        assert await core.seal.config() is config
        core.seal.invalidate()
        with pytest.raises(InternalError):
            await core.seal.config()

    run(test)


def test_a_replaced_key_takes_effect_with_one_commit() -> None:
    async def test() -> None:
        storage = Counting()
        core = FakeCore(storage)
        made = await core.unsealed(1, 1)
        commits = len(storage.commits)
        key = bytes(range(32))
        await core.seal.replace(key, 1, 1)
        assert len(storage.commits) == commits + 1
        assert set(storage.commits[-1].puts) == {KEYRING_KEY, SEAL_CONFIG_KEY}
        stored = await storage.get(SEAL_CONFIG_KEY)
        assert stored is not None
        assert SealConfig.decode(stored).shares == 1
        await core.seal_now()
        with pytest.raises(BadRequest, match=WRONG):
            await core.unseal(made.shares)
        await core.unseal([key])
        assert await core.has_token(made.root_token)

    run(test)


def test_a_replacement_that_cannot_be_stored_changes_nothing() -> None:
    async def test() -> None:
        storage = Counting()
        core = FakeCore(storage)
        made = await core.unsealed(3, 2)
        storage.broken = True
        with pytest.raises(StorageError):
            await core.seal.replace(bytes(range(32)), 1, 1)
        storage.broken = False
        assert (await core.seal.status()).shares == 3
        await core.seal_now()
        await core.unseal(made.shares[:2])

    run(test)
