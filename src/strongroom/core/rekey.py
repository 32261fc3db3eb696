"""`Rekey`: new key shares for old, with the new ones shown to work first where that is asked for."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from strongroom.clock import new_uuid
from strongroom.core.recipients import BACKUP_KEY, ShareBackup, encrypt_shares, read_recipients
from strongroom.core.seal import WRONG_KEY
from strongroom.core.shares import Shares, check_nonce, check_share, split, split_problem
from strongroom.crypto.aead import new_key
from strongroom.crypto.openpgp import Recipient
from strongroom.errors import BadRequest, CryptoError, InternalError

if TYPE_CHECKING:
    from strongroom.core.live import Live


@dataclass(slots=True)
class Plan:
    """A rekey under way. Once the old shares are in, `verification_nonce` is set if the new ones must be shown.

    With `recipients` the new shares are handed out encrypted, the n-th for the n-th; with `backup` the server keeps
    what it hands out.
    """

    shares: int
    threshold: int
    verification_required: bool
    recipients: list[Recipient] = field(default_factory=list)
    backup: bool = False
    nonce: str = field(default_factory=new_uuid)
    collected: Shares = field(default_factory=Shares)
    verification_nonce: str = ""
    shown: Shares = field(default_factory=Shares)
    #: The new key, which waits for its shares to be shown.
    key: bytes = field(default=b"", repr=False)
    #: What is stored beside the new key.
    beside: dict[str, bytes] = field(default_factory=dict, repr=False)

    @property
    def fingerprints(self) -> list[str] | None:
        """Whom the new shares are encrypted for; None when they are not."""
        return [recipient.fingerprint for recipient in self.recipients] or None


class Rekey:
    """At most one rekey at a time; it ends with the unsealed server that it belongs to."""

    def __init__(self, live: Live) -> None:
        self._seal = live.core.seal
        self._clock = live.core.clock
        self._lock = asyncio.Lock()
        self.plan: Plan | None = None

    async def start(
        self,
        shares: int,
        threshold: int,
        *,
        verify: bool = False,
        pgp_keys: Sequence[str] = (),
        backup: bool = False,
    ) -> Plan:
        """Begin to collect the present shares. The keys to encrypt the new ones for are in base64.

        Raises:
            BadRequest: there is one under way, the threshold is above the number of shares, there is not one key for
                each share, or a key cannot be encrypted for.
            InternalError: the key cannot be split so, for another reason. (Vault's own choice of status.)
        """
        async with self._lock:
            self._check(shares, threshold, pgp_keys, backup=backup)
            try:
                recipients = await asyncio.to_thread(read_recipients, pgp_keys, self._clock.now())
            except CryptoError as error:
                raise BadRequest(f"invalid rekey seal configuration: {error}") from None
            self.plan = Plan(shares, threshold, verify, recipients, backup)
            return self.plan

    def _check(self, shares: int, threshold: int, pgp_keys: Sequence[str], *, backup: bool) -> None:
        if backup and not pgp_keys:
            raise BadRequest("cannot request a backup of the new keys without providing PGP keys for encryption")
        if pgp_keys and len(pgp_keys) != shares:
            raise BadRequest("incorrect number of PGP keys for rekey")
        if self.plan is not None:
            raise BadRequest("rekey already in progress")
        if threshold > shares:
            raise BadRequest("provided threshold greater than the total shares")
        if problem := split_problem(shares, threshold):
            raise InternalError(f"invalid rekey seal configuration: {problem}")

    def cancel(self) -> None:
        """Give it up, if there is one; the present shares stay good."""
        if self.plan is not None:
            self.plan.collected.clear()
            self.plan.shown.clear()
            self.plan = None

    async def update(self, share: bytes, nonce: str) -> tuple[Plan, list[bytes]]:
        """Take one of the present shares; with the last that is needed, the new shares are returned, or messages.

        They replace the present ones at once, or after `verify` where the plan says so.

        Raises:
            BadRequest: nothing is under way, or the nonce or the share is not acceptable; or a key to encrypt for has
                expired meanwhile, when the collected ones are dropped.
            InternalError: the shares together are not the key; the collected ones are dropped.
        """
        async with self._lock:
            plan = self._planned()
            if plan.key:
                raise BadRequest(
                    "rekey operation already finished; verification must be performed; "
                    f'nonce for the verification operation is "{plan.verification_nonce}"'
                )
            check_nonce(nonce, plan.nonce, "rekey")
            check_share(share)
            if not plan.collected.add(share):
                raise BadRequest("given key has already been provided during this generation operation")
            if len(plan.collected) < await self._seal.required():
                return plan, []
            try:
                await self._seal.prove(plan.collected)
            except CryptoError:
                raise InternalError(f"failed to read root key: {WRONG_KEY}") from None
            key = new_key()
            try:
                new_shares = encrypt_shares(split(key, plan.shares, plan.threshold), plan.recipients)
            except CryptoError as error:
                raise BadRequest(f"the new key shares cannot be encrypted any more: {error}") from None
            if plan.backup:
                plan.beside[BACKUP_KEY] = ShareBackup.of(plan.nonce, new_shares, plan.recipients).encode()
            if plan.verification_required:
                plan.key, plan.verification_nonce = key, new_uuid()
            else:
                await self._seal.replace(key, plan.shares, plan.threshold, plan.beside)
                self.plan = None
            return plan, new_shares

    async def verify(self, share: bytes, nonce: str) -> tuple[Plan, bool]:
        """Take one of the new shares; True once enough were shown, when they have replaced the old.

        Raises:
            BadRequest: nothing is to be verified, the nonce or the share is not acceptable, or the shares together are
                not the new key; then those shown are dropped.
        """
        async with self._lock:
            plan = self._planned()
            if not plan.key:
                raise BadRequest("no rekey verification in progress")
            check_nonce(nonce, plan.verification_nonce, "verify")
            check_share(share)
            if not plan.shown.add(share):
                raise BadRequest("given key has already been provided during this verify operation")
            if len(plan.shown) < plan.threshold:
                return plan, False
            try:
                right = hmac.compare_digest(plan.shown.combine(), plan.key)
            except CryptoError:
                right = False
            if not right:
                raise BadRequest("rekey verification failed; incorrect key shares supplied")
            await self._seal.replace(plan.key, plan.shares, plan.threshold, plan.beside)
            self.plan = None
            return plan, True

    def restart_verification(self) -> Plan:
        """Drop the new shares that were shown, under a new nonce; raises `BadRequest` when nothing is under way."""
        plan = self._planned()
        plan.shown.clear()
        if plan.key:
            plan.verification_nonce = new_uuid()
        return plan

    def _planned(self) -> Plan:
        if self.plan is None:
            raise BadRequest("no barrier rekey in progress")
        return self.plan
