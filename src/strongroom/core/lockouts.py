"""`Lockouts`: whoever guesses at a name is stopped for a while, whether or not the name exists.

Failures are counted by mount and name, in memory only: a restart forgets them. What is remembered is bounded; of too
many names the one that has been quiet longest is forgotten.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from strongroom.core.live import Live
    from strongroom.core.mounts import Mount

log = logging.getLogger("strongroom.auth")

NAMES: Final = 100_000
#: Longer names are counted by nobody: none exists, but for ones that are as hard to guess as a secret.
MOST_CHARS: Final = 512


@dataclass(frozen=True, slots=True)
class Rule:
    """When a name is locked, and for how long; seconds."""

    threshold: int = 5
    duration: int = 900
    counter_reset: int = 900


@dataclass(slots=True)
class _Failures:
    count: int
    last: float


class Lockouts:
    """The failed logins of late."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._failures: OrderedDict[tuple[str, str], _Failures] = OrderedDict()

    def rule(self, mount: Mount) -> Rule | None:
        """What holds at a mount: its own tuning, else the server's for its type or for all; None when nothing does."""
        blocks = {block.type: block for block in self._live.core.config.user_lockouts}
        block = blocks.get(mount.info.type) or blocks.get("all")
        rule, off = Rule(), False
        if block is not None:
            rule = Rule(block.lockout_threshold, block.lockout_duration, block.lockout_counter_reset)
            off = block.disable_lockout
        tuned = mount.config.user_lockout
        if tuned is not None:
            off = tuned.lockout_disable
            rule = Rule(
                tuned.lockout_threshold or rule.threshold,
                tuned.lockout_duration or rule.duration,
                tuned.lockout_counter_reset_duration or rule.counter_reset,
            )
        return None if off or rule.threshold <= 0 else rule

    def locked(self, mount: Mount, name: str) -> bool:
        """Whether a name is locked at a mount."""
        failures = self._failures.get((mount.info.accessor, name))
        if failures is None:
            return False
        rule = self.rule(mount)
        return rule is not None and self._is_locked(failures, rule)

    def _is_locked(self, failures: _Failures, rule: Rule) -> bool:
        return failures.count >= rule.threshold and self._live.clock.monotonic() - failures.last < rule.duration

    def failed(self, mount: Mount, name: str) -> None:
        """Count a login that proved nothing."""
        rule = self.rule(mount)
        if rule is None or len(name) > MOST_CHARS:
            return
        key, now = (mount.info.accessor, name), self._live.clock.monotonic()
        failures = self._failures.pop(key, None)
        if failures is None or now - failures.last >= rule.counter_reset:
            failures = _Failures(0, now)
        elif failures.count >= rule.threshold and now - failures.last >= rule.duration:
            failures = _Failures(0, now)  # its lock has ended
        failures.count, failures.last = failures.count + 1, now
        if failures.count == rule.threshold:
            log.warning(
                "a name at %s is locked for %d s after %d failed logins", mount.path, rule.duration, failures.count
            )
        self._failures[key] = failures
        if len(self._failures) > NAMES:
            self._failures.popitem(last=False)

    def forget(self, accessor: str, name: str) -> None:
        """Forget a name's failures: after a login that succeeded, or because an operator says so."""
        self._failures.pop((accessor, name), None)

    def names(self, accessor: str = "") -> dict[str, list[str]]:
        """The locked names by mount accessor, at one mount or all."""
        found: dict[str, list[str]] = {}
        rules = {mount.info.accessor: self.rule(mount) for mount in self._live.mounts.of(auth=True)}
        for (where, name), failures in self._failures.items():
            rule = rules.get(where)
            if (not accessor or where == accessor) and rule is not None and self._is_locked(failures, rule):
                found.setdefault(where, []).append(name)
        return {where: sorted(found[where]) for where in sorted(found)}
