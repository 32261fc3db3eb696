"""Transit's table of algorithms against published vectors: NIST's, those of RFCs, Wycheproof's (tests/vectors)."""

import base64
import functools
import json
import pathlib

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from strongroom.crypto.digests import DIGESTS
from strongroom.crypto.kdf import hkdf_sha256
from strongroom.engines.transit import keypairs, operations, wrapping
from strongroom.engines.transit.ed25519 import SEED_BYTES
from strongroom.engines.transit.errors import Failed
from strongroom.engines.transit.material import Scheme
from strongroom.engines.transit.model import Key, Version
from strongroom.errors import BadRequest

VECTORS = pathlib.Path(__file__).parents[2] / "vectors"
CURVES = {"ecdsa-p256": ec.SECP256R1(), "ecdsa-p384": ec.SECP384R1(), "ecdsa-p521": ec.SECP521R1()}
PLAIN = Scheme(DIGESTS["sha2-256"])


@functools.cache
def tables(name):
    return json.loads((VECTORS / f"{name}.json").read_text())


def rows(*places):
    """The rows of tables, each named `file/table`, as parameters of a test."""
    found = []
    for place in places:
        file, _, table = place.partition("/")
        for number, row in enumerate(tables(file)[table]["rows"]):
            found.append(pytest.param(row, id=f"{place}-{row.get('tcId', number)}"))
    return pytest.mark.parametrize("row", found)


def key_of(type_, *, secret=b"", public=b"", hmac_key=b""):
    return Key(name="k", type=type_, versions={1: Version(1, secret, public, hmac_key)}, latest=1)


def text_of(data):
    return "vault:v1:" + base64.b64encode(data).decode()


def verified(key, signature, message, scheme=PLAIN):
    """Whether a signature counts; what is none at all is refused in other words."""
    try:
        return operations.verify(key, text_of(signature), message, scheme)
    except BadRequest:
        return False


@rows("published/aes_gcm", "published/chacha20_poly1305", "wycheproof/xchacha20_poly1305")
def test_ciphertexts(row):
    key = key_of(row["type"], secret=bytes.fromhex(row["key"]))
    associated = bytes.fromhex(row["associated"])
    text = text_of(bytes.fromhex(row["nonce"] + row["box"]))
    if "plaintext" in row:
        assert operations.decrypt(key, text, associated=associated).hex() == row["plaintext"]
        with pytest.raises(BadRequest):
            operations.decrypt(key, text, associated=associated + b"x")
    else:
        with pytest.raises(BadRequest):
            operations.decrypt(key, text, associated=associated)


@rows("published/aes_kwp", "wycheproof/aes_kwp")
def test_wrapped_keys(row):
    key, box = bytes.fromhex(row["key"]), bytes.fromhex(row["box"])
    if "plaintext" in row:
        plaintext = bytes.fromhex(row["plaintext"])
        assert wrapping.unwrap(key, box) == plaintext
        assert wrapping.wrap(key, plaintext) == box
    else:
        with pytest.raises(Failed):
            wrapping.unwrap(key, box)


@rows("published/aes_cmac", "wycheproof/aes_cmac")
def test_cmacs(row):
    secret, message, tag = (bytes.fromhex(row[name]) for name in ("key", "message", "tag"))
    key = key_of(f"aes{len(secret) * 8}-cmac", secret=secret)
    right = row.get("valid", True)
    assert operations.verify_cmac(key, text_of(tag), message) is right
    assert (operations.cmac(key, message) == text_of(tag)) is right
    # A client that expects the whole must not take a part.
    assert not operations.verify_cmac(key, text_of(tag[:8]), message)
    if right:
        assert operations.cmac(key, message, 8) == text_of(tag[:8])
        assert operations.verify_cmac(key, text_of(tag[:8]), message, 8)
        assert not operations.verify_cmac(key, text_of(tag), message, 8)


@rows("published/hmac")
def test_hmacs(row):
    key = key_of("hmac", hmac_key=bytes.fromhex(row["key"]))
    message, tag, digest = bytes.fromhex(row["message"]), bytes.fromhex(row["tag"]), DIGESTS[row["hash"]]
    made = operations.mac(key, message, digest)
    # Test case 5 of the RFC truncates.
    assert made == text_of(tag) if len(tag) == digest.size else base64.b64decode(made[9:]).startswith(tag)
    assert operations.verify_mac(key, text_of(tag), message, digest) is (len(tag) == digest.size)


@rows("published/hkdf_sha256", "wycheproof/hkdf_sha256")
def test_derived_keys(row):
    key, salt, info = (bytes.fromhex(row[name]) for name in ("key", "salt", "info"))
    assert hkdf_sha256(key, row["length"], salt=salt, info=info).hex() == row["okm"]


@rows("published/ed25519")
def test_ed25519_signatures(row):
    secret, message = bytes.fromhex(row["secret"]), bytes.fromhex(row["message"])
    key = key_of("ed25519", secret=secret, public=secret[SEED_BYTES:])
    text, _, _ = operations.sign(key, message, PLAIN)
    assert text == text_of(bytes.fromhex(row["signature"]))
    assert operations.verify(key, text, message, PLAIN)
    assert not operations.verify(key, text, message + b"x", PLAIN)


@rows("wycheproof/ed25519")
def test_ed25519_verification(row):
    key = key_of("ed25519", public=bytes.fromhex(row["public"]))
    assert verified(key, bytes.fromhex(row["signature"]), bytes.fromhex(row["message"])) is row["valid"]


@rows("wycheproof/ecdsa_p256")
def test_ecdsa_encodings(row):
    key = key_of("ecdsa-p256", public=bytes.fromhex(row["public"]))
    assert verified(key, bytes.fromhex(row["signature"]), bytes.fromhex(row["message"])) is row["valid"]


@rows("published/ecdsa")
def test_ecdsa_verification(row):
    x, y, r, s = (int(row[name], 16) for name in ("x", "y", "r", "s"))
    key = key_of(
        row["type"], public=keypairs.spki(ec.EllipticCurvePublicNumbers(x, y, CURVES[row["type"]]).public_key())
    )
    length = -(-CURVES[row["type"]].key_size // 8)
    raw = r.to_bytes(length, "big") + s.to_bytes(length, "big")
    text = "vault:v1:" + base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
    scheme = Scheme(DIGESTS[row["hash"]], jws=True)
    assert operations.verify(key, text, bytes.fromhex(row["message"]), scheme) is row["valid"]


@rows("published/rfc6979")
def test_deterministic_signatures_verify(row):
    key = key_of(row["type"], public=keypairs.spki(load_pem_public_key(row["public"].encode())))
    scheme, signature = Scheme(DIGESTS[row["hash"]]), bytes.fromhex(row["signature"])
    assert verified(key, signature, bytes.fromhex(row["message"]), scheme)
    assert not verified(key, signature, b"other", scheme)


@pytest.mark.parametrize("scheme", ["pkcs1v15", "pss"])
@rows("published/rsa_pkcs1v15", "published/rsa_pss")
def test_rsa_verification(row, scheme, request):
    public = rsa.RSAPublicNumbers(int(row["e"], 16), int(row["n"], 16)).public_key()
    key = key_of(f"rsa-{row['bits']}", public=keypairs.spki(public))
    signature, message = bytes.fromhex(row["signature"]), bytes.fromhex(row["message"])
    right = row["valid"] and f"rsa_{scheme}-" in request.node.callspec.id
    assert verified(key, signature, message, Scheme(DIGESTS[row["hash"]], rsa=scheme)) is right
