from __future__ import annotations

import pytest
from tests.support.seal_server import FakeCore, FakeLive, run

from strongroom.core.rekey import Rekey
from strongroom.errors import BadRequest, InternalError, RequestError, StorageError

WRONG = "failed to read root key: invalid key: failed to decrypt keys from storage"


def live_of(core: FakeCore) -> FakeLive:
    assert core.live is not None
    return core.live


async def give(rekey: Rekey, shares: list[bytes], nonce: str) -> list[bytes]:
    handed: list[bytes] = []
    for share in shares:
        assert not handed
        _, handed = await rekey.update(share, nonce)
    return handed


def test_new_shares_replace_the_old_at_once() -> None:
    async def test() -> None:
        core = FakeCore()
        made = await core.unsealed(2, 2)
        rekey = live_of(core).rekey
        plan = await rekey.start(3, 2)
        shares = await give(rekey, made.shares, plan.nonce)
        assert len(shares) == 3
        assert rekey.plan is None
        assert (await core.seal.status()).shares == 3
        await core.seal_now()
        with pytest.raises(BadRequest):
            await core.unseal(made.shares)
        await core.unseal([shares[0], shares[2]])
        assert await core.has_token(made.root_token)

    run(test)


def test_with_verification_the_new_shares_work_only_once_they_were_shown() -> None:
    async def test() -> None:
        core = FakeCore()
        made = await core.unsealed(1, 1)
        rekey = live_of(core).rekey
        plan = await rekey.start(2, 2, verify=True)
        shares = await give(rekey, made.shares, plan.nonce)
        assert (await core.seal.status()).shares == 1
        with pytest.raises(BadRequest, match="verification must be performed.*" + plan.verification_nonce):
            await rekey.update(made.shares[0], plan.nonce)
        with pytest.raises(BadRequest, match=f'this verify operation is "{plan.verification_nonce}"'):
            await rekey.verify(shares[0], plan.nonce)
        assert await rekey.verify(shares[0], plan.verification_nonce) == (plan, False)
        with pytest.raises(BadRequest, match="already been provided during this verify operation"):
            await rekey.verify(shares[0], plan.verification_nonce)
        old = plan.verification_nonce
        assert rekey.restart_verification().verification_nonce != old
        assert len(plan.shown) == 0
        for share in shares:
            _, complete = await rekey.verify(share, plan.verification_nonce)
        assert complete
        assert rekey.plan is None
        assert (await core.seal.status()).shares == 2
        await core.seal_now()
        await core.unseal(shares)

    run(test)


@pytest.mark.parametrize("shown", [[bytes(33), bytes(range(33))], [b"a" * 33, b"b" * 16]])
def test_showing_other_shares_replaces_nothing(shown: list[bytes]) -> None:
    async def test() -> None:
        core = FakeCore()
        made = await core.unsealed(1, 1)
        rekey = live_of(core).rekey
        plan = await rekey.start(2, 2, verify=True)
        shares = await give(rekey, made.shares, plan.nonce)
        await rekey.verify(shown[0], plan.verification_nonce)
        with pytest.raises(BadRequest, match="rekey verification failed"):
            await rekey.verify(shown[1], plan.verification_nonce)
        assert len(plan.shown) == 0
        assert (await core.seal.status()).shares == 1
        for share in shares:
            await rekey.verify(share, plan.verification_nonce)
        assert (await core.seal.status()).shares == 2

    run(test)


def test_wrong_shares_are_dropped_and_the_attempt_goes_on() -> None:
    async def test() -> None:
        core = FakeCore()
        made = await core.unsealed(2, 2)
        rekey = live_of(core).rekey
        plan = await rekey.start(1, 1)
        await rekey.update(made.shares[0], plan.nonce)
        with pytest.raises(BadRequest, match="already been provided during this generation operation"):
            await rekey.update(made.shares[0], plan.nonce)
        with pytest.raises(InternalError, match=WRONG):
            await rekey.update(bytes(range(33)), plan.nonce)
        assert rekey.plan is plan
        assert len(plan.collected) == 0
        assert await give(rekey, made.shares, plan.nonce)

    run(test)


@pytest.mark.parametrize(
    ("shares", "threshold", "error", "text"),
    [
        (0, 0, InternalError, "invalid rekey seal configuration: shares must be at least one"),
        (3, 1, InternalError, "invalid rekey seal configuration: threshold must be greater than one"),
        (3, 5, BadRequest, "provided threshold greater than the total shares"),
        (0, 1, BadRequest, "provided threshold greater than the total shares"),
    ],
)
def test_an_impossible_split_is_refused(shares: int, threshold: int, error: type[RequestError], text: str) -> None:
    async def test() -> None:
        core = FakeCore()
        await core.unsealed()
        with pytest.raises(error, match=text):
            await live_of(core).rekey.start(shares, threshold)
        assert live_of(core).rekey.plan is None

    run(test)


def test_what_is_asked_out_of_turn_is_refused() -> None:
    async def test() -> None:
        core = FakeCore()
        made = await core.unsealed(1, 1)
        rekey = live_of(core).rekey
        rekey.cancel()
        for attempt in (rekey.update(made.shares[0], "x"), rekey.verify(made.shares[0], "x")):
            with pytest.raises(BadRequest, match="no barrier rekey in progress"):
                await attempt
        plan = await rekey.start(1, 1)
        with pytest.raises(BadRequest, match="rekey already in progress"):
            await rekey.start(1, 1)
        with pytest.raises(BadRequest, match="no rekey verification in progress"):
            await rekey.verify(made.shares[0], "x")
        assert rekey.restart_verification().verification_nonce == ""
        with pytest.raises(BadRequest, match=f'this rekey operation is "{plan.nonce}"'):
            await rekey.update(made.shares[0], "wrong")
        with pytest.raises(BadRequest, match="shorter than minimum"):
            await rekey.update(b"short", plan.nonce)
        rekey.cancel()
        assert rekey.plan is None

    run(test)


def test_a_rekey_ends_with_the_sealing() -> None:
    async def test() -> None:
        core = FakeCore()
        made = await core.unsealed(1, 1)
        await live_of(core).rekey.start(1, 1)
        await core.seal_now()
        await core.unseal(made.shares)
        assert live_of(core).rekey.plan is None

    run(test)


def test_shares_are_not_handed_out_when_they_could_not_be_stored() -> None:
    async def test() -> None:
        core = FakeCore()
        made = await core.unsealed(1, 1)
        rekey = live_of(core).rekey
        plan = await rekey.start(1, 1)
        await core.storage.close()
        with pytest.raises(StorageError):
            await rekey.update(made.shares[0], plan.nonce)
        assert rekey.plan is plan

    run(test)


def test_a_repr_shows_no_key() -> None:
    async def test() -> None:
        core = FakeCore()
        made = await core.unsealed(1, 1)
        plan = await live_of(core).rekey.start(1, 1, verify=True)
        shares = await give(live_of(core).rekey, made.shares, plan.nonce)
        assert plan.key == shares[0]
        assert repr(plan.key) not in repr(plan)

    run(test)
