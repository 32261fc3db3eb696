"""Rules → decisions: the compiled ACL of one token.

Which rule counts (one alone, over all policies; rules with the same path text add up first):

1. the exact path; for listing also the exact path without the trailing slash, if the one with it is not written;
2. else, of the rules with `*` at the end or a `+` segment, the one whose first wildcard stands furthest right; then one
   that does not end in `*`; then fewer `+`; then the longer text; then the alphabetically greater. A listing is also
   matched without its trailing slash, and the better of both counts.

Source: Vault's policy documentation and recorded answers.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from strongroom.memo import remember
from strongroom.policy.decision import NOBODY, Decision
from strongroom.policy.parse import (
    CREATE,
    DELETE,
    LIST,
    PATCH,
    READ,
    SUDO,
    UPDATE,
    PathRule,
    Policy,
    TemplateVars,
    fill_in,
)
from strongroom.policy.rule import Rule
from strongroom.policy.tree import SegmentTree

OPERATIONS: Mapping[str, int] = {
    "read": READ,
    "list": LIST,
    "update": UPDATE,
    "delete": DELETE,
    "create": CREATE,
    "patch": PATCH,
    # What the server does on a token's behalf.
    "revoke": UPDATE,
    "renew": UPDATE,
    "rollback": UPDATE,
}
#: The operations whose parameters are looked at.
WITH_PARAMETERS = frozenset({"read", "update", "create", "patch"})
#: Decisions remembered for each ACL. Small: there is an ACL for each set of policies in use.
MEMO = 512
#: Stands for the segments that no rule names.
_ANY = "\0"


def _rank(rule: Rule) -> tuple[int, bool, int, int, bytes]:
    """How specific a rule with wildcards is; the greatest counts. Vault compares bytes."""
    glob = rule.text.endswith("*")
    text = rule.text.removesuffix("*").encode()
    if not _segmented(rule.text):
        return len(text), False, 0, len(text), text
    return text.index(b"+"), not glob, -text.split(b"/").count(b"+"), len(text), text


def _segmented(path: str) -> bool:
    """Whether the rule takes part as one with `+` segments (Vault counts a segment that only begins with `+` too)."""
    return path == "+" or "/+" in path or path.startswith("+/")


class ACL:
    """The rules of several policies, ready to decide. Make one with `compile`; it does not change."""

    __slots__ = ("_exact", "_folders", "_granting", "_lengths", "_memo", "_prefixes", "_segments", "_texts", "root")

    def __init__(self) -> None:
        self.root = False
        self._exact: dict[str, Rule] = {}
        self._prefixes: dict[str, Rule] = {}
        self._lengths: list[int] = []
        self._segments = SegmentTree()
        self._memo: dict[tuple[str, str], Decision | Rule] = {}
        #: By folder, the rule that counts for all paths right in it; without an entry there may be several.
        self._folders: dict[str, Rule | None] = {}
        self._texts: list[str] = []
        self._granting: list[str] | None = None

    @classmethod
    def compile(cls, policies: Sequence[Policy], identity: TemplateVars | None = None) -> ACL:
        """The ACL of a token with these policies; with `root` among them it is root and nothing else counts.

        `identity` fills in templates; rules whose template has no value are left out.
        """
        acl = cls()
        acl.root = any(policy.name == "root" for policy in policies)
        if acl.root:
            return acl
        for policy in policies:
            for rule in policy.rules:
                path = fill_in(rule.path, identity) if rule.templated else rule.path
                if path is not None:
                    acl._add(path, policy.name, rule)
        acl._lengths = sorted({len(prefix) for prefix in acl._prefixes}, reverse=True)
        acl._texts = sorted([*acl._exact, *acl._prefixes])
        return acl

    def _add(self, path: str, policy: str, rule: PathRule) -> None:
        if _segmented(path):
            entry = self._segments.entry(path)
        else:
            glob = path.endswith("*")
            table, key = (self._prefixes, path[:-1]) if glob else (self._exact, path)
            entry = table.get(key) or table.setdefault(key, Rule(path))
        entry.sources.append((policy, rule))

    def decide(
        self, path: str, operation: str, *, data: Mapping[str, Any] | None = None, wrap_ttl: float = 0
    ) -> Decision:
        """Judge `operation` on `path` with these parameters and this wrapping TTL (seconds; 0 when not wrapped)."""
        if self.root:
            return _ROOT
        known = self._memo.get((path, operation))
        if known is None:
            known = remember(self._memo, (path, operation), self._judge(path, operation), MEMO)
        if isinstance(known, Decision):
            return known
        bit = OPERATIONS[operation]
        missing = known.wrapping_refusal(wrap_ttl)
        if not missing and operation in WITH_PARAMETERS:
            missing = known.parameter_refusal(data or {})
        return Decision(
            allowed=not missing,
            sudo=bool(known.bits & SUDO),
            granting=NOBODY if missing else known.granting(bit),
            path=path,
            operation=operation,
            rule=known,
            missing=missing,
        )

    def _judge(self, path: str, operation: str) -> Decision | Rule:
        """The decision; or the rule that decides, when that takes the parameters too."""
        if operation == "help":
            return Decision(allowed=True, path=path, operation=operation)
        rule = self._find(path, listing=operation == "list")
        if rule is None:
            return Decision(allowed=False, path=path, operation=operation, missing=operation)
        bit = OPERATIONS.get(operation, 0)
        allowed = bool(rule.bits & bit)
        if allowed and rule.constrained:
            return rule
        return Decision(
            allowed=allowed,
            sudo=bool(rule.bits & SUDO),
            granting=rule.granting(bit) if allowed else NOBODY,
            path=path,
            operation=operation,
            rule=rule,
            missing="" if allowed else operation,
        )

    def _find(self, path: str, *, listing: bool) -> Rule | None:
        """The one rule that counts for a path."""
        path = path.lstrip("/")
        folder, slash, _ = path.rpartition("/")
        if listing or not slash:
            return self._search(path, listing=listing)
        if folder in self._folders:
            return self._folders[folder]
        if self._differs_within(folder):
            return self._search(path, listing=False)
        return remember(self._folders, folder, self._search(f"{folder}/{_ANY}", listing=False), MEMO)

    def _differs_within(self, folder: str) -> bool:
        """Whether a rule's text tells the paths right in a folder apart."""
        # `folder/*` itself does not, and is what most rules look like; so it is passed over.
        start = folder + "/"
        return _any_begins(self._texts, start, but=start not in self._exact) or self._segments.goes_on(folder)

    def _search(self, path: str, *, listing: bool) -> Rule | None:
        rule = self._exact.get(path)
        bare = path.removesuffix("/") if listing else path
        if rule is None and bare != path:
            rule = self._exact.get(bare)
        if rule is None:
            found = [*self._wildcards(path), *(self._wildcards(bare) if bare != path else ())]
            if not found:
                return None
            rule = found[0] if len(found) == 1 else max(found, key=_rank)
        return rule.merge()

    def _wildcards(self, path: str) -> Iterator[Rule]:
        """The rules with `*` or `+` that match; of plain prefixes only the longest."""
        if rule := self._longest_prefix(path):
            yield rule
        yield from self._segments.matching(path)

    def _longest_prefix(self, path: str) -> Rule | None:
        for length in self._lengths:
            if length <= len(path) and (rule := self._prefixes.get(path[:length])):
                return rule
        return None

    def capabilities(self, path: str) -> list[str]:
        """The capabilities on a path, sorted; `["root"]` for root, `["deny"]` for none.

        Seen as a listing sees it: a rule without the trailing slash counts too.
        """
        if self.root:
            return ["root"]
        rule = self._find(path, listing=True)
        return rule.capabilities() if rule else ["deny"]

    def allows_any(self, prefix: str) -> bool:
        """Whether anything at or below a mount's path (`kv/`) is granted."""
        if self.root:
            return True
        # The mount's own path may have a rule of its own, beside a prefix that covers what is below it.
        candidates = (self._find(prefix, listing=True), self._longest_prefix(prefix))
        return (
            any(rule is not None and rule.grants for rule in candidates)
            or self._grants_below(prefix)
            or self._segments.grants_below(prefix)
        )

    def _grants_below(self, prefix: str) -> bool:
        if self._granting is None:
            granting = [text for text, rule in (*self._exact.items(), *self._prefixes.items()) if rule.grants]
            self._granting = sorted(granting)
        return _any_begins(self._granting, prefix)

    def rules(self) -> dict[str, Any]:
        """What the user interface is told: `exact_paths` and `glob_paths` (without the star) with what holds there.

        Rules with `+` are not in it, as in Vault.
        """
        if self.root:
            return {"root": True}
        return {
            "exact_paths": {text: _shown(rule.merge()) for text, rule in sorted(self._exact.items())},
            "glob_paths": {text: _shown(rule.merge()) for text, rule in sorted(self._prefixes.items())},
            "root": False,
        }


_ROOT = Decision(allowed=True, root=True, sudo=True, granting=("root",))


def _shown(rule: Rule) -> dict[str, Any]:
    shown: dict[str, Any] = {"capabilities": rule.capabilities()}
    for key, limit in (("min_wrapping_ttl", rule.min_wrapping), ("max_wrapping_ttl", rule.max_wrapping)):
        if limit:
            shown[key] = int(limit)
    for key, parameters in (("allowed_parameters", rule.allowed), ("denied_parameters", rule.denied)):
        if parameters:
            shown[key] = {name: list(values) for name, values in parameters.items()}
    if rule.required:
        shown["required_parameters"] = list(rule.required)
    return shown


def _any_begins(texts: list[str], start: str, *, but: bool = False) -> bool:
    """Whether one of these sorted texts begins like that; with `but`, goes on after that."""
    at = bisect_left(texts, start)
    if but and at < len(texts) and texts[at] == start:
        at += 1
    return at < len(texts) and texts[at].startswith(start)
