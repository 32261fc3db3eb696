"""Transit's primitives against published vectors and ciphertexts made by Vault."""

import base64
import os

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from strongroom.crypto.digests import DIGESTS
from strongroom.engines.transit import ed25519, keypairs, operations
from strongroom.engines.transit.material import Scheme
from strongroom.engines.transit.model import COUNTER_MODE, Key, Version
from strongroom.engines.transit.symmetric import counter_mode

GCM_PLAINTEXT = (
    "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657"
    "ba637b391aafd255"
)
GCM_NONCE = "cafebabefacedbaddecaf888"
SUNSCREEN = (
    b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, "
    b"sunscreen would be it."
)
SHA256 = Scheme(DIGESTS["sha2-256"])


def key_of(type_, *, secret=b"", public=b"", hmac_key=b"", convergent_version=0, **settings):
    version = Version(1, secret, public, hmac_key, convergent_version)
    return Key(name="k", type=type_, versions={1: version}, latest=1, **settings)


def b64(data):
    return base64.b64encode(data).decode()


@pytest.mark.parametrize(
    ("type_", "key", "nonce", "plaintext", "associated", "box"),
    [
        (
            "aes128-gcm96",
            "feffe9928665731c6d6a8f9467308308",
            GCM_NONCE,
            GCM_PLAINTEXT,
            "",
            (
                "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a0a"
                "ac973d58e091473f59854d5c2af327cd64a62cf35abd2ba6fab4"
            ),
        ),
        (
            "aes256-gcm96",
            "feffe9928665731c6d6a8f9467308308" * 2,
            GCM_NONCE,
            GCM_PLAINTEXT,
            "",
            (
                "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba"
                "7a0abcc9f662898015adb094dac5d93471bdec1a502270e3cc6c"
            ),
        ),
        (
            "chacha20-poly1305",
            bytes(range(0x80, 0xA0)).hex(),
            "070000004041424344454647",
            SUNSCREEN.hex(),
            "50515253c0c1c2c3c4c5c6c7",
            (
                "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92728b1a71de0a9e06"
                "0b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc3ff4def08e4b7a9de576d265"
                "86cec64b61161ae10b594f09e26a7e902ecbd0600691"
            ),
        ),
    ],
    ids=["NIST GCM 3", "NIST GCM 15", "RFC 8439 2.8.2"],
)
def test_aead_vectors(type_, key, nonce, plaintext, associated, box):
    text = "vault:v1:" + b64(bytes.fromhex(nonce + box))
    opened = operations.decrypt(key_of(type_, secret=bytes.fromhex(key)), text, associated=bytes.fromhex(associated))
    assert opened.hex() == plaintext


def test_the_second_vector_of_rfc_8032():
    seed = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
    public = bytes.fromhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
    signature = bytes.fromhex(
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    )
    key = key_of("ed25519", secret=seed + public, public=public)
    text, number, shown = operations.sign(key, b"\x72", SHA256)
    assert (text, number, shown) == ("vault:v1:" + b64(signature), 1, "")
    assert operations.verify(key, text, b"\x72", SHA256)
    assert not operations.verify(key, text, b"\x73", SHA256)


@pytest.mark.parametrize("length", [0, 1, 32, ed25519.SHORT, ed25519.SHORT + 1, 1 << 20])
def test_both_libraries_make_the_same_ed25519_signature(length):
    private = Ed25519PrivateKey.generate()
    message = os.urandom(length)
    signer = ed25519.Ed25519Signer(private.private_bytes_raw())
    assert signer.public == private.public_key().public_bytes_raw()
    assert signer.sign(message, SHA256) == private.sign(message)


def test_an_ed25519_signature_never_comes_of_a_public_key_that_is_not_the_seeds_own():
    private, other = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    secret = private.private_bytes_raw() + other.public_key().public_bytes_raw()
    text, _, _ = operations.sign(key_of("ed25519", secret=secret, public=secret[32:]), b"message", SHA256)
    assert text == "vault:v1:" + b64(private.sign(b"message"))


@pytest.mark.parametrize(
    ("hash_", "r", "s"),
    [
        (
            "sha2-256",
            "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716",
            "F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8",
        ),
        (
            "sha2-512",
            "8496A60B5E9B47C825488827E0495B0E3FA109EC4568FD3F8D1097678EB97F00",
            "2362AB1ADBE2B8ADF9CB9EDAB740EA6049C028114F2460F96554F61FAE3302FE",
        ),
    ],
)
def test_signatures_of_rfc_6979_verify(hash_, r, s):
    x = int("60FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6", 16)
    y = int("7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299", 16)
    public = keypairs.spki(ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key())
    key = key_of("ecdsa-p256", public=public)
    jws = base64.urlsafe_b64encode(bytes.fromhex(r + s)).rstrip(b"=").decode()
    scheme = Scheme(DIGESTS[hash_], jws=True)
    assert operations.verify(key, "vault:v1:" + jws, b"sample", scheme)
    assert not operations.verify(key, "vault:v1:" + jws, b"test", scheme)


@pytest.mark.parametrize(
    ("hash_", "tag"),
    [
        ("sha2-224", "896fb1128abbdf196832107cd49df33f47b4b1169912ba4f53684b22"),
        ("sha2-256", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
    ],
)
def test_hmacs_of_rfc_4231(hash_, tag):
    key = key_of("aes256-gcm96", secret=bytes(32), hmac_key=b"\x0b" * 20)
    text = operations.mac(key, b"Hi There", DIGESTS[hash_])
    assert text == "vault:v1:" + b64(bytes.fromhex(tag))
    assert operations.verify_mac(key, text, b"Hi There", DIGESTS[hash_])
    assert not operations.verify_mac(key, text, b"Hi there", DIGESTS[hash_])


def test_a_convergent_ciphertext_of_vault_is_made_again_bit_by_bit():
    secret = base64.b64decode("QlbPlrzm9cXOSgKmIoF79oyKYwfX6cxSmCDIG/BA/8U=")
    key = key_of("aes256-gcm96", secret=secret, convergent_version=3, derived=True, convergent=True)
    key = Key(**{f: getattr(key, f) for f in key.__struct_fields__} | {"convergent_version": -1})
    context, plaintext = b"customer-42", b"sensitive data"
    text = "vault:v1:xJqg1aXy0SnudpF30h1PPU+tyEQjRohpNM/7c3Q212H9np9fO2qV35qs"
    assert operations.encrypt(key, plaintext, context=context) == (text, 1)
    assert operations.decrypt(key, text, context=context) == plaintext


def test_the_first_derivation_is_a_kdf_in_counter_mode():
    # Two blocks: HMAC over counter, context and the length in bits, which makes the first differ from a shorter one's.
    assert counter_mode(b"k" * 32, 64, b"c")[:32] != counter_mode(b"k" * 32, 32, b"c")
    key = key_of("aes256-gcm96", secret=b"k" * 32, derived=True, kdf=COUNTER_MODE)
    text, _ = operations.encrypt(key, b"p", context=b"c")
    plain = key_of("aes256-gcm96", secret=counter_mode(b"k" * 32, 32, b"c"))
    assert operations.decrypt(plain, text) == b"p"
