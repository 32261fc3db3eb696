import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st

from strongroom.crypto import kdf
from strongroom.errors import CryptoError


@pytest.mark.parametrize(
    ("key", "salt", "info", "length", "out"),
    [
        (
            "0b" * 22,
            "000102030405060708090a0b0c",
            "f0f1f2f3f4f5f6f7f8f9",
            42,
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
        ),
        (
            bytes(range(0x50)).hex(),
            bytes(range(0x60, 0xB0)).hex(),
            bytes(range(0xB0, 0x100)).hex(),
            82,
            (
                "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09"
                "da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87"
            ),
        ),
        (
            "0b" * 22,
            "",
            "",
            42,
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
        ),
    ],
)
def test_the_vectors_of_rfc_5869(key, salt, info, length, out):
    derived = kdf.hkdf_sha256(bytes.fromhex(key), length, salt=bytes.fromhex(salt), info=bytes.fromhex(info))
    assert derived.hex() == out


@given(st.binary(max_size=64), st.binary(max_size=64), st.binary(max_size=64), st.integers(1, 300))
def test_hkdf_agrees_with_another_implementation(key, salt, info, length):
    other = HKDF(SHA256(), length, salt or None, info)
    assert kdf.hkdf_sha256(key, length, salt=salt, info=info) == other.derive(key)


@pytest.mark.parametrize("length", [-1, 0, 255 * 32 + 1])
def test_hkdf_refuses_impossible_lengths(length):
    with pytest.raises(CryptoError):
        kdf.hkdf_sha256(b"key", length)


@pytest.mark.parametrize(
    ("key", "data", "out"),
    [
        ("0b" * 20, b"Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
        (
            b"Jefe".hex(),
            b"what do ya want for nothing?",
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        ),
    ],
)
def test_the_vectors_of_rfc_4231(key, data, out):
    assert kdf.hmac_sha256(bytes.fromhex(key), data).hex() == out


def test_a_salt_names_the_same_text_alike_and_others_not():
    salt, other = kdf.Salt(kdf.Salt.new_key()), kdf.Salt(kdf.Salt.new_key())
    assert salt.name("hvs.é") == salt.name("hvs.é")
    assert len({salt.name("a"), salt.name("b"), other.name("a"), other.name("b")}) == 4
    assert len(salt.name("a")) == 64
    assert salt.audit_hash("a") == "hmac-sha256:" + salt.name("a")


def test_a_short_salt_is_refused():
    with pytest.raises(CryptoError):
        kdf.Salt(b"short")
