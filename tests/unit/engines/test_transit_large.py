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
    """Whether the thread for large work read base64 (`decode`) and took batches apart (`parse`)."""
    seen = {"decode": set(), "parse": set()}

    def watched(what, function):
        def call(*args):
            seen[what].add(threading.current_thread().name.startswith("large"))
            return function(*args)

        return call

    monkeypatch.setattr(encoding, "_strict", watched("decode", encoding._strict))
    monkeypatch.setattr(batch, "_parsed", watched("parse", batch._parsed))
    return seen


def forget(threads):
    for seen in threads.values():
        seen.clear()


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
        forget(threads)
        m.large = large
        assert (await m("POST", path, {field: DATA})).status == 200
        if path != "hash":
            answer = await m("POST", path, {"batch_input": [{field: DATA, "reference": "a"}, {field: "?"}]})
            first, second = answer.data["batch_results"]
            assert first["reference"] == "a"
            assert "error" in second
        assert threads["decode"] | threads["parse"] == {large}

    transit(work)


@pytest.mark.parametrize(
    ("path", "body", "field", "most"),
    [
        ("encrypt/k", {}, "plaintext", batch.MANY),
        ("encrypt/k", {"derived": True}, "plaintext", batch.MANY_COSTLY),
        ("sign/k", {"type": "ed25519"}, "input", batch.MANY_COSTLY),
        ("hmac/k", {}, "input", batch.MANY),
    ],
)
def test_batches_of_many_small_items(threads, path, body, field, most):
    async def work(m):
        await m("POST", "keys/k", body)
        item = {field: "YQ==", "context": "YQ=="}
        for count, aside in ((most, False), (most + 1, True)):
            forget(threads)
            answer = await m("POST", path, {"batch_input": [item] * count})
            assert len(answer.data["batch_results"]) == count
            assert threads == {"decode": {aside}, "parse": {False}}

    transit(work)


@pytest.mark.parametrize("large", [False, True])
def test_the_way_back(threads, large):
    async def work(m):
        await m("POST", "keys/k")
        text = (await m("POST", "encrypt/k", {"plaintext": DATA})).data["ciphertext"]
        forget(threads)
        m.large = large
        assert (await m("POST", "decrypt/k", {"ciphertext": text})).data == {"plaintext": DATA}
        again = (await m("POST", "rewrap/k", {"ciphertext": text})).data["ciphertext"]
        items = [{"ciphertext": again}]
        for path in ("decrypt/k", "rewrap/k"):
            assert (await m("POST", path, {"batch_input": items})).status == 200
        assert threads["decode"] | threads["parse"] == {large}

    transit(work)
