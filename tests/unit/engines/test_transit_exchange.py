"""Transit: exporting, backing up, importing; certificate requests and certificates."""

import asyncio
import base64
import contextlib
import copy
import functools
import json
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, keywrap, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.engines.harness import UUID, run

from strongroom.engines.transit import BACKEND, backup_format
from strongroom.engines.transit.algorithms import ALGORITHMS
from strongroom.engines.transit.errors import Failed
from strongroom.engines.transit.model import WrappingKey
from strongroom.storage.transaction import Transaction

transit = functools.partial(run, backend=BACKEND)
WRAPPING_KEY = rsa.generate_private_key(65537, 4096)
#: The larger RSA keys are as the smaller, and take seconds to make.
ROWS = [row for row in ALGORITHMS.values() if row.name not in ("rsa-3072", "rsa-4096")]
OPEN = {"exportable": True, "allow_plaintext_backup": True}
CONTEXT = "Y29udGV4dA=="
RSA_KEY = rsa.generate_private_key(65537, 2048)
PRIVATE = {
    "rsa-2048": RSA_KEY,
    "ed25519": ed25519.Ed25519PrivateKey.generate(),
    "ecdsa-p384": ec.generate_private_key(ec.SECP384R1()),
}


def b64(data):
    return base64.b64encode(data).decode()


def pkcs8(private):
    return private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def spki_pem(private):
    return private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


async def give_wrapping_key(m):
    """Store one that took no time to make."""
    tx = Transaction(m.barrier)
    tx.store(f"logical/{UUID}/wrapping-key", WrappingKey(pkcs8(WRAPPING_KEY)))
    await tx.commit()


async def wrap(m, material, digest=None):
    """What a client hands over."""
    digest = digest or hashes.SHA256()
    await give_wrapping_key(m)
    public = serialization.load_pem_public_key((await m("GET", "wrapping_key")).data["public_key"].encode())
    ephemeral = b"e" * 32
    box = public.encrypt(ephemeral, OAEP(MGF1(digest), digest, None))
    return b64(box + keywrap.aes_key_wrap_with_padding(ephemeral, material))


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_a_backup_brings_back_every_version_and_setting(row):
    async def work(m):
        derived = row.derives and not row.asymmetric
        body = {"type": row.type, "parameter_set": row.parameter_set, **OPEN}
        if row.mac_only:
            body["key_size"] = 48
        if derived:
            body.update(derived=True, convergent_encryption=row.converges)
        await m("POST", "keys/k", body)
        await m("POST", "keys/k/rotate")
        macs = [(await m("POST", "hmac/k", {"input": "eA==", "key_version": n})).data["hmac"] for n in (1, 2)]
        await m("POST", "keys/k/config", {"min_decryption_version": 2, "deletion_allowed": True})
        backup = (await m("GET", "backup/k")).data["backup"]
        before = (await m("GET", "keys/k")).data
        assert (await m("POST", "restore", {"backup": backup})).status == 500
        assert (await m("POST", "restore", {"backup": backup, "force": True})).status == 204
        await m("DELETE", "keys/k")
        assert (await m("POST", "restore", {"backup": backup})).status == 204
        after = (await m("GET", "keys/k")).data
        assert after.pop("restore_info")["version"] == 2
        assert after == before
        await m("POST", "keys/k/config", {"min_decryption_version": 1})
        for n, text in enumerate(macs, 1):
            assert (await m("POST", "hmac/k", {"input": "eA==", "key_version": n})).data["hmac"] == text
        assert (await m("POST", "restore/other", {"backup": backup})).status == 204
        assert (await m("LIST", "keys")).data["keys"] == ["k", "other"]

    transit(work)


@pytest.mark.parametrize(
    "text", ["", "%", b64(b"no json"), b64(b"[1]"), b64(b"{}"), b64(b'{"policy":{},"archived_keys":{}}')]
)
def test_what_is_no_backup(text):
    async def work(m):
        assert (await m("POST", "restore", {"backup": text})).status in (400, 500)
        assert m.stored() == []

    transit(work)


def test_a_backup_cannot_choose_a_path():
    async def work(m):
        await m("POST", "keys/k", OPEN)
        backup = (await m("GET", "backup/k")).data["backup"]
        document = json.loads(base64.b64decode(backup))
        for name in ("../x", "a/b", "", ".", "-x", "x y"):
            document["policy"]["name"] = name
            assert (await m("POST", "restore", {"backup": b64(json.dumps(document).encode())})).status == 500
        assert (await m("POST", "restore/a/b", {"backup": backup})).status == 500
        assert m.stored() == ["key/k"]

    transit(work)


def paths_of(value, path=()):
    """The places of everything in a document."""
    found = [path] if path else []
    for name in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        found += paths_of(value[name], (*path, name))
    return found


@pytest.fixture(scope="module")
def documents():
    """The backup of a key of each kind."""
    made = []

    async def work(m):
        for name in ("aes256-gcm96", "ed25519", "ecdsa-p256", "rsa-2048"):
            await m("POST", f"keys/{name}", {"type": name, **OPEN})
            made.append(base64.b64decode((await m("GET", f"backup/{name}")).data["backup"]))

    transit(work)
    return made


VALUES = st.none() | st.booleans() | st.integers(-(10**40), 10**40) | st.floats() | st.text(max_size=5) | st.just([])
VALUES |= st.just({}) | st.just([1]) | st.just("eA==") | st.just("2024-01-01T00:00:00Z")


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 3), st.lists(st.tuples(st.integers(0, 10**6), VALUES), min_size=1, max_size=3))
def test_no_backup_crashes_the_reader(documents, which, changes):
    document = json.loads(documents[which])
    for at, value in changes:
        paths = paths_of(document)
        *path, last = paths[at % len(paths)]
        place = functools.reduce(lambda inner, name: inner[name], path, document)
        place[last] = copy.deepcopy(value)  # a list of its own, or it could come to hold itself
    with contextlib.suppress(Failed):
        backup_format.load(json.dumps(document))


@given(st.binary(max_size=60) | st.text(max_size=60))
def test_no_text_crashes_the_reader(text):
    with pytest.raises(Failed):
        backup_format.load(text)


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_what_each_type_exports(row):
    async def work(m):
        await m("POST", "keys/k", {"type": row.type, "parameter_set": row.parameter_set, "exportable": True})
        wanted = {
            "encryption-key": 200 if row.encrypts else 400,
            "signing-key": 200 if row.signs else 400,
            "hmac-key": 200,
            "public-key": 200 if row.asymmetric else 500,
            "certificate-chain": 500,
            "secret-key": 400,
        }
        for kind, status in wanted.items():
            assert (await m("GET", f"export/{kind}/k")).status == status, kind
        await m("POST", "keys/closed", {"type": row.type, "parameter_set": row.parameter_set})
        for kind in ("encryption-key", "signing-key", "hmac-key"):
            assert (await m("GET", f"export/{kind}/closed")).status == 400
        assert (await m("GET", "backup/closed")).status == 500

    transit(work)


def test_exported_keys_are_the_keys():
    async def work(m):
        for name, private in PRIVATE.items():
            body = {"type": name, "exportable": True, "ciphertext": await wrap(m, pkcs8(private))}
            assert (await m("POST", f"keys/{name}/import", body)).status == 204
            text = (await m("GET", f"export/signing-key/{name}")).data["keys"]["1"]
            if name == "ed25519":
                assert base64.b64decode(text)[:32] == private.private_bytes_raw()
            else:
                loaded = serialization.load_pem_private_key(text.encode(), None)
                assert pkcs8(loaded) == pkcs8(private)
            signature = (await m("POST", f"sign/{name}", {"input": "eA=="})).data["signature"]
            assert (await m("POST", f"verify/{name}", {"input": "eA==", "signature": signature})).data["valid"]

    transit(work)


@pytest.mark.parametrize("digest", ["SHA1", "SHA224", "SHA256", "SHA384", "SHA512", "sha-256"])
def test_imports_under_each_hash(digest):
    async def work(m):
        primitive = getattr(hashes, digest.upper().replace("-", ""))()
        box = await wrap(m, b"k" * 32, primitive)
        body = {"ciphertext": box, "hash_function": digest, "exportable": True}
        assert (await m("POST", "keys/k/import", body)).status == 204
        assert (await m("GET", "export/encryption-key/k")).data["keys"]["1"] == b64(b"k" * 32)
        wrong = "SHA512" if digest != "SHA512" else "SHA256"
        assert (await m("POST", "keys/x/import", {**body, "hash_function": wrong})).status == 500

    transit(work)


def test_imports_that_are_refused():
    async def work(m):
        symmetric, asymmetric = await wrap(m, b"k" * 32), await wrap(m, pkcs8(PRIVATE["ed25519"]))
        for body, status in (
            ({"ciphertext": symmetric, "type": "aes128-gcm96"}, 500),
            ({"ciphertext": symmetric, "type": "rsa-2048"}, 500),
            ({"ciphertext": asymmetric, "type": "ecdsa-p256"}, 500),
            ({"ciphertext": asymmetric, "type": "aes256-gcm96"}, 500),
            ({"ciphertext": symmetric[:-8]}, 500),
            ({"ciphertext": symmetric[:40]}, 500),
            ({"ciphertext": ("B" if symmetric[0] == "A" else "A") + symmetric[1:]}, 500),
            ({"ciphertext": symmetric, "type": "des"}, 400),
            ({"ciphertext": symmetric, "hash_function": "MD5"}, 400),
            ({"ciphertext": symmetric, "derived": True, "convergent_encryption": True}, 500),
            ({"ciphertext": symmetric, "auto_rotate_period": "24h"}, 500),
            ({"ciphertext": symmetric, "public_key": spki_pem(PRIVATE["ed25519"])}, 500),
            ({"public_key": spki_pem(PRIVATE["ed25519"]), "type": "rsa-2048"}, 500),
            ({"public_key": spki_pem(RSA_KEY), "type": "rsa-4096"}, 500),
            ({"public_key": "x", "type": "rsa-2048"}, 500),
            ({}, 500),
        ):
            assert (await m("POST", "keys/k/import", body)).status == status, body
        assert m.stored() == ["wrapping-key"]

    transit(work)


def test_a_public_key_is_completed_by_its_private_key_only():
    async def work(m):
        body = {"type": "rsa-2048", "public_key": spki_pem(RSA_KEY)}
        assert (await m("POST", "keys/k/import", body)).status == 204
        text = (await m("POST", "encrypt/k", {"plaintext": "eA=="})).data["ciphertext"]
        assert (await m("POST", "decrypt/k", {"ciphertext": text})).status == 500
        assert (await m("POST", "sign/k", {"input": "eA=="})).status == 500
        other = await wrap(m, pkcs8(rsa.generate_private_key(65537, 2048)))
        assert (await m("POST", "keys/k/import_version", {"ciphertext": other})).status == 500
        own = await wrap(m, pkcs8(RSA_KEY))
        assert (await m("POST", "keys/k/import_version", {"ciphertext": own})).status == 204
        assert (await m("POST", "decrypt/k", {"ciphertext": text})).data == {"plaintext": "eA=="}
        assert (await m("GET", "keys/k")).data["latest_version"] == 1
        assert (await m("POST", "keys/k/import_version", {"ciphertext": own, "version": 1})).status == 500
        assert (await m("POST", "keys/k/import_version", {"ciphertext": other})).status == 204
        assert (await m("GET", "keys/k")).data["latest_version"] == 2

    transit(work)


@pytest.mark.parametrize("type_", ["aes256-gcm96", "ed25519", "ecdsa-p256", "hmac"])
def test_a_key_goes_to_another_mount_under_its_wrapping_key(type_):
    async def work(m):
        await give_wrapping_key(m)
        body = {"type": "rsa-4096", "public_key": (await m("GET", "wrapping_key")).data["public_key"]}
        assert (await m("POST", "keys/there/import", body)).status == 204
        await m("POST", "keys/k", {"type": type_, "exportable": True, "key_size": 40 if type_ == "hmac" else 0})
        kind = "hmac-key" if type_ == "hmac" else "encryption-key" if type_.startswith("aes") else "signing-key"
        wrapped = (await m("GET", "byok-export/there/k")).data["keys"]["1"]
        arrived = {"type": type_, "ciphertext": wrapped, "exportable": True}
        assert (await m("POST", "keys/arrived/import", arrived)).status == 204
        keys = [(await m("GET", f"export/{kind}/{name}")).data["keys"] for name in ("k", "arrived")]
        assert keys[0] == keys[1]

    transit(work)


def certificate(public, issuer_name, issuer, *, ca=False, name="leaf"):
    now = datetime(2024, 1, 1, tzinfo=UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, issuer_name)]))
        .public_key(public)
        .serial_number(7)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=9000))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .sign(issuer, hashes.SHA256())
    )


@pytest.mark.parametrize("type_", ["ecdsa-p256", "ed25519", "rsa-2048"])
def test_a_request_is_signed_and_its_certificate_kept(type_):
    async def work(m):
        await m("POST", "keys/k", {"type": type_, "exportable": True})
        template = (
            x509.CertificateSigningRequestBuilder()
            .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "example.com")]))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName("example.com")]), critical=False)
            .sign(PRIVATE["ecdsa-p384"], hashes.SHA256())
        )
        body = {"csr": template.public_bytes(Encoding.PEM).decode()}
        request = x509.load_pem_x509_csr((await m("POST", "keys/k/csr", body)).data["csr"].encode())
        assert request.is_signature_valid
        assert (request.subject, list(request.extensions)) == (template.subject, list(template.extensions))
        authority = ec.generate_private_key(ec.SECP256R1())
        root = certificate(authority.public_key(), "ca", authority, ca=True, name="ca")
        leaf = certificate(request.public_key(), "ca", authority)
        pems = [c.public_bytes(Encoding.PEM).decode() for c in (leaf, root)]
        answer = await m("POST", "keys/k/set-certificate", {"certificate_chain": "".join(pems)})
        assert answer.data["certificate_chain"] == "".join(pems)
        shown = (await m("GET", "keys/k")).data["keys"]["1"]["certificate_chain"]
        assert shown == "".join(pems).strip()
        assert (await m("GET", "export/certificate-chain/k")).data["keys"]["1"] == shown
        foreign = certificate(request.public_key(), "other", PRIVATE["ecdsa-p384"]).public_bytes(Encoding.PEM).decode()
        for chain, status in ((pems[1], 400), (foreign + pems[1], 400), ("x", 400), ("-----BEGIN X-----", 400)):
            assert (await m("POST", "keys/k/set-certificate", {"certificate_chain": chain})).status == status
        await m("POST", "keys/k/rotate")
        assert (await m("POST", "keys/k/set-certificate", {"certificate_chain": pems[0]})).status == 500

    transit(work)


def test_the_wrapping_key_is_made_once():
    async def work(m):
        answers = await asyncio.gather(m("GET", "wrapping_key"), m("GET", "wrapping_key"))
        public = serialization.load_pem_public_key(answers[0].data["public_key"].encode())
        assert (public.key_size, answers[0].data) == (4096, answers[1].data)

    transit(work)
