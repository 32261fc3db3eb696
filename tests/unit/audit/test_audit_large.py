"""Entries of large requests: made aside, and the same as others."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.audit.test_audit_broker import Memory, broker

from strongroom.api.messages import Operation, Request, Response
from strongroom.audit import formatter, hashing
from strongroom.audit.entry import Exchange
from strongroom.audit.hashing import Salt


@given(st.text(st.characters(exclude_categories=())), st.integers(1, 5))
def test_texts_hash_the_same_in_pieces(text: str, piece: int) -> None:
    whole = hmac.digest(b"s", text.encode("utf-8", "surrogatepass"), hashlib.sha256).hex()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hashing, "PIECE", piece)
        assert Salt("s")(text) == "hmac-sha256:" + whole


@pytest.mark.parametrize("large", [False, True])
def test_what_large_requests_hide_is_hidden_by_another_thread(large: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: set[str] = set()

    def conceal(*args: Any, **options: Any) -> Any:
        threads.add(threading.current_thread().name.partition("_")[0])
        return hashing.conceal(*args, **options)

    monkeypatch.setattr(formatter, "conceal", conceal)

    async def scenario(device: Memory) -> None:
        request = Request(id="r", operation=Operation.UPDATE, path="transit/encrypt/a", data={"plaintext": "AAAA"})
        request.large = large
        entry = Exchange(request, response=Response(data={"ciphertext": "BBBB"}))
        await broker(device).request(entry)
        await broker(device).response(entry)

    device = Memory("a/")
    asyncio.run(scenario(device))
    assert threads == {"large" if large else threading.current_thread().name.partition("_")[0]}
    assert [line["request"]["data"]["plaintext"] for line in device.lines] == [device.salt("AAAA")] * 2
    assert device.lines[1]["response"]["data"] == {"ciphertext": device.salt("BBBB")}
