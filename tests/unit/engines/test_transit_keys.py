"""Transit: the life of a key."""

import asyncio
import functools

import pytest
from tests.unit.engines.harness import UUID, Mount, run

from strongroom.api.context import Context
from strongroom.api.messages import Operation, Request
from strongroom.core.locks import HeldLocks
from strongroom.engines.transit import BACKEND
from strongroom.engines.transit.algorithms import ALGORITHMS
from strongroom.engines.transit.model import Key, Version, WrappingKey
from strongroom.engines.transit.rotation import rotate_due_keys
from strongroom.storage.transaction import Transaction, View

transit = functools.partial(run, backend=BACKEND)
HOUR = 3600


class FakeHost:
    """Memory and transactions of their own, for recurring work."""

    def __init__(self, mount):
        self.mount, self.memory = mount, {}

    async def apart(self, action):
        await in_context(self.mount, self, action)


async def in_context(mount, host, action):
    tx, held = Transaction(mount.barrier), HeldLocks(mount.locks)
    request = Request(id="r", operation=Operation.UPDATE, path="m/")
    ctx = Context(
        request=request,
        mount=mount.context(request, tx, held).mount,
        storage=View(tx, f"logical/{UUID}/"),
        caller=mount.caller,
        clock=mount.clock,
        lock=held.take,
        host=host,
    )
    try:
        await action(ctx)
        await tx.commit()
    finally:
        held.release()


def test_every_type_of_key_is_made_and_says_what_it_can_do():
    async def work(m):
        for row in ALGORITHMS.values():
            body = {"type": row.type, "parameter_set": row.parameter_set}
            answer = await m("POST", f"keys/{row.name}", body)
            assert answer.status == 200, row.name
            data = answer.data
            assert (
                data["type"],
                data["supports_encryption"],
                data["supports_signing"],
                data["supports_derivation"],
            ) == (
                row.type,
                row.encrypts,
                row.signs,
                row.derives,
            )
            assert (await m("GET", f"keys/{row.name}")).data == data
        assert (await m("LIST", "keys")).data["keys"] == sorted(ALGORITHMS)

    transit(work)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"type": ""}, 400),
        ({"type": "AES256-GCM96"}, 400),
        ({"type": "ml-dsa"}, 400),
        ({"type": "ml-dsa", "parameter_set": "45"}, 400),
        ({"convergent_encryption": True}, 400),
        ({"type": "rsa-2048", "derived": True}, 500),
        ({"type": "ed25519", "derived": True, "convergent_encryption": True}, 500),
        ({"auto_rotate_period": "59m"}, 400),
        ({"key_size": 32}, 400),
        ({"type": "hmac", "key_size": 31}, 400),
        ({"type": "hmac", "key_size": 513}, 400),
    ],
)
def test_keys_that_cannot_be(body, status):
    async def work(m):
        assert (await m("POST", "keys/k", body)).status == status
        assert m.stored() == []

    transit(work)


def test_a_refused_configuration_changes_nothing():
    async def work(m):
        await m("POST", "keys/k")
        before = (await m("POST", "keys/k/rotate")).data
        for body in (
            {"min_decryption_version": 2, "min_encryption_version": 3},
            {"min_decryption_version": 2, "min_encryption_version": 1},
            {"exportable": True, "min_decryption_version": -1},
            {"deletion_allowed": True, "auto_rotate_period": 5},
        ):
            assert (await m("POST", "keys/k/config", body)).status == 400
        assert (await m("GET", "keys/k")).data == before

    transit(work)


def test_trimmed_versions_are_gone_from_storage():
    async def work(m):
        await m("POST", "keys/k", {"exportable": True})
        first = (await m("GET", "export/encryption-key/k")).data["keys"]["1"]
        await m("POST", "keys/k/rotate")
        await m("POST", "keys/k/config", {"min_decryption_version": 2, "min_encryption_version": 2})
        stored = await m.barrier.get(f"logical/{UUID}/key/k")
        assert first.encode() in stored
        assert (await m("POST", "keys/k/trim", {"min_available_version": 2})).status == 200
        assert first.encode() not in await m.barrier.get(f"logical/{UUID}/key/k")
        assert (await m("POST", "keys/k/config", {"min_decryption_version": 0})).status == 400

    transit(work)


def test_concurrent_rotations_lose_no_version():
    async def work(m):
        await m("POST", "keys/k")
        await asyncio.gather(*(m("POST", "keys/k/rotate") for _ in range(8)))
        assert (await m("GET", "keys/k")).data["latest_version"] == 9

    transit(work)


def test_a_key_that_is_due_rotates_at_its_next_use_and_once():
    async def work(m):
        await m("POST", "keys/k", {"auto_rotate_period": "2h"})
        old = (await m("POST", "encrypt/k", {"plaintext": "eA=="})).data["ciphertext"]
        m.clock.advance(2 * HOUR - 1)
        assert (await m("POST", "encrypt/k", {"plaintext": "eA=="})).data["key_version"] == 1
        m.clock.advance(1)
        answers = await asyncio.gather(*(m("POST", "encrypt/k", {"plaintext": "eA=="}) for _ in range(4)))
        assert [a.data["key_version"] for a in answers] == [2] * 4
        assert (await m("POST", "decrypt/k", {"ciphertext": old})).data == {"plaintext": "eA=="}

    transit(work)


def test_a_key_that_nobody_uses_rotates_too():
    async def main():
        m = await Mount(BACKEND).open()
        host = FakeHost(m)
        await m("POST", "keys/k", {"auto_rotate_period": "1h"})
        await m("POST", "keys/never")
        await m("POST", "keys/stopped", {"auto_rotate_period": "1h"})
        await m("POST", "keys/stopped/config", {"auto_rotate_period": 0})
        await in_context(m, host, rotate_due_keys)
        m.clock.advance(HOUR)
        await in_context(m, host, rotate_due_keys)
        await in_context(m, host, rotate_due_keys)
        tx = Transaction(m.barrier)
        versions = {}
        for name in ("k", "never", "stopped"):
            key = await tx.load(f"logical/{UUID}/key/{name}", Key)
            versions[name] = key.latest
        assert versions == {"k": 2, "never": 1, "stopped": 1}
        assert [key for key in m.stored() if key.startswith("auto-rotate/")] == ["auto-rotate/k"]

    asyncio.run(main())


def test_a_softly_deleted_key_refuses_all_work_until_it_is_restored():
    async def work(m):
        await m("POST", "keys/k", {"exportable": True, "auto_rotate_period": "1h"})
        text = (await m("POST", "encrypt/k", {"plaintext": "eA=="})).data["ciphertext"]
        assert (await m("DELETE", "keys/k/soft-delete")).data["soft_deleted"] is True
        m.clock.advance(2 * HOUR)
        for path, body in (
            ("encrypt/k", {"plaintext": "eA=="}),
            ("encrypt/k", {"batch_input": [{"plaintext": "eA=="}]}),
            ("decrypt/k", {"ciphertext": text}),
            ("rewrap/k", {"ciphertext": text}),
            ("datakey/wrapped/k", {}),
            ("hmac/k", {"input": "eA=="}),
        ):
            answer = await m("POST", path, body)
            assert (answer.status, answer.errors) == (400, ["refusing to use soft-deleted key"])
        assert (await m("GET", "export/encryption-key/k")).status == 400
        assert (await m("POST", "keys/k/rotate")).status == 500
        assert (await m("POST", "keys/k/soft-delete-restore")).data["soft_deleted"] is False
        assert (await m("POST", "decrypt/k", {"ciphertext": text})).data == {"plaintext": "eA=="}

    transit(work)


def test_nothing_secret_shows_in_a_repr():
    secret = b"\x01secretsecretsecret"
    version = Version(1, secret, b"public", secret)
    shown = repr(Key(name="k", type="aes256-gcm96", versions={1: version})) + repr(version) + repr(WrappingKey(secret))
    assert "secretsecret" not in shown


def test_prepared_material_is_dropped_with_the_key_it_was_made_for():
    async def work(m):
        await m("POST", "keys/k", {"deletion_allowed": True})
        text = (await m("POST", "encrypt/k", {"plaintext": "eA=="})).data["ciphertext"]
        await m("POST", "keys/k/config", {"deletion_allowed": True})
        await m("DELETE", "keys/k")
        await m("POST", "keys/k")
        assert (await m("POST", "decrypt/k", {"ciphertext": text})).errors == ["cipher: message authentication failed"]

    transit(work)
