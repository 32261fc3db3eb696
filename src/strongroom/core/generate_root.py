"""`GenerateRoot`: a new root token out of the key shares, for when there is none left.

Whoever starts the attempt gets (or brings) a one-time password; whoever gives the last share gets the token XORed with
it. So neither has the token alone. Instead of a password an OpenPGP key may be brought; then the token comes encrypted
for it.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from strongroom.clock import new_uuid, random_text
from strongroom.core.recipients import read_recipients
from strongroom.core.seal import WRONG_KEY
from strongroom.core.shares import Shares, check_nonce, check_share
from strongroom.crypto.openpgp import Recipient
from strongroom.errors import BadRequest, CryptoError, InternalError

if TYPE_CHECKING:
    from strongroom.core.live import Live

#: The length of a root token: `hvs.` and 24 characters.
OTP_LENGTH: Final = 28


def decode(encoded: str, otp: str) -> str:
    """The token that was encoded under a one-time password; raises `BadRequest`, which repeats neither."""
    try:
        token = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except ValueError:
        raise BadRequest("error decoding the encoded token: it is no base64") from None
    password = otp.encode(errors="replace")
    if not token or len(token) != len(password):
        raise BadRequest("the one-time password is not as long as the token")
    try:
        return bytes(a ^ b for a, b in zip(token, password, strict=True)).decode("ascii")
    except UnicodeDecodeError:
        raise BadRequest("the encoded token and the one-time password do not belong together") from None


@dataclass(slots=True)
class Attempt:
    """An attempt under way, with a one-time password or a recipient."""

    otp: str = field(repr=False)
    recipient: Recipient | None = None
    nonce: str = field(default_factory=new_uuid)
    collected: Shares = field(default_factory=Shares)


class GenerateRoot:
    """At most one attempt at a time; it ends with the unsealed server that it belongs to.

    `make_root_token` replaces `live.tokens.create_root`; the token must be committed when it returns.
    """

    def __init__(self, live: Live, make_root_token: Callable[[], Awaitable[str]] | None = None) -> None:
        self._seal = live.core.seal
        self._live = live
        self._make_root_token = make_root_token
        self._lock = asyncio.Lock()
        self.attempt: Attempt | None = None

    def start(self, otp: str = "", pgp_key: str = "") -> Attempt:
        """Begin to collect shares; without an `otp` or a `pgp_key`, which is in base64, an `otp` is made.

        Raises:
            BadRequest: the one-time password has another length than a token, the key cannot be encrypted for, or
                there is an attempt under way.
        """
        if otp and len(otp.encode(errors="replace")) != OTP_LENGTH:
            raise BadRequest("OTP string is wrong length")
        recipient = self._recipient(pgp_key) if pgp_key and not otp else None
        if self.attempt is not None:
            raise BadRequest("root generation already in progress")
        self.attempt = Attempt(otp if otp or recipient else random_text(OTP_LENGTH), recipient)
        return self.attempt

    def _recipient(self, pgp_key: str) -> Recipient:
        try:
            return read_recipients([pgp_key], self._live.core.clock.now())[0]
        except CryptoError as error:
            raise BadRequest(f"error parsing PGP key: {error}") from None

    def cancel(self) -> None:
        """Give the attempt up, if there is one."""
        if self.attempt is not None:
            self.attempt.collected.clear()
            self.attempt = None

    async def update(self, share: bytes, nonce: str) -> tuple[Attempt, int, str]:
        """Take a share; returns the attempt, how many shares it has, and with the last the encoded token.

        Raises:
            BadRequest: nothing is under way, the nonce or the share is not acceptable, or the shares together are not
                the key; then the collected ones are dropped and the attempt goes on.
        """
        async with self._lock:
            attempt = self.attempt
            if attempt is None:
                raise BadRequest("no root generation in progress")
            check_nonce(nonce, attempt.nonce, "root generation")
            check_share(share)
            if not attempt.collected.add(share):
                raise BadRequest("given key has already been provided during this generation operation")
            progress = len(attempt.collected)
            if progress < await self._seal.required():
                return attempt, progress, ""
            try:
                await self._seal.prove(attempt.collected)
            except CryptoError:
                raise BadRequest(f"unable to authenticate: {WRONG_KEY}") from None
            if attempt.recipient is not None:
                _probe(attempt.recipient)
            token = await (self._make_root_token or self._live.tokens.create_root)()
            self.attempt = None
            return attempt, progress, _hide(token, attempt)


def _probe(recipient: Recipient) -> None:
    """Before there is a token that nobody could ever read."""
    try:
        recipient.encrypt(b"")
    except CryptoError as error:
        raise BadRequest(f"the token cannot be encrypted any more: {error}") from None


def _hide(token: str, attempt: Attempt) -> str:
    if attempt.recipient is None:
        return encode_token(token, attempt.otp)
    return base64.b64encode(attempt.recipient.encrypt(token.encode())).decode()


def encode_token(token: str, otp: str) -> str:
    """The token XOR the one-time password, in base64 without padding."""
    plain, pad = token.encode(), otp.encode(errors="replace")
    if len(plain) != len(pad):
        raise InternalError
    return base64.b64encode(bytes(a ^ b for a, b in zip(plain, pad, strict=True))).decode().rstrip("=")
