"""Batch tokens: all in the token, only ours, only to the letter."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.core.fake_live import HOUR, FakeLive, played

from strongroom.core import token_batch
from strongroom.core.token_model import Hasher


def test_a_batch_token_brings_everything_along_and_leaves_nothing_in_storage() -> None:
    async def scenario(live: FakeLive) -> None:
        root = await live.root()
        before = await live.keys("")
        token, entry = await live.token(root, type="batch", ttl=HOUR, meta={"a": "b"}, display_name="n")
        assert await live.keys("") == before
        assert token.startswith("hvb.")
        assert (entry.accessor, entry.renewable, entry.parent) == ("", False, root.key)
        assert (entry.meta, entry.display_name, entry.policies) == ({"a": "b"}, "token-n", ("default",))
        live.clock.advance(HOUR - 1)
        assert await live.tokens.lookup(token) == entry
        live.clock.advance(1)
        assert await live.tokens.lookup(token) is None

    played(scenario)


def test_it_outlives_a_rotation_of_the_keys() -> None:
    async def scenario(live: FakeLive) -> None:
        token, entry = await live.token(type="batch", ttl=HOUR)
        await live.barrier.rotate()
        assert await live.tokens.lookup(token) == entry

    played(scenario)


def test_every_changed_or_added_character_spoils_it() -> None:
    async def scenario(live: FakeLive) -> None:
        token, _ = await live.token(type="batch", ttl=HOUR)
        for extra in ("A", "=", "==", " ", "\n", ".", "AA"):
            assert await live.tokens.lookup(token + extra) is None
        for at in range(4, len(token)):
            for other in ("A", "B", "-", "_"):
                if token[at] != other:
                    assert await live.tokens.lookup(token[:at] + other + token[at + 1 :]) is None

    played(scenario)


def test_another_servers_batch_token_is_none() -> None:
    async def scenario(live: FakeLive) -> str:
        return (await live.token(type="batch", ttl=HOUR))[0]

    foreign = played(scenario)

    async def other(live: FakeLive) -> None:
        assert await live.tokens.lookup(foreign) is None

    played(other)


@settings(deadline=None)
@given(st.one_of(st.text(), st.binary().map(lambda b: b.decode("latin-1")), st.from_regex(r"[A-Za-z0-9_-]{0,200}")))
def test_reading_never_crashes(text: str) -> None:
    async def scenario(live: FakeLive) -> None:
        assert token_batch.unseal(live.barrier, Hasher(b""), "hvb." + text) is None

    played(scenario)


@pytest.mark.parametrize("payload", [b"[]", b"[2]", b"{}", b"[1,2]", b'[9,"p",[],1,1]'])
def test_a_blob_of_another_format_is_none(payload: bytes) -> None:
    async def scenario(live: FakeLive) -> None:
        import base64

        blob = live.barrier.encrypt_blob(token_batch.CONTEXT, payload)
        token = "hvb." + base64.urlsafe_b64encode(blob).decode().rstrip("=")
        assert await live.tokens.lookup(token) is None

    played(scenario)
