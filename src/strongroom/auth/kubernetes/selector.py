"""Label selectors: which namespaces a role is for, said by their labels.

    {"matchLabels": {"team": "core"}, "matchExpressions": [{"key": "env", "operator": "In", "values": ["prod"]}]}

All of it must hold; an empty selector matches every namespace. Source: Kubernetes' documentation of LabelSelector.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

import msgspec

from strongroom.errors import BadRequest

MAX_SELECTOR: Final = 64 << 10
_WITH_VALUES: Final = ("In", "NotIn")


class Requirement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One of `matchExpressions`."""

    key: str
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    values: tuple[str, ...] = ()

    def holds(self, labels: Mapping[str, str]) -> bool:
        """Whether labels meet it."""
        if self.operator in _WITH_VALUES:
            return (labels.get(self.key) in self.values) is (self.operator == "In")
        return (self.key in labels) is (self.operator == "Exists")


class Selector(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """A label selector."""

    match_labels: dict[str, str] = {}
    match_expressions: tuple[Requirement, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether labels meet all of it."""
        return all(labels.get(key) == value for key, value in self.match_labels.items()) and all(
            requirement.holds(labels) for requirement in self.match_expressions
        )


def parse_selector(text: str) -> Selector:
    """A selector from its JSON.

    Raises:
        BadRequest: it is none.
    """
    problem = BadRequest("invalid bound_service_account_namespace_selector: it is no label selector in JSON")
    if len(text) > MAX_SELECTOR:
        raise problem
    try:
        selector = msgspec.json.decode(text, type=Selector)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise problem from None
    for one in selector.match_expressions:
        if bool(one.values) is not (one.operator in _WITH_VALUES):
            raise BadRequest(
                "invalid bound_service_account_namespace_selector: In and NotIn need values, the others take none"
            )
    return selector
