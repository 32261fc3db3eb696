"""Transit: what goes over all of a large request is done by the thread for that."""

import base64
import functools
import threading

import pytest
from tests.unit.engines.harness import run

from strongroom.engines.transit import BACKEND, batch, encoding

transit = functools.partial(run, backend=BACKEND)
DATA = base64.b64encode(b"long " * 100).decode()


@pytest.fixture
def threads(monkeypatch):
    """By which threads base64 is read and batches are."""
    seen = set()

    def watched(function):
        def call(*args):
            seen.add(threading.current_thread().name.startswith("large"))
            return function(*args)

        return call

    monkeypatch.setattr(encoding, "_strict", watched(encoding._strict))
    monkeypatch.setattr(batch, "_parsed", watched(batch._parsed))
    return seen


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize(
    ("path", "type_", "field"),
    [
        ("encrypt/k", "aes256-gcm96", "plaintext"),
        ("sign/k", "ed25519", "input"),
        ("hmac/k", "aes256-gcm96", "input"),
        ("cmac/k", "aes128-cmac", "input"),
        ("hash", "aes256-gcm96", "input"),
    ],
)
def test_single_and_batched_work(threads, large, path, type_, field):
    async def work(m):
        await m("POST", "keys/k", {"type": type_})
        threads.clear()
        m.large = large
        assert (await m("POST", path, {field: DATA})).status == 200
        if path != "hash":
            answer = await m("POST", path, {"batch_input": [{field: DATA, "reference": "a"}, {field: "?"}]})
            first, second = answer.data["batch_results"]
            assert first["reference"] == "a"
            assert "error" in second
        assert threads == {large}

    transit(work)


@pytest.mark.parametrize("large", [False, True])
def test_the_way_back(threads, large):
    async def work(m):
        await m("POST", "keys/k")
        text = (await m("POST", "encrypt/k", {"plaintext": DATA})).data["ciphertext"]
        threads.clear()
        m.large = large
        assert (await m("POST", "decrypt/k", {"ciphertext": text})).data == {"plaintext": DATA}
        again = (await m("POST", "rewrap/k", {"ciphertext": text})).data["ciphertext"]
        items = [{"ciphertext": again}]
        for path in ("decrypt/k", "rewrap/k"):
            assert (await m("POST", path, {"batch_input": items})).status == 200
        assert threads == {large}

    transit(work)
