"""What a quota's rule applies to, and which of several rules counts.

A rule names its mount by UUID: it moves with the mount, and is gone with it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from strongroom.core.live import Live


class Scoped(Protocol):
    """The part of a stored rule that says what it is about.

    `mount` is a UUID, "" for everything; `suffix` is a path below the mount and may end in "*"; `role` is one of the
    mount's, for its logins.
    """

    @property
    def name(self) -> str:
        """The rule's name."""

    @property
    def mount(self) -> str:
        """The mount's UUID."""

    @property
    def suffix(self) -> str:
        """The path below it."""

    @property
    def role(self) -> str:
        """The role."""


class Rule(Protocol):
    """A rule in use."""

    @property
    def entry(self) -> Scoped:
        """What is stored of it."""


R = TypeVar("R", bound=Rule)


class RuleTable(Generic[R]):
    """The rules of one kind of quota, by name; of those that apply to a request the most specific counts alone."""

    def __init__(self) -> None:
        self.rules: dict[str, R] = {}
        self._everywhere: R | None = None
        #: By the mount's UUID, the most specific first.
        self._of_mount: dict[str, list[R]] = {}

    def put(self, rule: R) -> None:
        """Put a rule to use, in place of the one of its name."""
        self.rules[rule.entry.name] = rule
        self._arrange()

    def drop(self, name: str) -> None:
        """Forget a rule, which need not be there."""
        self.rules.pop(name, None)
        self._arrange()

    def find(self, mount: str, path: str, role: str = "") -> R | None:
        """The rule for a path below a mount ("" for none): one for the role, the path, the mount, or everything."""
        for rule in self._of_mount.get(mount, ()):
            if _fits(rule.entry, path, role):
                return rule
        return self._everywhere

    def by_role(self, mount: str) -> bool:
        """Whether any rule of a mount is about a role."""
        return any(rule.entry.role for rule in self._of_mount.get(mount, ()))

    def same_scope(self, entry: Scoped) -> str | None:
        """The name of another rule for the same thing."""
        scope = _scope(entry)
        return next(
            (name for name, rule in self.rules.items() if name != entry.name and _scope(rule.entry) == scope), None
        )

    def living(self, live: Live) -> Iterable[R]:
        """The rules whose mounts are there, by name."""
        mounts = {mount.entry.uuid for mount in live.mounts}
        return [rule for _, rule in sorted(self.rules.items()) if not rule.entry.mount or rule.entry.mount in mounts]

    def _arrange(self) -> None:
        self._everywhere = None
        self._of_mount = {}
        for rule in sorted(self.rules.values(), key=lambda rule: _rank(rule.entry)):
            if rule.entry.mount:
                self._of_mount.setdefault(rule.entry.mount, []).append(rule)
            else:
                self._everywhere = rule


def _fits(entry: Scoped, path: str, role: str) -> bool:
    if entry.role:
        return entry.role == role
    if entry.suffix.endswith("*"):
        return path.startswith(entry.suffix[:-1])
    return not entry.suffix or entry.suffix == path.rstrip("/")


def _scope(entry: Scoped) -> tuple[str, str, str]:
    return entry.mount, entry.suffix, entry.role


def _rank(entry: Scoped) -> tuple[bool, bool, int]:
    return not entry.role, not entry.suffix or entry.suffix.endswith("*"), -len(entry.suffix)
