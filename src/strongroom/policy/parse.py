"""A policy's text → its rules. Every refusal is a `PolicyError` whose text is Vault's."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from strongroom import hcl
from strongroom.api.fields import Invalid, parse_duration
from strongroom.errors import HCLError, PolicyError

DENY, CREATE, READ, UPDATE, DELETE, LIST, SUDO, PATCH = (1 << bit for bit in range(8))

CAPABILITIES: Mapping[str, int] = {
    "deny": DENY,
    "create": CREATE,
    "read": READ,
    "update": UPDATE,
    "delete": DELETE,
    "list": LIST,
    "sudo": SUDO,
    "patch": PATCH,
}
#: What `policy = "..."` in a path, the form before capabilities, stands for.
LEGACY: Mapping[str, int] = {
    "": 0,
    "deny": DENY,
    "read": READ | LIST,
    "write": CREATE | READ | UPDATE | DELETE | LIST,
    "sudo": CREATE | READ | UPDATE | DELETE | LIST | SUDO,
}
TOP_KEYS = frozenset({"name", "path"})

Values = tuple[Any, ...]
Parameters = Mapping[str, Values]

_TEMPLATE = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)


class TemplateVars(Protocol):
    """Who asks, for the templates in paths."""

    def value(self, name: str) -> str | None:
        """The value of `identity.entity.id`, `identity.groups.names.NAME.id` and so on; None when there is none."""


@dataclass(frozen=True, slots=True)
class PathRule:
    """What one `path` block grants.

    `path` is as written, without one leading slash, templates not filled in. `capabilities` are bits. Parameter names
    are in lower case; an empty tuple of values means any value. Wrapping limits are seconds, 0 for none.
    """

    path: str
    capabilities: int
    line: int
    allowed: Parameters
    denied: Parameters
    required: tuple[str, ...]
    min_wrapping_ttl: float
    max_wrapping_ttl: float
    templated: bool

    @property
    def constrained(self) -> bool:
        """Whether more than the operation decides."""
        return bool(self.allowed or self.denied or self.required or self.min_wrapping_ttl or self.max_wrapping_ttl)


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy: its rules in the order of the text, and the text to the letter."""

    name: str
    rules: tuple[PathRule, ...]
    raw: str

    @property
    def templated(self) -> bool:
        """Whether what it grants depends on who asks."""
        return any(rule.templated for rule in self.rules)


def decode_policy_text(text: str) -> str:
    """The text of a policy that may have come in base64: what decodes is taken as encoded, as Vault does."""
    try:
        decoded = base64.b64decode(text.replace("\r", "").replace("\n", ""), validate=True)
    except (binascii.Error, ValueError):
        return text
    try:
        return decoded.decode()
    except UnicodeDecodeError:
        raise PolicyError("failed to parse policy: At 1:1: illegal char") from None


def parse_policy(text: str, name: str) -> Policy:
    """The rules of a policy in HCL or JSON. Raises `PolicyError`."""
    try:
        return Policy(name, tuple(_rules(hcl.parse(text))), text)
    except HCLError as error:
        raise PolicyError(f"failed to parse policy: {_at(error)}") from error
    except _Refused as error:
        raise PolicyError(f"failed to parse policy: {error}") from error


def fill_in(path: str, identity: TemplateVars | None) -> str | None:
    """The path with its templates filled in; None when one has no value, which drops the rule.

    A value that would act as a wildcard (a whole segment `+`, or `*` at the end) has no value here: a name that
    somebody chose must not widen what the policy's author wrote.
    """
    values = {}
    for match in _TEMPLATE.finditer(path):
        value = identity.value(match[1].strip()) if identity else None
        if not value:
            return None
        values[match[0]] = value
    filled = _TEMPLATE.sub(lambda match: values[match[0]], path)
    if "+*" in filled or _wildcards(filled) != _wildcards(_TEMPLATE.sub("x", path)):
        return None
    return filled


def _wildcards(path: str) -> tuple[int, bool]:
    return path.split("/").count("+"), path.endswith("*")


class _Refused(Exception):
    """A policy that parses as HCL and yet is none."""


def _at(error: HCLError) -> str:
    return f"At {error.line}:{error.column}: {error.message}"


def _rules(body: hcl.Body) -> Iterable[PathRule]:
    if problems := _unknown(body, TOP_KEYS, ""):
        raise _Refused(problems)
    return [_rule(block) for block in body.blocks("path")]


def _unknown(body: hcl.Body, known: Iterable[str], prefix: str) -> str:
    """Vault's list of the keys that do not belong; empty when all do."""
    lines = [f'{prefix}invalid key "{i.keys[0]}" on line {i.line}' for i in body.items if i.keys[0] not in known]
    if not lines:
        return ""
    head = "1 error occurred:" if len(lines) == 1 else f"{len(lines)} errors occurred:"
    return head + "".join(f"\n\t* {line}" for line in lines) + "\n\n"


def _rule(block: hcl.Block) -> PathRule:
    path = block.labels[0].removeprefix("/")
    prefix = f'path "{block.labels[0]}": '
    templated = _templated(path)
    if problems := _unknown(block.body, _KEYS, prefix):
        raise _Refused(problems)
    if "+*" in path:
        raise _Refused(f"{prefix}invalid use of wildcards ('+*' is forbidden)")
    draft = _Draft(prefix)
    for key, read in _KEYS.items():
        for item in block.body.all(key):
            try:
                read(draft, item)
            except HCLError as error:
                raise _Refused(prefix + _at(error)) from error
    if 0 < draft.max_wrapping_ttl < draft.min_wrapping_ttl:
        raise _Refused("max_wrapping_ttl cannot be less than min_wrapping_ttl")
    bits = DENY if draft.capabilities & DENY else draft.capabilities
    return PathRule(
        path,
        bits,
        block.line,
        draft.parameters["allowed_parameters"],
        draft.parameters["denied_parameters"],
        tuple(draft.required),
        draft.min_wrapping_ttl,
        draft.max_wrapping_ttl,
        templated,
    )


def _templated(path: str) -> bool:
    rest = _TEMPLATE.sub("", path)
    if "{{" in rest or "}}" in rest:
        raise _Refused("failed to validate policy templating: unbalanced templating characters")
    return rest != path


class _Draft:
    """A rule while its keys are read. A key written several times adds up."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.capabilities = 0
        self.parameters: dict[str, dict[str, Values]] = {"allowed_parameters": {}, "denied_parameters": {}}
        self.required: list[str] = []
        self.min_wrapping_ttl = 0.0
        self.max_wrapping_ttl = 0.0

    def read_capabilities(self, item: hcl.Item) -> None:
        for name in _list(item):
            if not isinstance(name, str) or name not in CAPABILITIES:
                raise _Refused(f'{self.prefix}invalid capability "{_shown(name)}"')
            self.capabilities |= CAPABILITIES[name]

    def read_policy(self, item: hcl.Item) -> None:
        name = hcl.plain(item.value)
        if not isinstance(name, str) or name not in LEGACY:
            raise _Refused(f'{self.prefix}invalid policy "{_shown(name)}"')
        self.capabilities |= LEGACY[name]

    def read_parameters(self, item: hcl.Item) -> None:
        into = self.parameters[item.keys[0]]
        if len(item.keys) > 1:
            raise HCLError("unknown slice type: *ast.ObjectType", line=item.line, column=item.column)
        bodies = item.value.items if isinstance(item.value, hcl.List) else (item.value,)
        for body in bodies:
            if not isinstance(body, hcl.Body):
                message = f"root.{item.keys[0]}: not an object type for map (*ast.LiteralType)"
                raise HCLError(message, line=body.line, column=body.column)
            for parameter in body.items:
                values = tuple(_list(parameter))
                merge_values(into, parameter.keys[0].lower(), values)

    def read_required(self, item: hcl.Item) -> None:
        for name in _list(item):
            if not isinstance(name, str):
                raise _Refused(f"{self.prefix}required_parameters must be a list of names")
            if name.lower() not in self.required:
                self.required.append(name.lower())

    def read_wrapping(self, item: hcl.Item) -> None:
        key = item.keys[0]
        try:
            seconds = parse_duration(hcl.plain(item.value))
        except Invalid as error:
            raise _Refused(f"error parsing {key}: {error}") from error
        if seconds < 0:
            raise _Refused(f"error parsing {key}: a duration cannot be negative")
        setattr(self, key, seconds)

    def ignore(self, item: hcl.Item) -> None:
        """A key that is allowed and says nothing about access here."""


#: The keys of a path, in the order in which Vault looks at them.
_KEYS: Mapping[str, Callable[[_Draft, hcl.Item], None]] = {
    "comment": _Draft.ignore,
    "policy": _Draft.read_policy,
    "capabilities": _Draft.read_capabilities,
    "allowed_parameters": _Draft.read_parameters,
    "denied_parameters": _Draft.read_parameters,
    "required_parameters": _Draft.read_required,
    "min_wrapping_ttl": _Draft.read_wrapping,
    "max_wrapping_ttl": _Draft.read_wrapping,
    "mfa_methods": _Draft.ignore,
}


def merge_values(into: dict[str, Values], parameter: str, values: Values) -> None:
    """Add a parameter's values; an empty list, which means any value, wins over values."""
    present = into.get(parameter)
    into[parameter] = values if present is None else present + values if present and values else ()


def _list(item: hcl.Item) -> list[Any]:
    if not isinstance(item.value, hcl.List) or len(item.keys) > 1:
        kind = "ObjectType" if isinstance(item.value, hcl.Body) else "LiteralType"
        raise HCLError(f"unknown slice type: *ast.{kind}", line=item.value.line, column=item.value.column)
    return [hcl.plain(value) for value in item.value.items]


def _shown(value: object) -> str:
    return value if isinstance(value, str) else "true" if value is True else "false" if value is False else str(value)
