"""`LoginMFA`: second factors of logins. Which of them need one, which wait for theirs, and whether a code is right.

A login that needs a second factor and does not bring it waits, in memory only, until it is validated by its id or its
time is up. Nothing of it is a token before. What is remembered is bounded, for each entity and altogether.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from strongroom.clock import new_uuid
from strongroom.core.mfa_attempts import Attempts, TooMany
from strongroom.core.mfa_model import (
    ENFORCEMENT,
    METHOD,
    SECRET_LOCK,
    Enforcement,
    Method,
    Secret,
    secret_key,
)
from strongroom.crypto import otp
from strongroom.errors import PermissionDenied, StrongroomError

if TYPE_CHECKING:
    from strongroom.api.messages import Auth
    from strongroom.core.identity_view import EntityView
    from strongroom.core.live import Live
    from strongroom.core.mounts import Mount
    from strongroom.storage.transaction import Transaction

#: Seconds that a login waits for its second factor, and how many wait: of one entity, and altogether. Beyond that the
#: oldest must begin again.
TIME: Final = 300
MOST_EACH: Final = 16
MOST: Final = 10_000
MISSING: Final = "MFA credentials not supplied"
_PREFIX: Final = "passcode="

#: What was sent, by the id or the name of the method.
Credentials = Mapping[str, Sequence[str]]
#: Takes the lock on an object of the identity mount, by its kind and name.
Lock = Callable[[str, str], Awaitable[None]]


class _Wrong(StrongroomError):
    """A factor that does not hold; the text is for the client."""


@dataclass(slots=True)
class Pending:
    """A login that waits for its second factor; `until` is on the monotonic clock."""

    id: str
    auth: Auth = field(repr=False)
    entity_id: str
    mount: str
    path: str
    until: float = 0
    #: A validation is under way.
    taken: bool = False


class LoginMFA:
    """The methods, the enforcements, and the logins that wait."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self.methods: dict[str, Method] = {}
        #: By name, in order; empty for who does not use it.
        self.enforcements: dict[str, Enforcement] = {}
        #: In the order in which they end.
        self._pending: OrderedDict[str, Pending] = OrderedDict()
        self._of_entity: dict[str, list[str]] = {}
        self.attempts = Attempts(live.clock)

    async def load(self) -> None:
        """Read the methods and the enforcements."""
        tx = self._live.transaction()
        methods = [await tx.load(METHOD + name, Method) for name in await tx.list(METHOD)]
        enforcements = [await tx.load(ENFORCEMENT + name, Enforcement) for name in await tx.list(ENFORCEMENT)]
        self.methods = {method.id: method for method in methods if method is not None}
        self.enforcements = {each.name: each for each in enforcements if each is not None}

    def method(self, name: str) -> Method | None:
        """A method by its id or its name."""
        found = self.methods.get(name)
        return found or next((each for each in self.methods.values() if name and each.name == name), None)

    # -- Who needs one -------------------------------------------------------------------------------------------------

    def demands(self, mount: Mount, view: EntityView | None) -> list[Enforcement]:
        """The enforcements that a login of this entity at this mount falls under; each has to be satisfied."""
        info = mount.info
        groups, entities = set[str](), set[str]()
        if view is not None:
            groups = {group.id for group in view.groups}
            entities = {view.entity.id, *view.entity.merged}
        return [
            each
            for each in self.enforcements.values()
            if info.accessor in each.auth_method_accessors
            or info.type in each.auth_method_types
            or not groups.isdisjoint(each.identity_group_ids)
            or not entities.isdisjoint(each.identity_entity_ids)
        ]

    def requirement(self, pending: Pending, demands: Sequence[Enforcement]) -> dict[str, Any]:
        """What the client is told that a login needs."""
        return {
            "mfa_request_id": pending.id,
            "mfa_constraints": {each.name: {"any": self._choices(each)} for each in demands},
        }

    def _choices(self, enforcement: Enforcement) -> list[dict[str, Any]]:
        known = (self.methods.get(method_id) for method_id in enforcement.mfa_method_ids)
        return [
            {
                "type": method.type,
                "id": method.id,
                "uses_passcode": True,
                **({"name": method.name} if method.name else {}),
            }
            for method in known
            if method is not None
        ]

    # -- Who waits -----------------------------------------------------------------------------------------------------

    def keep(self, auth: Auth, mount: Mount, path: str) -> Pending:
        """Let a login wait for its second factor."""
        now = self._live.clock.monotonic()
        while self._pending:
            oldest = next(iter(self._pending.values()))
            if oldest.until > now and len(self._pending) < MOST:
                break
            self.drop(oldest)
        pending = Pending(new_uuid(), auth, auth.entity_id, mount.entry.uuid, path, now + TIME)
        own = self._of_entity.setdefault(pending.entity_id, [])
        if len(own) >= MOST_EACH:
            self.drop(self._pending[own[0]])
            own = self._of_entity.setdefault(pending.entity_id, [])
        own.append(pending.id)
        self._pending[pending.id] = pending
        return pending

    def take(self, request_id: str) -> Pending | None:
        """A login that waits, for one validation at a time; None when there is none, or not any more."""
        pending = self._pending.get(request_id)
        if pending is None or pending.taken or self._live.clock.monotonic() >= pending.until:
            return None
        pending.taken = True
        return pending

    def drop(self, pending: Pending) -> None:
        """A login waits no more."""
        if self._pending.pop(pending.id, None) is None:
            return
        own = self._of_entity[pending.entity_id]
        own.remove(pending.id)
        if not own:
            del self._of_entity[pending.entity_id]

    # -- Whether it holds ----------------------------------------------------------------------------------------------

    async def check(
        self, tx: Transaction, lock: Lock, demands: Sequence[Enforcement], entity_id: str, given: Credentials
    ) -> None:
        """Check what was sent against each of the enforcements. Codes are used up in the login's own transaction.

        Raises:
            PermissionDenied: one of them is not satisfied.
        """
        right: set[str] = set()
        for enforcement in demands:
            wrong: list[str] = []
            for method_id in enforcement.mfa_method_ids:
                if method_id in right:
                    break
                try:
                    await self._check_method(tx, lock, method_id, entity_id, given)
                except _Wrong as e:
                    wrong.append(str(e))
                else:
                    right.add(method_id)
                    break
            else:
                wrong.append(f"login MFA validation failed for methodID: [{' '.join(enforcement.mfa_method_ids)}]")
                text = f"failed to satisfy enforcement {enforcement.name}. error: {_several(wrong)}"
                raise PermissionDenied(text, reason=f"enforcement {enforcement.name}: {'; '.join(wrong)}")

    async def _check_method(
        self, tx: Transaction, lock: Lock, method_id: str, entity_id: str, given: Credentials
    ) -> None:
        method = self.methods.get(method_id)
        if method is None:
            raise _Wrong(f"failed to find MFA config for method ID {method_id}")
        code = _passcode(given.get(method.id) or (given.get(method.name) if method.name else None))
        if code is None:
            raise _Wrong(
                "failed to find MFA credentials associated with an MFA method ID "
                f"{method.id}, method name {method.name}"
            )
        if not code:
            raise _Wrong(MISSING)
        # Held until the commit: no two logins may use one code.
        await lock(SECRET_LOCK, f"{method.id}/{entity_id}")
        secret = await tx.load(secret_key(method.id, entity_id), Secret)
        if secret is None:
            raise _Wrong(f'MFA secret for method "{method.name or method.id}" not present in entity "{entity_id}"')
        counter = self._counter_of(method, secret, entity_id, code)
        oldest = counter - 2 * secret.skew
        used = tuple(sorted({*(each for each in secret.used if each >= oldest), counter}))
        tx.store(secret_key(method.id, entity_id), replace(secret, used=used))

    def _counter_of(self, method: Method, secret: Secret, entity_id: str, code: str) -> int:
        who = (method.id, entity_id)
        try:
            self.attempts.begin(who, method.max_validation_attempts, secret.period)
        except TooMany as e:
            raise _Wrong(str(e)) from None
        now = otp.counter_at(int(self._live.clock.now()), secret.period)
        counter = otp.matching(secret.key, code, now, secret.digits, secret.algorithm, secret.skew)
        if counter is None:
            raise _Wrong("failed to validate TOTP passcode")
        if counter in secret.used:
            raise _Wrong(f"code already used; new code is available in {secret.period} seconds")
        self.attempts.forget(who)
        return counter


def _passcode(given: Sequence[str] | None) -> str | None:
    """The first code among what was sent for a method; None when nothing was."""
    if given is None:
        return None
    return next((text.strip().removeprefix(_PREFIX).strip() for text in given if text.strip()), "")


def _several(texts: Sequence[str]) -> str:
    """Errors as Vault's clients know them."""
    lines = "".join(f"\n\t* {text}" for text in texts)
    return f"{len(texts)} error{'s' if len(texts) != 1 else ''} occurred:{lines}\n\n"
