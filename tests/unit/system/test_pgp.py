"""Shares and root tokens that are handed out encrypted."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from tests.support.pgp import decrypted, fingerprint, public_key
from tests.support.seal_server import FakeCore, call, run

from strongroom.api.messages import Operation
from strongroom.core.recipients import BACKUP_KEY, ShareBackup
from strongroom.errors import BadRequest, CorruptEntry

READ, WRITE, DELETE = Operation.READ, Operation.UPDATE, Operation.DELETE

NAMES = ["ann", "bob", "ann"]
KEYS = [public_key(name) for name in NAMES]
FINGERPRINTS = [fingerprint(name) for name in NAMES]
THREE: dict[str, Any] = {"secret_shares": 3, "secret_threshold": 2, "pgp_keys": KEYS}


def shares_of(body: dict[str, Any]) -> list[bytes]:
    """The shares in an answer, as their holders get them."""
    assert [bytes.fromhex(key) for key in body["keys"]] == [base64.b64decode(key) for key in body["keys_base64"]]
    messages = (bytes.fromhex(key) for key in body["keys"])
    return [bytes.fromhex(decrypted(message, name).decode()) for message, name in zip(messages, NAMES, strict=True)]


async def give(core: FakeCore, path: str, shares: list[bytes], nonce: str) -> dict[str, Any]:
    for share in shares:
        _, body = await call(core, WRITE, path, {"key": share.hex(), "nonce": nonce})
    return body


def test_init_encrypts_each_share_for_its_holder_and_the_root_token_for_another() -> None:
    async def test() -> None:
        core = FakeCore()
        _, body = await call(core, WRITE, "init", {**THREE, "root_token_pgp_key": public_key("eve")})
        await core.unseal(shares_of(body)[1:])
        assert core.live is not None
        assert await core.has_token(decrypted(base64.b64decode(body["root_token"]), "eve").decode())

    run(test)


def test_the_root_token_alone_may_be_encrypted() -> None:
    async def test() -> None:
        core = FakeCore()
        data = {"secret_shares": 1, "secret_threshold": 1, "root_token_pgp_key": public_key()}
        _, body = await call(core, WRITE, "init", data)
        assert len(bytes.fromhex(body["keys"][0])) == 32
        assert decrypted(base64.b64decode(body["root_token"])).startswith(b"hvs.")

    run(test)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ({**THREE, "pgp_keys": KEYS[:2]}, "count mismatch between number of provided PGP keys and number of shares"),
        ({**THREE, "pgp_keys": [KEYS[0], "!", KEYS[1]]}, "PGP key 2: error decoding given PGP key"),
        ({**THREE, "root_token_pgp_key": "AAAA"}, "error parsing given PGP key"),
    ],
)
def test_init_refuses_keys_before_anything_is_made(data: dict[str, Any], text: str) -> None:
    async def test() -> None:
        core = FakeCore()
        with pytest.raises(BadRequest) as caught:
            await call(core, WRITE, "init", data)
        assert caught.value.errors[0].startswith("invalid seal configuration: ")
        assert text in caught.value.errors[0]
        assert [key async for key in core.storage.scan("")] == []

    run(test)


def test_a_rekey_tells_whom_it_encrypts_for_and_hands_out_messages() -> None:
    async def test() -> None:
        core = FakeCore()
        old = (await core.unsealed()).shares
        _, status = await call(core, WRITE, "rekey/init", {**THREE, "backup": False})
        assert status["pgp_fingerprints"] == FINGERPRINTS
        assert status["backup"] is False
        body = await give(core, "rekey/update", old[:2], status["nonce"])
        assert body["pgp_fingerprints"] == FINGERPRINTS
        await core.seal_now()
        await core.unseal(shares_of(body)[:2])
        assert core.live is not None
        with pytest.raises(BadRequest, match="no backed-up keys found"):
            await call(core, READ, "rekey/backup")

    run(test)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ({**THREE, "pgp_keys": KEYS[:1]}, "incorrect number of PGP keys for rekey"),
        ({**THREE, "pgp_keys": [], "backup": True}, "cannot request a backup of the new keys without providing PGP"),
        ({**THREE, "pgp_keys": ["", *KEYS[1:]]}, "invalid rekey seal configuration: PGP key 1: error parsing given"),
    ],
)
def test_a_rekey_refuses_keys_before_it_begins(data: dict[str, Any], text: str) -> None:
    async def test() -> None:
        core = FakeCore()
        await core.unsealed()
        with pytest.raises(BadRequest, match=text):
            await call(core, WRITE, "rekey/init", data)
        assert (await call(core, READ, "rekey/init"))[1]["started"] is False

    run(test)


def test_a_backup_has_the_messages_of_each_holder_until_it_is_deleted() -> None:
    async def test() -> None:
        core = FakeCore()
        old = (await core.unsealed()).shares
        _, status = await call(core, WRITE, "rekey/init", {**THREE, "backup": True})
        body = await give(core, "rekey/update", old[:2], status["nonce"])
        assert body["backup"] is True
        _, data = await call(core, READ, "rekey/backup")
        first, second, third = body["keys"]
        assert data["nonce"] == status["nonce"]
        assert data["keys"] == {fingerprint("ann"): [first, third], fingerprint("bob"): [second]}
        assert data["keys_base64"][fingerprint("bob")] == [body["keys_base64"][1]]
        await call(core, DELETE, "rekey/backup")
        await call(core, DELETE, "rekey/backup")
        with pytest.raises(BadRequest, match="no backed-up keys found"):
            await call(core, READ, "rekey/backup")

    run(test)


def test_a_backup_is_of_the_keys_in_force() -> None:
    async def test() -> None:
        core = FakeCore()
        old = (await core.unsealed()).shares
        _, status = await call(core, WRITE, "rekey/init", {**THREE, "backup": True, "require_verification": True})
        body = await give(core, "rekey/update", old[:2], status["nonce"])
        assert await core.storage.get(BACKUP_KEY) is None
        await give(core, "rekey/verify", shares_of(body)[:2], body["verification_nonce"])
        stored = await core.storage.get(BACKUP_KEY)
        assert stored is not None
        assert ShareBackup.decode(stored).nonce == status["nonce"]

    run(test)


@pytest.mark.parametrize(
    "stored", [b"", b"{}", b'{"v":1,"nonce":"","keys":{"a":["zz"]}}', b'{"v":2,"nonce":"","keys":{}}']
)
def test_a_damaged_backup_is_named(stored: bytes) -> None:
    with pytest.raises(CorruptEntry, match=BACKUP_KEY):
        ShareBackup.decode(stored)


def test_a_new_root_token_comes_encrypted_for_the_key_of_the_attempt() -> None:
    async def test() -> None:
        core = FakeCore()
        shares = (await core.unsealed()).shares
        _, status = await call(core, WRITE, "generate-root/attempt", {"pgp_key": public_key("bob")})
        assert status["pgp_fingerprint"] == fingerprint("bob")
        assert status["otp"] == ""
        assert (await call(core, READ, "generate-root/attempt"))[1]["pgp_fingerprint"] == fingerprint("bob")
        body = await give(core, "generate-root/update", shares[:2], status["nonce"])
        assert body["complete"] is True
        assert body["pgp_fingerprint"] == fingerprint("bob")
        assert body["encoded_token"] == body["encoded_root_token"]
        token = decrypted(base64.b64decode(body["encoded_token"], validate=True), "bob").decode()
        assert await core.has_token(token)

    run(test)


@pytest.mark.parametrize("key", ["not a key", "AAAA"])
def test_an_attempt_refuses_a_key_it_cannot_encrypt_for(key: str) -> None:
    async def test() -> None:
        core = FakeCore()
        await core.unsealed()
        with pytest.raises(BadRequest, match=r"error parsing PGP key: error (decoding|parsing) given PGP key"):
            await call(core, WRITE, "generate-root/attempt", {"pgp_key": key})
        assert (await call(core, READ, "generate-root/attempt"))[1]["started"] is False

    run(test)
