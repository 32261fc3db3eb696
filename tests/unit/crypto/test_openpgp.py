from __future__ import annotations

import base64
import contextlib
import time

import pysequoia
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pysequoia.packet import PacketPile, Tag
from tests.support.pgp import decrypted, fingerprint, private_key, public_bytes, public_key

from strongroom.crypto.openpgp import MAX_KEY_BYTES, is_private, read_recipient
from strongroom.errors import CryptoError


def b64(key: bytes) -> str:
    return base64.b64encode(key).decode()


@pytest.mark.parametrize(
    "suite", [pysequoia.CipherSuite.Cv25519, pysequoia.CipherSuite.RSA2k, pysequoia.CipherSuite.P256]
)
@pytest.mark.parametrize("profile", [pysequoia.Profile.RFC4880, pysequoia.Profile.RFC9580])
def test_only_the_private_key_opens_what_is_encrypted(suite: pysequoia.CipherSuite, profile: pysequoia.Profile) -> None:
    private = pysequoia.Tsk.generate(user_id="ann", cipher_suite=suite, profile=profile)
    cert = private.extract_certificate()
    recipient = read_recipient(b64(bytes(cert)), time.time())
    assert recipient.fingerprint == cert.fingerprint
    message = recipient.encrypt(b"a share")
    assert message[0] & 0x80  # binary, not armour
    assert b"a share" not in message
    assert pysequoia.decrypt(message, private.decryptor()).bytes == b"a share"
    with pytest.raises(RuntimeError):
        pysequoia.decrypt(message, private_key("bob").decryptor())


def test_base64_may_have_line_breaks_and_may_be_of_armour() -> None:
    broken = "\r\n".join(public_key()[i : i + 64] for i in range(0, len(public_key()), 64))
    assert read_recipient(broken, 0).fingerprint == fingerprint()
    armoured = str(private_key().extract_certificate()).encode()
    assert decrypted(read_recipient(b64(armoured), 0).encrypt(b"x")) == b"x"


def test_a_recipient_does_not_show_its_key() -> None:
    assert repr(read_recipient(public_key(), 0)) == f"Recipient(fingerprint='{fingerprint()}')"


def packets(*unwanted: Tag) -> bytes:
    kept = [packet for packet in PacketPile.from_bytes(public_bytes()) if packet.tag not in unwanted]
    return bytes(pysequoia.Cert.from_packets(kept))


def revoked() -> bytes:
    private = private_key()
    return public_bytes() + bytes(private.extract_certificate().revoke(private.certifier()))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("not a key", "error decoding given PGP key: illegal base64 data"),
        ("é", "error decoding given PGP key: illegal base64 data"),
        ("", "error parsing given PGP key: "),
        (b64(b"junk"), "error parsing given PGP key: "),
        (b64(public_bytes()[:60]), "error parsing given PGP key: "),
        (b64(public_bytes() + public_bytes("bob")), "is this a keyring?"),
        (b64(bytes(private_key())), "it is a private key"),
        (b64(str(private_key()).encode()), "it is a private key"),
        (b64(revoked()), "it is revoked"),
        (b64(packets(Tag.PublicSubkey)), "No suitable encryption subkey"),
        (b64(bytes(MAX_KEY_BYTES + 1)), "it is longer than 256 KiB"),
    ],
    # The keys are new each time, and workers must agree on the tests' names.
    ids=["base64", "ascii", "empty", "junk", "cut", "two", "private", "armored", "revoked", "bare", "long"],
)
def test_what_cannot_be_encrypted_for_is_refused(text: str, problem: str) -> None:
    with pytest.raises(CryptoError) as caught:
        read_recipient(text, time.time())
    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)  # the library's errors bring a stack along


def test_an_expired_key_is_refused() -> None:
    cert = private_key("short-lived", validity=3600).extract_certificate()
    assert cert.expiration is not None
    end = cert.expiration.timestamp()
    read_recipient(b64(bytes(cert)), end - 1)
    with pytest.raises(CryptoError, match=r"it expired at 20\d\d-"):
        read_recipient(b64(bytes(cert)), end)


@given(st.data())
def test_no_damage_to_a_key_raises_another_error(data: st.DataObject) -> None:
    key = bytearray(public_bytes())
    for position, byte in data.draw(st.lists(st.tuples(st.integers(0, len(key) - 1), st.integers(0, 255)), max_size=8)):
        key[position] = byte
    cut = data.draw(st.integers(0, len(key)))
    with contextlib.suppress(CryptoError):
        read_recipient(b64(bytes(key[:cut])), time.time())


@given(st.text() | st.binary().map(b64))
def test_no_text_raises_another_error(text: str) -> None:
    with contextlib.suppress(CryptoError):
        read_recipient(text, time.time())


@pytest.mark.parametrize(
    ("key", "private"),
    [
        (bytes(private_key()), True),
        (str(private_key()).encode(), True),
        (bytes([0x80 | 5 << 2]), True),  # the old form of a packet's header
        (public_bytes(), False),
        (b"", False),
        (b"-----BEGIN PGP PUBLIC KEY BLOCK-----", False),
    ],
)
def test_a_private_key_is_known_by_its_beginning(key: bytes, private: bool) -> None:
    assert is_private(key) is private
