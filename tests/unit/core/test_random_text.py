"""Random texts: of the alphabet alone, and each of its characters as likely as any other."""

from __future__ import annotations

import collections
import secrets

import pytest

from strongroom.clock import ALPHANUMERIC, random_text

ALPHABETS = ["x", "01", "abc", ALPHANUMERIC, "äöü€", "".join(map(chr, range(255))), "".join(map(chr, range(256)))]


@pytest.mark.parametrize("alphabet", ALPHABETS, ids=len)
@pytest.mark.parametrize("length", [0, 1, 24, 1000])
def test_it_is_as_long_as_asked_and_of_the_alphabet(length: int, alphabet: str) -> None:
    text = random_text(length, alphabet)
    assert len(text) == length
    assert set(text) <= set(alphabet)
    assert length < 1000 or len(set(text)) > len(alphabet) // 2


@pytest.mark.parametrize("alphabet", ALPHABETS, ids=len)
def test_as_many_bytes_stand_for_each_character(alphabet: str, monkeypatch: pytest.MonkeyPatch) -> None:
    each = 256 // len(alphabet)
    monkeypatch.setattr(secrets, "token_bytes", lambda _: bytes(range(256)))
    counted = collections.Counter(random_text(each * len(alphabet), alphabet))
    assert counted == dict.fromkeys(alphabet, each)


def test_no_two_are_the_same() -> None:
    assert len({random_text(24) for _ in range(1000)}) == 1000
