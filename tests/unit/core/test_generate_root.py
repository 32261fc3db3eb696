from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.seal_server import FakeCore, run

from strongroom.clock import ALPHANUMERIC
from strongroom.core.generate_root import OTP_LENGTH, GenerateRoot, encode_token
from strongroom.errors import BadRequest, InternalError


def decode(encoded: str, otp: str) -> str:
    raw = base64.b64decode(encoded + "=" * (-len(encoded) % 4))
    return bytes(a ^ b for a, b in zip(raw, otp.encode(), strict=True)).decode()


def root_of(core: FakeCore) -> GenerateRoot:
    assert core.live is not None
    return core.live.generate_root


def test_the_shares_make_a_root_token_that_only_the_password_uncovers() -> None:
    async def test() -> None:
        core = FakeCore()
        made = await core.unsealed(3, 2)
        roots = root_of(core)
        attempt = roots.start()
        assert len(attempt.otp) == OTP_LENGTH
        assert await roots.update(made.shares[0], attempt.nonce) == (attempt, 1, "")
        _, progress, encoded = await roots.update(made.shares[2], attempt.nonce)
        assert progress == 2
        assert "=" not in encoded
        token = decode(encoded, attempt.otp)
        assert token != made.root_token
        assert await core.has_token(token)
        assert await core.has_token(made.root_token)
        assert roots.attempt is None

    run(test)


def test_wrong_shares_are_dropped_and_the_attempt_goes_on() -> None:
    async def test() -> None:
        core = FakeCore()
        made = await core.unsealed(2, 2)
        roots = root_of(core)
        attempt = roots.start("x" * OTP_LENGTH)
        await roots.update(made.shares[0], attempt.nonce)
        with pytest.raises(BadRequest, match="given key has already been provided during this generation operation"):
            await roots.update(made.shares[0], attempt.nonce)
        with pytest.raises(BadRequest, match="unable to authenticate: invalid key"):
            await roots.update(bytes(range(33)), attempt.nonce)
        assert roots.attempt is attempt
        assert len(attempt.collected) == 0
        await roots.update(made.shares[0], attempt.nonce)
        _, _, encoded = await roots.update(made.shares[1], attempt.nonce)
        assert await core.has_token(decode(encoded, "x" * OTP_LENGTH))

    run(test)


def test_what_is_asked_out_of_turn_is_refused() -> None:
    async def test() -> None:
        core = FakeCore()
        made = await core.unsealed(1, 1)
        roots = root_of(core)
        roots.cancel()
        with pytest.raises(BadRequest, match=r"^no root generation in progress$"):
            await roots.update(made.shares[0], "x")
        attempt = roots.start()
        with pytest.raises(BadRequest, match=r"^root generation already in progress$"):
            roots.start()
        with pytest.raises(BadRequest, match=f'this root generation operation is "{attempt.nonce}"'):
            await roots.update(made.shares[0], "")
        with pytest.raises(BadRequest, match="longer than maximum"):
            await roots.update(bytes(34), attempt.nonce)
        roots.cancel()
        assert roots.attempt is None

    run(test)


@pytest.mark.parametrize("otp", ["short", "x" * 27, "x" * 29, "é" * 28])
def test_a_password_is_as_long_as_a_token(otp: str) -> None:
    async def test() -> None:
        core = FakeCore()
        await core.unsealed(1, 1)
        with pytest.raises(BadRequest, match=r"^OTP string is wrong length$"):
            root_of(core).start(otp)

    run(test)


def test_the_password_is_not_in_the_repr() -> None:
    async def test() -> None:
        core = FakeCore()
        await core.unsealed(1, 1)
        attempt = root_of(core).start()
        assert attempt.otp not in repr(attempt)

    run(test)


_TEXT = st.text(ALPHANUMERIC + ".", min_size=28, max_size=28)


@given(token=_TEXT, otp=_TEXT)
def test_encoding_is_undone_by_the_password(token: str, otp: str) -> None:
    assert decode(encode_token(token, otp), otp) == token


def test_a_token_of_another_length_is_an_error_of_ours() -> None:
    with pytest.raises(InternalError):
        encode_token("short", "x" * 28)
