from __future__ import annotations

import base64
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.core.shares import Shares, check_nonce, check_share, decode_share, split, split_problem
from strongroom.errors import BadRequest, CryptoError

KEY = bytes(range(32))


@given(st.binary(min_size=16, max_size=33))
def test_a_share_is_read_from_hex_and_from_base64(share: bytes) -> None:
    assert decode_share(share.hex()) == decode_share(share.hex().upper()) == share
    text = base64.b64encode(share).decode()
    if not text.isalnum() or len(text) % 2 or set(text.lower()) - set("0123456789abcdef"):
        assert decode_share(text) == share


def test_hex_of_an_impossible_length_is_read_as_base64() -> None:
    assert decode_share("0011") == base64.b64decode("0011")
    assert decode_share("ab" * 34) == base64.b64decode("ab" * 34)


@pytest.mark.parametrize(
    "text", ["", "zz", "00", "!!", "not base64 nor hex", "abc", "ab cd" * 8, "é" * 32, "AAAA\n===="]
)
def test_what_is_neither_is_refused_unless_empty(text: str) -> None:
    if text:
        with pytest.raises(BadRequest, match="must be a valid hex or base64 string"):
            decode_share(text)


@given(st.text())
def test_no_text_breaks_the_decoder(text: str) -> None:
    with contextlib.suppress(BadRequest):
        decode_share(text)


@pytest.mark.parametrize(
    ("length", "problem"),
    [
        (0, "shorter than minimum 16"),
        (15, "shorter than minimum 16"),
        (16, ""),
        (33, ""),
        (34, "longer than maximum 33"),
    ],
)
def test_a_share_has_16_to_33_bytes(length: int, problem: str) -> None:
    if not problem:
        check_share(bytes(length))
        return
    with pytest.raises(BadRequest, match=f"invalid key: key is {problem} bytes"):
        check_share(bytes(length))


@pytest.mark.parametrize(
    ("shares", "threshold", "problem"),
    [
        (0, 0, "shares must be at least one"),
        (0, 1, "shares must be at least one"),
        (-1, -1, "shares must be at least one"),
        (5, 0, "threshold must be at least one"),
        (3, 4, "threshold cannot be larger than shares"),
        (5, 1, "threshold must be greater than one for multiple shares"),
        (256, 3, "shares must be less than 256"),
        (1, 1, ""),
        (2, 2, ""),
        (255, 255, ""),
    ],
)
def test_which_splits_are_possible(shares: int, threshold: int, problem: str) -> None:
    assert split_problem(shares, threshold) == problem


@given(st.data())
def test_any_threshold_of_the_shares_gives_the_key_back(data: st.DataObject) -> None:
    total = data.draw(st.integers(1, 8))
    threshold = 1 if total == 1 else data.draw(st.integers(2, total))
    parts = split(KEY, total, threshold)
    assert len(parts) == total
    collected = Shares()
    for share in data.draw(st.permutations(parts))[:threshold]:
        assert collected.add(share)
    assert collected.combine() == KEY
    assert len(collected) == 0


def test_a_share_counts_once() -> None:
    collected = Shares()
    assert collected.add(KEY)
    assert not collected.add(KEY)
    assert collected.add(KEY[:-1] + b"x")
    assert len(collected) == 2


def test_shares_are_overwritten_when_they_are_dropped() -> None:
    collected = Shares()
    collected.add(KEY)
    kept = collected._shares[0]
    collected.clear()
    assert kept == bytes(32)
    assert len(collected) == 0


@pytest.mark.parametrize(
    "parts", [[], [bytes(33), bytes(32)], [b"a" * 32 + b"\x01", b"b" * 32 + b"\x01"], [b"a" * 32 + b"\x00", b"b" * 33]]
)
def test_shares_that_cannot_belong_together_are_refused_and_dropped(parts: list[bytes]) -> None:
    collected = Shares()
    for part in parts:
        collected.add(part)
    with pytest.raises(CryptoError):
        collected.combine()
    assert len(collected) == 0


def test_a_repr_shows_no_share() -> None:
    collected = Shares()
    collected.add(b"SECRETSECRETSECRET")
    assert repr(collected) == "Shares(1)"


@pytest.mark.parametrize("given_nonce", ["", "other", "n\ud800", "nonce "])
def test_a_nonce_must_be_the_attempts_own(given_nonce: str) -> None:
    check_nonce("nonce", "nonce", "rekey")
    with pytest.raises(BadRequest, match='incorrect nonce supplied; nonce for this rekey operation is "nonce"'):
        check_nonce(given_nonce, "nonce", "rekey")
