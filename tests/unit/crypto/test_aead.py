import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.crypto import aead
from strongroom.errors import CryptoError

#: The test cases 14 and 16 of GCM for AES-256 (McGrew and Viega): key, nonce, associated data, plaintext, box.
VECTORS = [
    (
        bytes(32),
        bytes(12),
        b"",
        bytes(16),
        "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919",
    ),
    (
        bytes.fromhex("feffe9928665731c6d6a8f9467308308" * 2),
        bytes.fromhex("cafebabefacedbaddecaf888"),
        bytes.fromhex("feedfacedeadbeeffeedfacedeadbeefabaddad2"),
        bytes.fromhex(
            "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
            "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
        ),
        (
            "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
            "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b"
        ),
    ),
]


@pytest.mark.parametrize(("key", "nonce", "associated", "plain", "box"), VECTORS)
def test_published_vectors_decrypt(key, nonce, associated, plain, box):
    assert aead.AEAD(key).decrypt(nonce + bytes.fromhex(box), associated) == plain


@given(st.binary(max_size=200), st.binary(max_size=40))
def test_what_was_encrypted_decrypts(plain, associated):
    cipher = aead.AEAD(aead.new_key())
    box = cipher.encrypt(plain, associated)
    assert len(box) == len(plain) + aead.OVERHEAD
    assert cipher.decrypt(box, associated) == plain


@given(st.binary(min_size=1, max_size=60), st.data())
def test_any_changed_bit_is_noticed(plain, data):
    cipher = aead.AEAD(aead.new_key())
    box = bytearray(cipher.encrypt(plain, b"here"))
    box[data.draw(st.integers(0, len(box) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(CryptoError):
        cipher.decrypt(bytes(box), b"here")


@given(st.binary(max_size=100))
def test_foreign_bytes_are_refused(box):
    with pytest.raises(CryptoError):
        aead.AEAD(bytes(32)).decrypt(box, b"")


def test_another_key_or_place_does_not_decrypt():
    box = aead.AEAD(bytes(32)).encrypt(b"plain", b"here")
    for key, associated in ((bytes(31) + b"\1", b"here"), (bytes(32), b"there")):
        with pytest.raises(CryptoError):
            aead.AEAD(key).decrypt(box, associated)


def test_nonces_do_not_repeat():
    cipher = aead.AEAD(bytes(32))
    assert len({cipher.encrypt(b"", b"")[:12] for _ in range(2000)}) == 2000


@pytest.mark.parametrize("size", [0, 16, 31, 33])
def test_a_key_of_another_size_is_refused(size):
    with pytest.raises(CryptoError):
        aead.AEAD(bytes(size))
