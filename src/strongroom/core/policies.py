"""Policies as stored, and the compiled ACLs that requests are judged by.

A policy lies at `sys/policy/<name>` as JSON of `StoredPolicy`. Compiled ACLs are kept per set of policies and dropped
when any policy changes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import msgspec

from strongroom.errors import BadRequest, PolicyError
from strongroom.policy import builtin
from strongroom.policy.match import ACL
from strongroom.policy.parse import Policy, TemplateVars, parse_policy

if TYPE_CHECKING:
    from strongroom.core.live import Live
    from strongroom.storage.transaction import Transaction

K = TypeVar("K")
V = TypeVar("V")

PREFIX = "sys/policy/"
ROOT = "root"
#: The server's own: never written, deleted or listed.
UNLISTED = frozenset({builtin.RESPONSE_WRAPPING})
CACHE = 4096


class StoredPolicy(msgspec.Struct, frozen=True):
    """A policy's text, kept to the letter."""

    name: str
    text: str
    v: int = 1


class Policies:
    """The policy store. Names are folded to lower case by its callers' `fold`."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._parsed: dict[str, Policy | None] = {}
        #: By the set of policies: the rules without templates, and the policies if there are templates in them.
        self._acls: dict[tuple[str, ...], tuple[ACL, list[Policy] | None]] = {}
        #: The rules of sets with templates, by who asks too.
        self._own_acls: dict[tuple[tuple[str, ...], TemplateVars], ACL] = {}
        #: Counts changes: what was compiled across one is used once and not kept.
        self._changes = 0
        self._unsubscribe: Callable[[], None] | None = None

    async def load(self) -> None:
        """Follow changes; write the built-in policies that are not there yet."""
        self._unsubscribe = self._live.barrier.subscribe(PREFIX, self._changed)
        tx = self._live.transaction()
        for name, text in builtin.TEXTS.items():
            if await tx.load(PREFIX + name, StoredPolicy) is None:
                self.put(tx, name, text)
        await tx.commit()

    async def stop(self) -> None:
        """Follow no more changes, and forget the rules."""
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None
        self._changed("")

    def _changed(self, key: str) -> None:
        self._changes += 1
        if key.endswith("/") or not key:
            self._parsed.clear()
        self._parsed.pop(key.removeprefix(PREFIX), None)
        self._acls.clear()
        self._own_acls.clear()

    @staticmethod
    def fold(name: str) -> str:
        """The name that a policy is stored under."""
        return name.strip().lower()

    async def text(self, tx: Transaction, name: str) -> str | None:
        """The text of a policy; None when there is none. That of `root` is empty."""
        if name == ROOT:
            return ""
        # No policy's name ends in a slash; storage would refuse such a key.
        stored = await tx.load(PREFIX + name, StoredPolicy) if name and name[-1] != "/" else None
        return stored.text if stored else None

    async def exists(self, name: str) -> bool:
        """Whether there is such a policy."""
        return await self.text(self._live.transaction(), name) is not None

    async def names(self, tx: Transaction) -> list[str]:
        """All names in order, `root` last."""
        found: list[str] = []
        folders = [""]
        while folders:
            folder = folders.pop()
            for name in await tx.list(PREFIX + folder):
                (folders if name.endswith("/") else found).append(folder + name)
        return [*sorted(n for n in found if n not in UNLISTED), ROOT]

    def put(self, tx: Transaction, name: str, text: str) -> None:
        """Store a policy whose text parses; raises `BadRequest` with the place of what does not."""
        try:
            parse_policy(text, name)
        except PolicyError as e:
            raise BadRequest(str(e)) from None
        tx.store(PREFIX + name, StoredPolicy(name, text))

    def remove(self, tx: Transaction, name: str) -> None:
        """Delete a policy, which need not exist."""
        tx.delete(PREFIX + name)

    async def acl(self, names: tuple[str, ...], identity: TemplateVars | None = None) -> ACL:
        """The compiled rules of a set of policies; those that do not exist grant nothing.

        `identity` fills in templates; it never changes, so that what was compiled for it can be kept. Without templates
        all callers share one compilation.

        Raises:
            PolicyError: one that is stored does not parse (any more).
        """
        acl = self._own_acls.get((names, identity)) if identity is not None else None
        if acl is not None:
            return acl
        known = self._acls.get(names)
        if known is None:
            changes = self._changes
            parsed = [policy for name in names if (policy := await self._parse(name)) is not None]
            templated = any(policy.templated for policy in parsed)
            known = ACL.compile(parsed, None), parsed if templated else None
            if changes != self._changes:
                return known[0] if identity is None or not templated else ACL.compile(parsed, identity)
            _keep(self._acls, names, known)
        acl, parts = known
        if identity is not None and parts is not None:
            acl = ACL.compile(parts, identity)
            _keep(self._own_acls, (names, identity), acl)
        return acl

    async def _parse(self, name: str) -> Policy | None:
        if name in self._parsed:
            return self._parsed[name]
        changes = self._changes
        stored = await self.text(self._live.transaction(), name)
        policy = None if stored is None else parse_policy(stored, name)
        if changes == self._changes:
            _keep(self._parsed, name, policy)
        return policy


def _keep(cache: dict[K, V], key: K, value: V) -> None:
    """Remember a value, in place of the one that has been there longest when there are too many."""
    if len(cache) >= CACHE:
        cache.pop(next(iter(cache)))
    cache[key] = value
