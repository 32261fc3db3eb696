"""All that a token's policies say about one path text, and what that asks of a request beyond its operation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from strongroom.policy.parse import CAPABILITIES, DENY, Parameters, PathRule, Values, merge_values

Source = tuple[str, PathRule]


class Rule:
    """The rules of several policies for the same path text, added up on first use.

    `text` is the path with templates filled in, `sources` are policy names with their rules. Parameter names are in
    lower case, an empty tuple of values means any; wrapping limits are seconds, 0 for none.
    """

    __slots__ = (
        "_granting",
        "_merged",
        "allowed",
        "bits",
        "denied",
        "max_wrapping",
        "min_wrapping",
        "required",
        "sources",
        "text",
    )

    def __init__(self, text: str) -> None:
        self.text = text
        self.sources: list[Source] = []
        self._merged = False
        self._granting: dict[int, tuple[str, ...]] = {}
        self.bits = 0
        self.allowed: dict[str, Values] = {}
        self.denied: dict[str, Values] = {}
        self.required: tuple[str, ...] = ()
        self.min_wrapping = 0.0
        self.max_wrapping = 0.0

    def merge(self) -> Rule:
        """Add the sources up, once; a deny leaves nothing else. Of each wrapping limit the lesser one counts."""
        if self._merged:
            return self
        self._merged = True
        rules = [rule for _, rule in self.sources]
        for rule in rules:
            self.bits |= rule.capabilities
        if self.bits & DENY:
            self.bits = DENY
            return self
        for rule in rules:
            for name, values in rule.allowed.items():
                merge_values(self.allowed, name, values)
            for name, values in rule.denied.items():
                merge_values(self.denied, name, values)
        self.required = tuple(dict.fromkeys(name for rule in rules for name in rule.required))
        self.min_wrapping = min((r.min_wrapping_ttl for r in rules if r.min_wrapping_ttl), default=0.0)
        self.max_wrapping = min((r.max_wrapping_ttl for r in rules if r.max_wrapping_ttl), default=0.0)
        return self

    @property
    def grants(self) -> bool:
        """Whether it grants anything at all."""
        return bool(self.merge().bits & ~DENY)

    @property
    def constrained(self) -> bool:
        """Whether more than the operation decides."""
        return bool(self.allowed or self.denied or self.required or self.min_wrapping or self.max_wrapping)

    def granting(self, bit: int) -> tuple[str, ...]:
        """The policies that grant a capability here; asked when all sources are there."""
        known = self._granting.get(bit)
        if known is None:
            named = dict.fromkeys(policy for policy, rule in self.sources if rule.capabilities & bit)
            known = self._granting[bit] = tuple(named)
        return known

    def capabilities(self) -> list[str]:
        """The names of the capabilities, sorted; `deny` when there are none."""
        return sorted(name for name, bit in CAPABILITIES.items() if self.bits & bit) or ["deny"]

    def wrapping_refusal(self, wrap_ttl: float) -> str:
        """Why this wrapping TTL (0: the answer is not wrapped) will not do; empty when it will."""
        low, high = self.min_wrapping, self.max_wrapping
        if 0 < high < low:
            return "the wrapping limits of the policies exclude each other"
        if not wrap_ttl and (low or high):
            return "the answer must be wrapped"
        if high and wrap_ttl > high:
            return f"the wrapping TTL is above {high:g} s"
        if wrap_ttl < low:
            return f"the wrapping TTL is below {low:g} s"
        return ""

    def parameter_refusal(self, data: Mapping[str, Any]) -> str:
        """Why these parameters are refused, naming one of them but no value; empty when they are not."""
        for name in self.required:
            if name not in data:
                return f'parameter "{name}" is required'
        if not data:
            return ""
        if self.denied:
            if "*" in self.denied:
                return "all parameters are denied"
            for name, value in data.items():
                if _listed(value, self.denied, name.lower(), otherwise=False):
                    return f'parameter "{name}" is denied, or its value'
        if self.allowed and self.allowed.keys() != {"*"}:
            others = "*" in self.allowed
            for name, value in data.items():
                if not _listed(value, self.allowed, name.lower(), otherwise=others):
                    return f'parameter "{name}" is not allowed, or its value'
        return ""


def _listed(value: object, parameters: Parameters, name: str, *, otherwise: bool) -> bool:
    values = parameters.get(name)
    if values is None:
        return otherwise
    return not values or any(_same(wanted, value) for wanted in values)


def _same(wanted: object, value: object) -> bool:
    """Whether a policy's value covers a request's: a text may have a star at its ends, all else must be equal.

    A number never is: Vault compares Go values, and HCL's numbers are of another type than a request's.
    """
    if isinstance(wanted, str):
        return isinstance(value, str) and _matches(wanted, value)
    return _equal(wanted, value)


def _equal(wanted: object, value: object) -> bool:
    if isinstance(wanted, list):
        return (
            isinstance(value, list)
            and len(wanted) == len(value)
            and all(_equal(one, other) for one, other in zip(wanted, value, strict=True))
        )
    if wanted is None or isinstance(wanted, bool):
        return value is wanted
    return isinstance(wanted, str) and isinstance(value, str) and wanted == value


def _matches(pattern: str, text: str) -> bool:
    if len(pattern) < 2 or "*" not in (pattern[0], pattern[-1]):
        return pattern == text
    if pattern[0] == pattern[-1]:
        return pattern[1:-1] in text
    return text.endswith(pattern[1:]) if pattern[0] == "*" else text.startswith(pattern[:-1])
