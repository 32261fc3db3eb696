from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.core.seal_config import SealConfig
from strongroom.errors import CorruptEntry

CONFIG = SealConfig(1, "shamir", 5, 3, bytes(range(60)), 1_700_000_000_000_000_000)


def test_what_is_stored_reads_back() -> None:
    read = SealConfig.decode(CONFIG.encode())
    assert msgspec.structs.replace(read, digest="") == CONFIG


def test_the_stored_form_is_the_one_that_is_drawn() -> None:
    stored = json.loads(CONFIG.encode())
    assert list(stored) == ["v", "type", "shares", "threshold", "wrapped", "created", "digest"]
    assert stored["digest"] == "1bd41b0153b570c14c4c503854349b50b270950b78c4c7370f5612d3482c8923"
    assert stored["wrapped"].startswith("AAECAwQF")


@given(at=st.integers(0, 1000), bit=st.integers(0, 7))
def test_damage_is_noticed(at: int, bit: int) -> None:
    stored = bytearray(CONFIG.encode())
    stored[at % len(stored)] ^= 1 << bit
    with pytest.raises(CorruptEntry):
        SealConfig.decode(bytes(stored))


@given(st.binary(max_size=300) | st.text().map(lambda t: json.dumps({"v": 1, "type": t}).encode()))
def test_no_bytes_break_the_decoder(stored: bytes) -> None:
    with pytest.raises(CorruptEntry):
        SealConfig.decode(stored)


def test_a_later_format_is_named() -> None:
    with pytest.raises(CorruptEntry, match="format 2, which this version does not read"):
        SealConfig.decode(msgspec.structs.replace(CONFIG, v=2).encode())


def test_deep_nesting_is_only_damage() -> None:
    with pytest.raises(CorruptEntry):
        SealConfig.decode(b"[" * 100_000)


def test_an_impossible_split_is_damage() -> None:
    with pytest.raises(CorruptEntry, match="shares and threshold"):
        SealConfig.decode(msgspec.structs.replace(CONFIG, threshold=9).encode())
