"""HMAC-SHA256 as the standard library has it, and as RFC 4231 publishes it."""

from __future__ import annotations

import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.crypto.mac import HMACSHA256


@given(st.binary(max_size=200), st.binary(max_size=300))
def test_it_is_the_hmac_whatever_the_lengths(key: bytes, value: bytes) -> None:
    mac = HMACSHA256(key)
    assert mac.hex(value) == mac.hex(value) == hmac.digest(key, value, "sha256").hex()


@pytest.mark.parametrize(
    ("key", "value", "wanted"),
    [
        (b"\x0b" * 20, b"Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
        (b"Jefe", b"what do ya want for nothing?", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
    ],
)
def test_published_vectors(key: bytes, value: bytes, wanted: str) -> None:
    assert HMACSHA256(key).hex(value) == wanted
