"""What an ACL says about one request, and why."""

from __future__ import annotations

from strongroom.policy.parse import DENY
from strongroom.policy.rule import Rule

NOBODY: tuple[str, ...] = ()


class Decision:
    """What an ACL says about one request, and why.

    `granting` are the policies that grant it, for the audit log. `sudo` tells whether the rule that counted also holds
    sudo. `reason` names policies, lines and parameter names, never values: it is for logs, audit and explanations, not
    for the caller.
    """

    __slots__ = ("_missing", "_operation", "_path", "_rule", "allowed", "granting", "root", "sudo")

    def __init__(
        self,
        *,
        allowed: bool,
        root: bool = False,
        sudo: bool = False,
        granting: tuple[str, ...] = NOBODY,
        path: str = "",
        operation: str = "",
        rule: Rule | None = None,
        missing: str = "",
    ) -> None:
        self.allowed = allowed
        self.root = root
        self.sudo = sudo
        self.granting = granting
        self._path = path
        self._operation = operation
        self._rule = rule
        self._missing = missing

    def __repr__(self) -> str:
        return f"Decision(allowed={self.allowed}, reason={self.reason!r})"

    @property
    def rule(self) -> str:
        """The path text of the rule that counted; empty when none matched."""
        return self._rule.text if self._rule else ""

    @property
    def sources(self) -> tuple[tuple[str, int], ...]:
        """Where that rule is written: policy and line, several when policies add up."""
        return tuple((policy, rule.line) for policy, rule in self._rule.sources) if self._rule else ()

    @property
    def missing(self) -> str:
        """What was missing; empty when allowed."""
        return self._missing

    @property
    def reason(self) -> str:
        """One sentence on why."""
        rule = self._rule
        if self.root:
            return "the token has the root policy"
        if rule is None:
            return "help is open to all" if self.allowed else f'no policy has a rule for "{self._path}"'
        written = ", ".join(f"policy {policy} line {line}" for policy, line in self.sources)
        where = f'path "{rule.text}" ({written})'
        if self.allowed:
            return f"{where} grants {self._operation}"
        if rule.bits & DENY:
            return f"{where} denies everything"
        if self._missing == self._operation:
            return f"{where} grants {', '.join(rule.capabilities()) if rule.bits else 'nothing'}, not {self._operation}"
        return f"{where} grants {self._operation}, but {self._missing}"
