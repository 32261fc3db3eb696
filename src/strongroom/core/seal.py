"""`SealManager`: initialising, unsealing and sealing; it alone knows how the root key is kept."""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from strongroom.clock import new_uuid
from strongroom.core.recipients import COUNT_MISMATCH, encrypt_shares, read_recipients
from strongroom.core.seal_config import SEAL_CONFIG_KEY, VERSION, SealConfig
from strongroom.core.shares import Shares, check_share, split, split_problem
from strongroom.crypto.aead import new_key
from strongroom.errors import BadRequest, CorruptEntry, CryptoError, InternalError, StorageError
from strongroom.seals import Seal
from strongroom.seals.shamir import ShamirSeal
from strongroom.storage.barrier import KEYRING_KEY
from strongroom.storage.base import FENCE_KEY, Batch
from strongroom.storage.memory import MemoryStorage

if TYPE_CHECKING:
    from strongroom.core.core import Core

log = logging.getLogger("strongroom.seal")

MakeToken = Callable[[], Awaitable[str]]

#: What a wrong set of shares is told, after the words for what was attempted.
WRONG_KEY: Final = "invalid key: failed to decrypt keys from storage: cipher: message authentication failed"

_UNTOUCHED: Final = "Nothing was written; restore the storage from a backup."


@dataclass(frozen=True, slots=True)
class Initialised:
    """What an init hands out, once: in the clear, or as messages for the holders of OpenPGP keys.

    A root token that is encrypted is in base64.
    """

    shares: list[bytes] = field(repr=False)
    root_token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SealStatus:
    """Where the server stands between uninitialised and unsealed."""

    type: str
    initialised: bool
    sealed: bool
    threshold: int
    shares: int
    progress: int
    nonce: str


class SealManager:
    """The way from a storage that is empty, or full of ciphertext, to an unsealed server, and back.

    `core` offers `storage`, `barrier`, `clock`, `live` and the methods `unsealed_with` and `seal_now`.
    """

    def __init__(self, core: Core, seal: Seal | None = None) -> None:
        self.core = core
        self.kind: Seal = seal or ShamirSeal()
        self._config: SealConfig | None = None
        self._shares = Shares()
        self._nonce = ""
        self._lock = asyncio.Lock()
        self._initialising = False
        self._tasks: set[asyncio.Task[None]] = set()

    # -- Status ---------------------------------------------------------------------------------------------------

    @property
    def sealed(self) -> bool:
        """Whether requests are refused for want of the keys."""
        return self.core.live is None or self._initialising

    async def config(self) -> SealConfig | None:
        """How the root key is kept; None on a server that was never initialised.

        Read from storage each time while sealed, since another node may initialise or rekey; then from memory.

        Raises:
            InternalError: it is damaged, or gone while the keyring is there.
        """
        if self._config is not None and not self.sealed:
            return self._config
        stored = await self.core.storage.get(SEAL_CONFIG_KEY)
        try:
            if stored is not None:
                self._config = SealConfig.decode(stored)
            elif await self.core.storage.get(KEYRING_KEY) is not None:
                raise CorruptEntry("the seal configuration is missing although there is a keyring")
            else:
                self._config = None
        except CorruptEntry as error:
            raise _damaged(error) from error
        return self._config

    async def initialised(self) -> bool:
        """Whether there is anything to unseal; raises as `config`."""
        return await self.config() is not None

    async def status(self) -> SealStatus:
        """What `sys/seal-status` tells; raises as `config`."""
        config = await self.config()
        if config is None:
            return SealStatus(self.kind.type, False, True, 0, 0, 0, "")
        progress, nonce = (len(self._shares), self._nonce) if self.sealed else (0, "")
        return SealStatus(config.type, True, self.sealed, config.threshold, config.shares, progress, nonce)

    # -- Initialising ---------------------------------------------------------------------------------------------

    async def init(
        self,
        shares: int,
        threshold: int,
        make_root_token: MakeToken | None = None,
        *,
        pgp_keys: Sequence[str] = (),
        root_token_pgp_key: str = "",
    ) -> Initialised:
        """Make the keys, the first state and the root token; all of it is stored in one commit, and it stays sealed.

        `make_root_token` replaces `live.tokens.create_root`; it runs in the unsealed new server and must have
        committed when it returns. The keys to encrypt for are in base64, one for each share.

        Raises:
            BadRequest: there is an initialised server already, the key cannot be split so, or a key cannot be
                encrypted for.
            InternalError: the storage holds something else.
        """
        async with self._lock:
            if await self.initialised():
                raise BadRequest("Vault is already initialized")
            problem = split_problem(shares, threshold)
            if not problem and pgp_keys and len(pgp_keys) != shares:
                problem = COUNT_MISMATCH
            if problem:
                raise BadRequest(f"invalid seal configuration: {problem}")
            try:
                now = self.core.clock.now()
                recipients = await asyncio.to_thread(read_recipients, pgp_keys, now)
                for_token = read_recipients([root_token_pgp_key] if root_token_pgp_key else [], now)
            except CryptoError as error:
                raise BadRequest(f"invalid seal configuration: {error}") from None
            await self._refuse_foreign()
            key, root_key = new_key(), new_key()
            # Before the commit: a server whose shares nobody got could never be opened.
            parts = encrypt_shares(split(key, shares, threshold), recipients)
            config = await self._new_config(root_key, key, shares, threshold)
            batch, token = await self._first_state(root_key, config, make_root_token)
            if for_token:
                token = base64.b64encode(for_token[0].encrypt(token.encode())).decode()
            await self.core.storage.commit(batch)
        log.info("initialised with %d shares and a threshold of %d", shares, threshold)
        return Initialised(parts, token)

    async def _new_config(self, root_key: bytes, key: bytes, shares: int, threshold: int) -> SealConfig:
        """A configuration that keeps `root_key` under `key`, which is yet to be split."""
        wrapped = await self.kind.wrap(root_key, key)
        return SealConfig(VERSION, self.kind.type, shares, threshold, wrapped, self.core.clock.now_ns())

    async def _refuse_foreign(self) -> None:
        """Neither keyring nor seal configuration, but data: damaged, or another program's. It is not ours to take."""
        storage = self.core.storage
        names = [*await storage.list("", limit=2), *await storage.list("core/", limit=2)]
        if any(name not in ("core/", FENCE_KEY.removeprefix("core/")) for name in names):
            raise _damaged(CorruptEntry("the storage is not empty, but it holds neither a keyring nor a seal's keys"))

    async def _first_state(
        self, root_key: bytes, config: SealConfig, make_root_token: MakeToken | None
    ) -> tuple[Batch, str]:
        """All entries of a new server, in one batch, and its root token.

        The server is built over a storage in memory: a crash at any moment leaves the real one as it was, and what is
        half built can never be mistaken for a server.
        """
        core, barrier = self.core, self.core.barrier
        staged = MemoryStorage()
        fence = await core.storage.get(FENCE_KEY)
        if fence is not None:
            await staged.commit(Batch({FENCE_KEY: fence}))
        real, barrier.storage = barrier.storage, staged
        self._initialising = True
        try:
            await barrier.initialise(root_key, {SEAL_CONFIG_KEY: config.encode()})
            await core.unsealed_with(root_key)
            try:
                if core.live is None:
                    raise InternalError
                token = await (make_root_token or core.live.tokens.create_root)()
            finally:
                await core.seal_now()
        finally:
            barrier.storage = real
            self._initialising = False
        batch = Batch(fence=barrier.fence)
        async for key, value in staged.scan(""):
            if key != FENCE_KEY:
                batch.puts[key] = value
        return batch, token

    # -- Unsealing ------------------------------------------------------------------------------------------------

    async def unseal(self, share: bytes) -> None:
        """Take a share; with the last that is needed the server opens. On an open server it does nothing.

        Raises:
            BadRequest: not initialised, not a share, or the shares together are not the key; then all are dropped.
            InternalError: the shares are right, but what is stored is damaged. Nothing is written.
        """
        async with self._lock:
            config = await self.config()
            if config is None:
                raise BadRequest("Vault is not initialized")
            if not self.sealed:
                return
            check_share(share)
            self._nonce = self._nonce or new_uuid()
            self._shares.add(share)
            if len(self._shares) < config.threshold:
                return
            self._nonce = ""
            try:
                root_key = await self.kind.unwrap(config.wrapped, self._shares.combine())
            except CryptoError:
                log.warning("unsealing failed: the shares do not make up the key")
                raise BadRequest(f"unable to retrieve stored keys: {WRONG_KEY}") from None
            await self._open(root_key)

    def reset(self) -> None:
        """Drop the shares that were given so far.

        Raises:
            BadRequest: the server is unsealed.
        """
        if not self.sealed:
            raise BadRequest("vault is unsealed")
        self._shares.clear()
        self._nonce = ""

    async def _open(self, root_key: bytes) -> None:
        try:
            await self.core.unsealed_with(root_key)
        except CryptoError as error:
            raise _damaged(CorruptEntry("the seal configuration and the keyring are of different servers")) from error
        except CorruptEntry as error:
            raise _damaged(error) from error
        except StorageError:
            log.exception("unsealing failed: the storage does not work")
            raise InternalError("unsealing failed: the storage does not work; see the server's log") from None

    # -- While unsealed -------------------------------------------------------------------------------------------

    async def required(self) -> int:
        """How many shares it takes to unseal, to rekey and to make a root token."""
        config = await self.config()
        return config.threshold if config else 0

    async def prove(self, shares: Shares) -> None:
        """Check that these shares are the present key; they are dropped.

        Raises:
            CryptoError: they are not.
        """
        key = shares.combine()
        config = await self.config()
        if config is None or not self.core.barrier.fits(await self.kind.unwrap(config.wrapped, key)):
            raise CryptoError("the shares do not make up the key")

    async def replace(self, key: bytes, shares: int, threshold: int, beside: Mapping[str, bytes] | None = None) -> None:
        """Keep a new root key under `key`, and the keyring under that root key: one commit, seen through to its end.

        In the same commit the unencrypted entries `beside` are written.

        Raises:
            StorageError: nothing was stored; the old shares stay good.
        """
        # Cancelled half-way, memory would still name the old shares.
        task = asyncio.ensure_future(self._replace(key, shares, threshold, beside or {}))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        await asyncio.shield(task)

    async def _replace(self, key: bytes, shares: int, threshold: int, beside: Mapping[str, bytes]) -> None:
        root_key = new_key()
        config = await self._new_config(root_key, key, shares, threshold)
        await self.core.barrier.rekey(root_key, {**beside, SEAL_CONFIG_KEY: config.encode()})
        self._config = config
        log.info("rekeyed to %d shares with a threshold of %d", shares, threshold)

    def invalidate(self) -> None:
        """Forget what was read of the configuration, because another node has written it."""
        self._config = None


def _damaged(error: CorruptEntry) -> InternalError:
    log.error("%s", error)
    return InternalError(f"{error}. {_UNTOUCHED}")
