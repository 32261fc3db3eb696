"""The tree of a parsed text. Positions are 1-based, count characters, and do not take part in comparison."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from strongroom.errors import HCLError

Scalar: TypeAlias = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Literal:
    """A text, number, truth value or (JSON only) null."""

    value: Scalar
    line: int = field(default=0, compare=False)
    column: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class List:
    """A list of values."""

    items: tuple[Value, ...]
    line: int = field(default=0, compare=False)
    column: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Item:
    """One `key = value` or one block `key "label" { }`; a block has its labels as further keys.

    `line` and `column` are those of the first key. `assigned` tells `key = {}` from `key {}`.
    """

    keys: tuple[str, ...]
    value: Value
    assigned: bool = field(default=True, compare=False)
    line: int = field(default=0, compare=False)
    column: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Block:
    """A block as its reader wants it: exactly so many labels, and a body."""

    labels: tuple[str, ...]
    body: Body
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Body:
    """The items of a text or of an object, in order, repeated ones included."""

    items: tuple[Item, ...]
    file: str = field(default="", compare=False)
    line: int = field(default=1, compare=False)
    column: int = field(default=1, compare=False)

    def all(self, name: str) -> list[Item]:
        """The items whose first key is `name`."""
        return [item for item in self.items if item.keys[0] == name]

    def blocks(self, name: str, labels: int = 1) -> list[Block]:
        """The blocks called `name`, each with that many labels, whichever way they were written.

        `path "a" {}`, `path = {"a" = {}}`, JSON's `{"path": {"a": {}}}` and `{"path": [{"a": {}}, {"b": {}}]}` all give
        label `a`. Labels beyond the number become keys of the body, as HCL has it. Raises `HCLError` for what is no
        block.
        """
        return [block for item in self.all(name) for block in self._blocks(item, item.keys[1:], item.value, labels)]

    def _blocks(self, item: Item, keys: tuple[str, ...], value: Value, labels: int) -> Iterator[Block]:
        if len(keys) > labels:
            inner = Item(keys[labels:], value, item.assigned, item.line, item.column)
            value, keys = Body((inner,), self.file, item.line, item.column), keys[:labels]
        if isinstance(value, List):
            for element in value.items:
                yield from self._blocks(item, keys, element, labels)
        elif not isinstance(value, Body):
            name = " ".join((item.keys[0], *keys))
            raise HCLError(f'"{name}" must be a block', file=self.file, line=value.line, column=value.column)
        elif len(keys) == labels:
            yield Block(keys, value, item.line, item.column)
        else:
            for sub in value.items:
                inner = Item(item.keys[:1], sub.value, sub.assigned, sub.line, sub.column)
                yield from self._blocks(inner, (*keys, *sub.keys), sub.value, labels)


Value: TypeAlias = Literal | List | Body


def plain(value: Value) -> Any:
    """The value as Python has it: scalars, lists and dicts; of a key written twice the last one counts."""
    if isinstance(value, Literal):
        return value.value
    if isinstance(value, List):
        return [plain(item) for item in value.items]
    out: dict[str, Any] = {}
    for item in value.items:
        content = plain(item.value)
        for key in reversed(item.keys[1:]):
            content = {key: content}
        out[item.keys[0]] = content
    return out
