"""Transit: CMACs. HMACs are in test_transit_signing.py."""

import base64
import functools

import pytest
from tests.unit.engines.harness import run

from strongroom.engines.transit import BACKEND

transit = functools.partial(run, backend=BACKEND)
INPUT = base64.b64encode(b"a message").decode()
TYPES = ["aes128-cmac", "aes192-cmac", "aes256-cmac"]


def tag(text):
    return base64.b64decode(text.rpartition(":")[2])


@pytest.mark.parametrize("type_", TYPES)
def test_cmacs_verify_until_their_version_is_disallowed(type_):
    async def work(m):
        made = (await m("POST", "keys/k", {"type": type_})).data
        assert made["type"] == type_
        assert not any(made[f"supports_{what}"] for what in ("encryption", "decryption", "signing", "derivation"))
        first = (await m("POST", "cmac/k", {"input": INPUT})).data["cmac"]
        await m("POST", "keys/k/rotate")
        second = (await m("POST", "cmac/k", {"input": INPUT})).data["cmac"]
        assert (first[:9], second[:9], len(tag(first))) == ("vault:v1:", "vault:v2:", 16)
        assert (await m("POST", "cmac/k", {"input": INPUT, "key_version": 1})).data["cmac"] == first
        for text, input_, valid in ((first, INPUT, True), (second, INPUT, True), (first, "eA==", False)):
            assert (await m("POST", "verify/k", {"input": input_, "cmac": text})).data == {"valid": valid}
        await m("POST", "keys/k/config", {"min_decryption_version": 2})
        answer = await m("POST", "verify/k", {"input": INPUT, "cmac": first})
        assert answer.errors == ["cannot verify CMAC: version is too old (disallowed by policy)"]

    transit(work)


def test_a_shorter_cmac_counts_only_where_its_length_is_asked_for():
    async def work(m):
        await m("POST", "keys/k", {"type": "aes256-cmac"})
        whole = (await m("POST", "cmac/k", {"input": INPUT})).data["cmac"]
        for path, body in (("cmac/k", {"mac_length": 8}), ("cmac/k/8", {"mac_length": 12})):
            text = (await m("POST", path, {"input": INPUT, **body})).data["cmac"]
            assert tag(text) == tag(whole)[:8]
        for length, given, valid in ((8, text, True), (0, text, False), (8, whole, False), (16, whole, True)):
            body = {"input": INPUT, "cmac": given, "mac_length": length}
            assert (await m("POST", "verify/k", body)).data == {"valid": valid}

    transit(work)


def test_batches_of_cmacs():
    async def work(m):
        await m("POST", "keys/k", {"type": "aes128-cmac"})
        items = [
            {"input": INPUT, "reference": "a"},
            {"input": INPUT, "mac_length": 4},
            {"input": INPUT, "mac_length": "17"},
            {"input": INPUT, "mac_length": "x"},
            {"reference": "b"},
            {"input": "?"},
        ]
        made = (await m("POST", "cmac/k", {"batch_input": items, "mac_length": 8})).data["batch_results"]
        assert [len(tag(item["cmac"])) if "cmac" in item else item["error"] for item in made] == [
            8,
            4,
            "mac_length cannot be negative or more than 16",
            "the mac_length is not a number",
            "missing input for CMAC",
            "unable to decode input as base64: illegal base64 data at input byte 0",
        ]
        assert [item["reference"] for item in made] == ["a", "", "", "", "b", ""]
        asked = [
            {"input": INPUT, "cmac": made[0]["cmac"]},
            {"input": INPUT, "cmac": made[1]["cmac"], "mac_length": 4},
            {"input": INPUT, "cmac": made[1]["cmac"]},
            {"input": INPUT, "cmac": "x"},
        ]
        answer = await m("POST", "verify/k", {"batch_input": asked, "mac_length": 8})
        assert answer.data["batch_results"] == [
            {"valid": True, "reference": ""},
            {"valid": True, "reference": ""},
            {"reference": ""},
            {"error": "invalid CMAC to verify: no prefix", "reference": ""},
        ]

    transit(work)


@pytest.mark.parametrize(
    ("path", "body", "text"),
    [
        ("cmac/aes", {"input": INPUT}, "key type aes256-gcm96 does not support CMAC"),
        ("verify/aes", {"input": INPUT, "cmac": "vault:v1:AA=="}, "key type aes256-gcm96 does not support CMAC"),
        ("cmac/none", {"input": INPUT}, "encryption key not found"),
        ("cmac/k", {}, "missing input for CMAC"),
        ("cmac/k", {"input": INPUT, "mac_length": 17}, "mac_length cannot be negative or more than 16"),
        ("cmac/k", {"input": INPUT, "mac_length": -1}, "mac_length cannot be negative or more than 16"),
        ("cmac/k", {"input": INPUT, "key_version": 2}, "key version does not exist; latest key version is 1"),
        ("encrypt/k", {"plaintext": ""}, "message encryption not supported for key type aes128-cmac"),
        ("sign/k", {"input": INPUT}, "key type aes128-cmac does not support signing"),
    ],
)
def test_what_is_refused(path, body, text):
    async def work(m):
        await m("POST", "keys/k", {"type": "aes128-cmac"})
        await m("POST", "keys/aes")
        answer = await m("POST", path, body)
        assert (answer.status, answer.errors) == (400, [text])

    transit(work)


def test_cmac_keys_are_exported_under_their_own_name():
    async def work(m):
        await m("POST", "keys/k", {"type": "aes192-cmac", "exportable": True})
        assert len(base64.b64decode((await m("GET", "export/cmac-key/k")).data["keys"]["1"])) == 24
        assert (await m("GET", "export/encryption-key/k")).status == 400
        await m("POST", "keys/aes", {"exportable": True})
        assert (await m("GET", "export/cmac-key/aes")).errors == ["CMAC not supported for the key"]

    transit(work)
