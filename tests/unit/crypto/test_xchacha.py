"""XChaCha20-Poly1305: the vectors of draft-irtf-cfrg-xchacha-03, and what else is refused."""

import pytest
from cryptography.exceptions import InvalidTag
from hypothesis import given
from hypothesis import strategies as st

from strongroom.crypto.xchacha import XChaCha20Poly1305, hchacha20

PLAINTEXT = (
    b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, "
    b"sunscreen would be it."
)
KEY = bytes(range(0x80, 0xA0))
NONCE = bytes(range(0x40, 0x58))
ASSOCIATED = bytes.fromhex("50515253c0c1c2c3c4c5c6c7")
BOX = bytes.fromhex(
    "bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb731c7f1b0b4aa6440bf3a82f4eda7e39ae64c6708c54c216"
    "cb96b72e1213b4522f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff921f9664c97637da9768812f615c68b13"
    "b52ec0875924c1c7987947deafd8780acf49"
)


def test_the_vector_of_hchacha20():
    out = hchacha20(bytes(range(32)), bytes.fromhex("000000090000004a0000000031415927"))
    assert out.hex() == "82413b4227b27bfed30e42508a877d73a0f9e4d58a74a853c12ec41326d3ecdc"


def test_the_vector_of_the_aead():
    cipher = XChaCha20Poly1305(KEY)
    assert cipher.encrypt(NONCE, PLAINTEXT, ASSOCIATED) == BOX
    assert cipher.decrypt(NONCE, BOX, ASSOCIATED) == PLAINTEXT


@given(st.integers(0, len(BOX) * 8 - 1))
def test_one_changed_bit_is_found(bit):
    changed = bytearray(BOX)
    changed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(InvalidTag):
        XChaCha20Poly1305(KEY).decrypt(NONCE, bytes(changed), ASSOCIATED)


@pytest.mark.parametrize(("key", "nonce"), [(KEY[:-1], NONCE), (KEY, NONCE[:-1]), (KEY, NONCE + b"\0")])
def test_other_lengths_are_refused(key, nonce):
    with pytest.raises(ValueError, match="bytes"):
        XChaCha20Poly1305(key).encrypt(nonce, b"", None)
