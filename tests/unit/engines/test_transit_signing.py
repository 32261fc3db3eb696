"""Transit: signatures and HMACs."""

import base64
import functools
import hashlib

import pytest
from tests.unit.engines.harness import run

from strongroom.engines.transit import BACKEND, operations
from strongroom.engines.transit.algorithms import ALGORITHMS
from strongroom.engines.transit.material import Scheme
from strongroom.engines.transit.model import Key, Version

transit = functools.partial(run, backend=BACKEND)
MESSAGE = b"a message to sign"
INPUT = base64.b64encode(MESSAGE).decode()
SIGNING = [row for row in ALGORITHMS.values() if row.signs]


@pytest.mark.parametrize("row", SIGNING, ids=[row.name for row in SIGNING])
@pytest.mark.parametrize("marshaling", ["asn1", "jws"])
def test_signatures_verify_and_others_do_not(row, marshaling):
    async def work(m):
        await m("POST", "keys/k", {"type": row.type, "parameter_set": row.parameter_set})
        how = {"marshaling_algorithm": marshaling}
        text = (await m("POST", "sign/k", {"input": INPUT, **how})).data["signature"]
        assert (await m("POST", "verify/k", {"input": INPUT, "signature": text, **how})).data == {"valid": True}
        assert (await m("POST", "verify/k", {"input": "eA==", "signature": text, **how})).data == {"valid": False}
        await m("POST", "keys/k/rotate")
        moved = text.replace("vault:v1:", "vault:v2:")
        assert (await m("POST", "verify/k", {"input": INPUT, "signature": moved, **how})).data == {"valid": False}
        assert (await m("POST", "verify/k", {"input": INPUT, "signature": text, **how})).data == {"valid": True}

    transit(work)


@pytest.mark.parametrize("type_", ["ecdsa-p256", "ecdsa-p384", "ecdsa-p521", "rsa-2048"])
@pytest.mark.parametrize(("hash_", "name"), [("sha2-256", "sha256"), ("sha2-512", "sha512"), ("sha3-384", "sha3_384")])
def test_signing_a_hash_is_signing_the_message(type_, hash_, name):
    async def work(m):
        await m("POST", "keys/k", {"type": type_})
        digest = base64.b64encode(hashlib.new(name, MESSAGE).digest()).decode()
        text = (await m("POST", f"sign/k/{hash_}", {"input": digest, "prehashed": True})).data["signature"]
        assert (await m("POST", f"verify/k/{hash_}", {"input": INPUT, "signature": text})).data == {"valid": True}

    transit(work)


@pytest.mark.parametrize("length", [0, 1, 20, 31, 32, 33, 64, 100])
def test_ecdsa_takes_the_leftmost_bits_of_any_hash(length):
    family = ALGORITHMS["ecdsa-p256"].family
    secret, public = family.generate(0)
    key = Key(name="k", type="ecdsa-p256", versions={1: Version(1, secret, public)}, latest=1)
    text, _, _ = operations.sign(key, b"\x7f" * length, Scheme(None, prehashed=True))
    assert operations.verify(key, text, b"\x7f" * length, Scheme(None, prehashed=True))
    assert operations.verify(key, text, b"\x7f" * min(length, 32), Scheme(None, prehashed=True))


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"hash_algorithm": "md5"}, 400),
        ({"marshaling_algorithm": "der"}, 400),
        ({"hash_algorithm": "none"}, 400),
        ({"hash_algorithm": "none", "prehashed": True}, 400),
        ({"signature_algorithm": "raw"}, 500),
        ({"salt_length": "long"}, 400),
        ({"salt_length": "-2"}, 400),
        ({"salt_length": "-1"}, 200),
        ({"salt_length": "222"}, 200),
        ({"salt_length": "223"}, 500),
        ({"prehashed": True}, 500),
        ({"key_version": -1}, 500),
        ({"key_version": 2}, 500),
        ({"input": "%"}, 400),
        ({"context": "%"}, 400),
    ],
)
def test_how_rsa_signs(body, status):
    async def work(m):
        await m("POST", "keys/k", {"type": "rsa-2048"})
        assert (await m("POST", "sign/k", {"input": INPUT, **body})).status == status

    transit(work)


@pytest.mark.parametrize("salt", ["auto", "hash", "0", "1", "64"])
def test_auto_verifies_any_salt(salt):
    async def work(m):
        await m("POST", "keys/k", {"type": "rsa-2048"})
        text = (await m("POST", "sign/k", {"input": INPUT, "salt_length": salt})).data["signature"]
        assert (await m("POST", "verify/k", {"input": INPUT, "signature": text})).data == {"valid": True}
        other = {"input": INPUT, "signature": text, "salt_length": "33"}
        assert (await m("POST", "verify/k", other)).data == {"valid": False}

    transit(work)


def test_a_derived_key_shows_the_public_key_that_verifies():
    async def work(m):
        await m("POST", "keys/k", {"type": "ed25519", "derived": True})
        body = {"input": INPUT, "context": "Yw=="}
        single = (await m("POST", "sign/k", body)).data
        batch = (await m("POST", "sign/k", {"batch_input": [body, {"input": INPUT}]})).data["batch_results"]
        assert batch[0]["publickey"] == single["public_key"]
        assert batch[0]["signature"] == single["signature"]
        assert batch[1]["key_version"] == 0
        assert (await m("GET", "keys/k", query={"context": "Yw=="})).data["keys"]["1"]["public_key"] == single[
            "public_key"
        ]
        assert (await m("GET", "keys/k")).data["keys"]["1"]["public_key"] == ""

    transit(work)


def test_hmacs_of_each_type_and_version():
    async def work(m):
        for row in ALGORITHMS.values():
            if row.name.startswith("rsa-"):
                continue  # as the others, and slow to make
            await m("POST", "keys/k" + row.name, {"type": row.type, "parameter_set": row.parameter_set})
            first = (await m("POST", f"hmac/k{row.name}", {"input": INPUT})).data["hmac"]
            await m("POST", f"keys/k{row.name}/rotate")
            second = (await m("POST", f"hmac/k{row.name}", {"input": INPUT})).data["hmac"]
            assert first[9:] != second[9:]
            for text, valid in ((first, True), (second, True), ("vault:v1:" + second[9:], False)):
                answer = await m("POST", f"verify/k{row.name}", {"input": INPUT, "hmac": text})
                assert answer.data == {"valid": valid}, row.name

    transit(work)


@pytest.mark.parametrize(
    ("items", "text"),
    [
        ([{"input": INPUT}], "no batch_input elements have 'signature' or 'hmac'"),
        (
            [{"input": INPUT, "signature": "x"}, {"input": INPUT}],
            "some elements of batch_input are missing 'signature'",
        ),
        ([{"input": INPUT, "hmac": "x"}, {"input": INPUT}], "some elements of batch_input are missing 'hmac'"),
        (
            [{"input": INPUT, "hmac": "x"}, {"input": INPUT, "signature": "x"}],
            "elements of batch_input must all provide 'signature' or all provide 'hmac'",
        ),
    ],
)
def test_batches_that_mix_what_is_to_be_verified(items, text):
    async def work(m):
        await m("POST", "keys/k", {"type": "ed25519"})
        answer = await m("POST", "verify/k", {"batch_input": items})
        assert (answer.status, answer.errors) == (400, [text])

    transit(work)


def test_a_failed_hmac_in_a_batch_has_no_verdict():
    async def work(m):
        await m("POST", "keys/k")
        text = (await m("POST", "hmac/k", {"input": INPUT})).data["hmac"]
        items = [{"input": INPUT, "hmac": text, "reference": "a"}, {"input": "eA==", "hmac": text}]
        answer = await m("POST", "verify/k", {"batch_input": items})
        assert answer.data["batch_results"] == [{"valid": True, "reference": "a"}, {"reference": ""}]

    transit(work)
