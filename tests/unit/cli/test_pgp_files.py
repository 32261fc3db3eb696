from __future__ import annotations

import base64
import contextlib
import pathlib

import pysequoia
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.pgp import private_key, public_bytes, public_key

from strongroom.cli.command import Refused
from strongroom.cli.pgp_files import _binary, pgp_keys

ARMOUR = pysequoia.armor(public_bytes(), pysequoia.ArmorKind.PublicKey)


@pytest.mark.parametrize(
    "content",
    [
        public_bytes(),
        public_key().encode(),
        "\n".join([public_key()[:64], public_key()[64:], ""]).encode(),
        ARMOUR.encode(),
        ARMOUR.replace("\n", "\r\n").encode(),
        b"A note before it.\n\n" + ARMOUR.encode() + b"and after it",
    ],
    ids=["binary", "base64", "base64 in lines", "armour", "armour of Windows", "armour in a text"],
)
def test_a_key_is_sent_in_base64_whatever_its_file_has(tmp_path: pathlib.Path, content: bytes) -> None:
    file = tmp_path / "ann"
    file.write_bytes(content)
    assert pgp_keys([f"{file},@{file}", f" {file}"]) == [public_key()] * 3


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (bytes(private_key()), "this is a private key"),
        (str(private_key()).encode(), "this is a private key"),
        (base64.b64encode(bytes(private_key())), "this is a private key"),
        (ARMOUR.encode() * 2, "more than one key found in file"),
        (b"-----BEGIN PGP PUBLIC KEY BLOCK-----\nabc", "no empty line"),
        (b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\na!\n", "not base64"),
    ],
)
def test_what_is_no_public_key_is_not_sent(tmp_path: pathlib.Path, content: bytes, text: str) -> None:
    file = tmp_path / "ann"
    file.write_bytes(content)
    with pytest.raises(Refused, match=text):
        pgp_keys([str(file)])


@pytest.mark.parametrize(("name", "text"), [("keybase:ann", "not fetched"), ("/nowhere", "open /nowhere: ")])
def test_a_file_that_is_none_is_named(name: str, text: str) -> None:
    with pytest.raises(Refused, match=text):
        pgp_keys([name])


@given(st.binary() | st.binary().map(lambda body: b"-----BEGIN PGP\n" + body))
def test_no_content_raises_another_error(content: bytes) -> None:
    with contextlib.suppress(Refused):
        _binary("file", content)
