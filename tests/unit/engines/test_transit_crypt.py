"""Transit: encrypting, decrypting, rewrapping, data keys, batches."""

import base64
import functools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.engines.harness import run

from strongroom.engines.transit import BACKEND, operations
from strongroom.engines.transit.algorithms import ALGORITHMS
from strongroom.engines.transit.model import Key, Version
from strongroom.errors import RequestError

transit = functools.partial(run, backend=BACKEND)
AEADS = [name for name, row in ALGORITHMS.items() if row.aead]
CONTEXT = base64.b64encode(b"context").decode()


def b64(data):
    return base64.b64encode(data).decode()


def made(name, **more):
    family = ALGORITHMS[name].family
    secret, public = family.generate(32)
    return Key(name="k", type=name, versions={1: Version(1, secret, public, b"h" * 32)}, latest=1, **more)


@pytest.mark.parametrize("name", AEADS)
@settings(max_examples=40, deadline=None)
@given(data=st.binary(max_size=80), associated=st.binary(max_size=20), bit=st.integers(0, 10**6))
def test_what_was_encrypted_comes_back_and_nothing_else_does(name, data, associated, bit):
    key = made(name)
    text, _ = operations.encrypt(key, data, associated=associated)
    assert operations.decrypt(key, text, associated=associated) == data
    box = bytearray(base64.b64decode(text.removeprefix("vault:v1:")))
    box[bit // 8 % len(box)] ^= 1 << bit % 8
    for changed in (bytes(box), bytes(box)[:-1], bytes(box)[: bit % len(box)]):
        with pytest.raises(RequestError):
            operations.decrypt(key, "vault:v1:" + b64(changed), associated=associated)
    with pytest.raises(RequestError):
        operations.decrypt(key, text, associated=associated + b"x")


@pytest.mark.parametrize("name", AEADS)
def test_each_context_has_a_key_of_its_own(name):
    async def work(m):
        await m("POST", "keys/k", {"type": name, "derived": True})
        text = (await m("POST", "encrypt/k", {"plaintext": "eA==", "context": CONTEXT})).data["ciphertext"]
        assert (await m("POST", "decrypt/k", {"ciphertext": text, "context": CONTEXT})).data == {"plaintext": "eA=="}
        assert (await m("POST", "decrypt/k", {"ciphertext": text, "context": "eA=="})).status == 400
        assert (await m("POST", "decrypt/k", {"ciphertext": text})).status == 400

    transit(work)


@pytest.mark.parametrize("name", AEADS)
def test_convergent_ciphertexts_are_equal_exactly_when_plaintext_and_context_are(name):
    async def work(m):
        await m("POST", "keys/k", {"type": name, "derived": True, "convergent_encryption": True})
        texts = []
        for plaintext, context in (("eA==", CONTEXT), ("eA==", CONTEXT), ("eQ==", CONTEXT), ("eA==", "eA==")):
            body = {"plaintext": plaintext, "context": context}
            texts.append((await m("POST", "encrypt/k", body)).data["ciphertext"])
        assert texts[0] == texts[1]
        assert len(set(texts)) == 3

    transit(work)


@pytest.mark.parametrize("version", [1, 2])
def test_older_convergent_versions_still_work(version):
    key = made("aes256-gcm96", derived=True, convergent=True, convergent_version=version)
    nonce = b"n" * 12 if version == 1 else b""
    text, _ = operations.encrypt(key, b"p", context=b"c", nonce=nonce)
    assert operations.encrypt(key, b"p", context=b"c", nonce=nonce)[0] == text
    assert operations.decrypt(key, text, context=b"c", nonce=nonce) == b"p"
    with pytest.raises(RequestError):
        operations.encrypt(key, b"p", context=b"c", nonce=b"" if version == 1 else b"n" * 12)


def test_a_nonce_is_taken_by_no_other_key():
    async def work(m):
        await m("POST", "keys/k")
        await m("POST", "keys/c", {"derived": True, "convergent_encryption": True})
        nonce = b64(b"n" * 12)
        for name, more in (("k", {}), ("c", {"context": CONTEXT})):
            answer = await m("POST", f"encrypt/{name}", {"plaintext": "eA==", "nonce": nonce, **more})
            assert (answer.status, answer.errors) == (400, ["provided nonce not allowed for this key"])

    transit(work)


@pytest.mark.parametrize("name", ["rsa-2048", *AEADS])
def test_data_keys_decrypt_to_what_was_handed_out(name):
    async def work(m):
        await m("POST", "keys/k", {"type": name})
        for bits in (128, 256, 512):
            data = (await m("POST", "datakey/plaintext/k", {"bits": bits})).data
            assert len(base64.b64decode(data["plaintext"])) * 8 == bits
            again = await m("POST", "decrypt/k", {"ciphertext": data["ciphertext"]})
            assert again.data == {"plaintext": data["plaintext"]}
        assert "plaintext" not in (await m("POST", "datakey/wrapped/k")).data

    transit(work)


def test_rewrapping_keeps_associated_data_bound():
    async def work(m):
        await m("POST", "keys/k")
        body = {"plaintext": "eA==", "associated_data": "YQ=="}
        text = (await m("POST", "encrypt/k", body)).data["ciphertext"]
        await m("POST", "keys/k/rotate")
        assert (await m("POST", "rewrap/k", {"ciphertext": text})).status == 400
        new = (await m("POST", "rewrap/k", {"ciphertext": text, "associated_data": "YQ=="})).data
        assert new["key_version"] == 2
        answer = await m("POST", "decrypt/k", {"ciphertext": new["ciphertext"], "associated_data": "YQ=="})
        assert answer.data == {"plaintext": "eA=="}

    transit(work)


@pytest.mark.parametrize(
    ("items", "code", "status", "failed"),
    [
        ([{"plaintext": "eA=="}], 207, 200, 0),
        ([{"plaintext": "eA=="}, {"plaintext": "%"}], None, 400, 1),
        ([{"plaintext": "eA=="}, {"plaintext": "%"}], 207, 207, 1),
        ([{"plaintext": "eA=="}, {"plaintext": "%"}], 0, 400, 1),
        ([{"plaintext": "eA=="}, {"plaintext": "%"}], 600, 400, 1),
        ([{"plaintext": "%"}], 207, 400, 1),
        ([{"plaintext": "eA==", "key_version": "1"}, {"plaintext": "eA==", "key_version": "x"}], None, 400, 1),
        ([{"plaintext": "eA==", "associated_data": "%"}], None, 500, 1),
    ],
)
def test_the_status_of_a_batch(items, code, status, failed):
    async def work(m):
        await m("POST", "keys/k")
        body = {"batch_input": items}
        if code is not None:
            body["partial_failure_response_code"] = code
        answer = await m("POST", "encrypt/k", body)
        assert answer.status == status
        assert sum("error" in result for result in answer.data["batch_results"]) == failed
        assert bool(answer.warnings) is (code in (0, 600))

    transit(work)


@pytest.mark.parametrize(
    ("value", "status", "text"),
    [
        ([], 400, "missing batch input to process"),
        ("x", 500, "source data must be an array or slice, got string"),
        ({}, 500, "source data must be an array or slice, got map"),
        ([1], 500, "[0] expected a map, got 'json.Number'"),
        ([{"plaintext": "eA=="}, {}], 500, "'[1].plaintext' missing plaintext to encrypt"),
        ([{"plaintext": 7}], 500, "'[0].plaintext' expected type 'string'"),
        ([{"plaintext": None}], 500, "'[0].plaintext' expected type 'string'"),
        ([{"plaintext": "", "key_version": []}], 500, "'[0].key_version' expected type 'int'"),
        ([{"plaintext": "", "reference": 1}], 500, "'[0].reference' expected type 'string'"),
    ],
)
def test_what_is_no_batch(value, status, text):
    async def work(m):
        await m("POST", "keys/k")
        answer = await m("POST", "encrypt/k", {"batch_input": value})
        assert answer.status == status
        assert text in answer.errors[0]

    transit(work)


def test_a_first_encryption_that_fails_leaves_no_key_behind():
    async def work(m):
        for body in (
            {},
            {"plaintext": "%"},
            {"plaintext": "eA==", "key_version": 2},
            {"plaintext": "eA==", "type": "ed25519"},
            {"plaintext": "eA==", "convergent_encryption": True},
            {"batch_input": [{"plaintext": "%"}]},
        ):
            assert (await m("POST", "encrypt/k", body)).status == 400
        assert m.stored() == []
        assert (await m("POST", "encrypt/k", {"batch_input": [{"plaintext": "%"}, {"plaintext": ""}]})).created
        assert m.stored() == ["key/k"]

    transit(work)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(["eA==", "vault:v1:eA=="]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=6,
)
FIELDS = (
    "plaintext ciphertext input signature hmac context nonce associated_data key_version reference batch_input "
    "prehashed salt_length hash_algorithm bits"
)
ITEMS = st.dictionaries(st.sampled_from(FIELDS.split()), JSON, max_size=4)
PATHS = [
    "encrypt/k",
    "decrypt/k",
    "rewrap/k",
    "sign/e",
    "verify/e",
    "hmac/k",
    "verify/k",
    "datakey/plaintext/k",
    "hash",
]


@settings(max_examples=150, deadline=None)
@given(path=st.sampled_from(PATHS), body=ITEMS, items=st.none() | st.lists(ITEMS, max_size=3))
def test_no_request_makes_an_operation_fail_in_a_way_of_its_own(path, body, items):
    async def work(m):
        await m("POST", "keys/k")
        await m("POST", "keys/e", {"type": "ed25519"})
        answer = await m("POST", path, body if items is None else {**body, "batch_input": items})
        assert answer.status in (200, 400, 500)
        if answer.status == 500 and answer.errors is not None:
            assert answer.errors[0].startswith("1 error occurred"), answer.errors

    transit(work)
