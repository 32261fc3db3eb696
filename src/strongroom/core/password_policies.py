"""The password policies, as they are kept in storage.

sys/password-policy/<name>    StoredPolicy, JSON: v (1), text: the policy to the letter
"""

from __future__ import annotations

import string
from typing import TYPE_CHECKING, Final

import msgspec

from strongroom.policy.password import Charset, PasswordPolicy, parse_password_policy

if TYPE_CHECKING:
    from strongroom.storage.transaction import Transaction

PREFIX: Final = "sys/password-policy/"

#: What passwords are like where no policy is named.
DEFAULT: Final = PasswordPolicy(
    20, tuple(Charset(kind, 1) for kind in (string.ascii_lowercase, string.ascii_uppercase, string.digits, "-"))
)


class StoredPolicy(msgspec.Struct, frozen=True):
    """A policy's text."""

    text: str
    v: int = 1


async def text(tx: Transaction, name: str) -> str | None:
    """The text of a policy; None when there is none."""
    stored = await tx.load(PREFIX + name, StoredPolicy)
    return stored.text if stored else None


async def generate(tx: Transaction, name: str) -> str | None:
    """A password after a policy, after `DEFAULT` for the name ""; None when there is no such policy."""
    if not name:
        return DEFAULT.generate()
    stored = await text(tx, name)
    return None if stored is None else parse_password_policy(stored).generate()


async def names(tx: Transaction, folder: str = "") -> list[str]:
    """The names one level below a folder; folders end in "/"."""
    return await tx.list(PREFIX + folder)


def put(tx: Transaction, name: str, policy: str) -> None:
    """Store a policy that parses; raises `PolicyError` for another."""
    parse_password_policy(policy)
    tx.store(PREFIX + name, StoredPolicy(policy))


def remove(tx: Transaction, name: str) -> None:
    """Delete a policy, which need not exist."""
    tx.delete(PREFIX + name)
