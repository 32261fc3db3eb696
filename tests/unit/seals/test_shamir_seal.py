from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.errors import ConfigError, CryptoError
from strongroom.seals import SEALS, make_seal
from strongroom.seals.shamir import ShamirSeal

KEY, ROOT = bytes(range(32)), bytes(range(32, 64))


def test_unwrapping_gives_the_root_key_back() -> None:
    seal = ShamirSeal()
    assert asyncio.run(seal.unwrap(asyncio.run(seal.wrap(ROOT, KEY)), KEY)) == ROOT


def test_the_root_key_is_not_in_what_is_stored_and_no_wrapping_is_like_another() -> None:
    seal = ShamirSeal()
    first, second = asyncio.run(seal.wrap(ROOT, KEY)), asyncio.run(seal.wrap(ROOT, KEY))
    assert ROOT not in first
    assert first != second
    assert len(first) == 60


@given(st.binary(max_size=64))
def test_any_other_key_is_refused(key: bytes) -> None:
    seal = ShamirSeal()
    blob = asyncio.run(seal.wrap(ROOT, KEY))
    if key != KEY:
        with pytest.raises(CryptoError):
            asyncio.run(seal.unwrap(blob, key))


@given(at=st.integers(0, 59), bit=st.integers(0, 7))
def test_damage_anywhere_is_refused(at: int, bit: int) -> None:
    seal = ShamirSeal()
    blob = bytearray(asyncio.run(seal.wrap(ROOT, KEY)))
    blob[at] ^= 1 << bit
    with pytest.raises(CryptoError):
        asyncio.run(seal.unwrap(bytes(blob), KEY))


@given(st.binary(max_size=100))
def test_what_is_no_wrapped_key_is_refused(blob: bytes) -> None:
    with pytest.raises(CryptoError):
        asyncio.run(ShamirSeal().unwrap(blob, KEY))


@pytest.mark.parametrize("name", sorted(SEALS))
def test_a_seal_is_made_by_its_name(name: str) -> None:
    assert make_seal(name, {}).type == name


def test_an_unknown_seal_is_named_with_what_there_is() -> None:
    with pytest.raises(ConfigError, match=r'unknown seal "tpm".*shamir'):
        make_seal("tpm", {})
