"""Seals: what keeps the root key while nobody uses it.

The root key encrypts the keyring. It is stored only wrapped by a seal: under a key that people hold in shares
(`shamir`), or by a system that opens it without people (a cloud's key service). A seal is a row of `SEALS`; another
package adds its own through the entry point group `strongroom.seals`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Protocol

from strongroom.errors import ConfigError
from strongroom.seals.shamir import ShamirSeal


class Seal(Protocol):
    """Wraps and unwraps the root key.

    With `needs_shares` the wrapping key is split among people, who bring it together to unseal, to rekey and to make a
    root token; the manager combines it and hands it in as `key`. A seal without that ignores `key`: its server unseals
    itself, and what people hold then are the shares of a recovery key, which proves who they are but opens nothing; the
    manager keeps that key wrapped by the same seal.
    """

    @property
    def type(self) -> str:
        """The name that configuration and `sys/seal-status` use."""

    @property
    def needs_shares(self) -> bool:
        """Whether people hold the key in shares."""

    async def wrap(self, root_key: bytes, key: bytes = b"") -> bytes:
        """Encrypt the root key; the result may lie in plain sight."""

    async def unwrap(self, blob: bytes, key: bytes = b"") -> bytes:
        """The root key that `wrap` was given.

        Raises:
            CryptoError: `key` is another one, or the blob is damaged.
        """


#: What makes a seal from the settings of its configuration block.
SEALS: Final[dict[str, Callable[[Mapping[str, str]], Seal]]] = {
    "shamir": lambda _: ShamirSeal(),
}


def make_seal(type: str, settings: Mapping[str, str]) -> Seal:  # noqa: A002 - the block's own word
    """The seal of a configuration block.

    Raises:
        ConfigError: there is no such seal.
    """
    make = SEALS.get(type)
    if make is None:
        raise ConfigError(f'unknown seal "{type}"', fix=f"This build has: {', '.join(sorted(SEALS))}")
    return make(settings)
