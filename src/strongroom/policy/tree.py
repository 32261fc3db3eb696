"""The rules with `+` as a tree of path segments: what matches is found without looking at the rest."""

from __future__ import annotations

from collections.abc import Iterator

from strongroom.policy.rule import Rule


class _Node:
    """A step in the tree of rules with `+`: one segment further."""

    __slots__ = ("children", "glob_lengths", "globs", "plus", "rule")

    def __init__(self) -> None:
        self.children: dict[str, _Node] = {}
        self.plus: _Node | None = None
        self.rule: Rule | None = None
        #: Rules that end in `*` here, by what their last segment begins with; and those lengths, longest first.
        self.globs: dict[str, Rule] = {}
        self.glob_lengths: list[int] = []

    def glob(self, segment: str) -> Rule | None:
        """The rule with the longest beginning of this segment before its `*`."""
        for length in self.glob_lengths:
            if rule := self.globs.get(segment[:length]):
                return rule
        return None

    def next(self, segment: str) -> Iterator[_Node]:
        """The nodes one segment further on."""
        if child := self.children.get(segment):
            yield child
        if self.plus:
            yield self.plus

    def grants(self) -> bool:
        """Whether any rule from here on grants something."""
        nodes = [self]
        while nodes:
            node = nodes.pop()
            if (node.rule and node.rule.grants) or any(rule.grants for rule in node.globs.values()):
                return True
            nodes += node.children.values()
            if node.plus:
                nodes.append(node.plus)
        return False


class SegmentTree:
    """All rules with `+`. A rule that ends in `*` hangs at its last segment but one."""

    __slots__ = ("_root",)

    def __init__(self) -> None:
        self._root = _Node()

    def entry(self, text: str) -> Rule:
        """The rule of a path text, made if it is not there."""
        segments = text.removesuffix("*").split("/")
        last = segments.pop() if text.endswith("*") else None
        node = self._root
        for segment in segments:
            if segment == "+":
                node.plus = node.plus or _Node()
                node = node.plus
            else:
                node = node.children.get(segment) or node.children.setdefault(segment, _Node())
        if last is None:
            node.rule = node.rule or Rule(text)
            return node.rule
        if last not in node.globs:
            node.globs[last] = Rule(text)
            if len(last) not in node.glob_lengths:
                node.glob_lengths = sorted([*node.glob_lengths, len(last)], reverse=True)
        return node.globs[last]

    def matching(self, path: str) -> Iterator[Rule]:
        """The rules that match; of those that differ only in what stands before `*`, the longest."""
        if not (self._root.children or self._root.plus):
            return
        segments = path.split("/")
        reached = [(self._root, 0)]
        while reached:
            node, depth = reached.pop()
            if depth == len(segments):
                if node.rule:
                    yield node.rule
                continue
            if rule := node.glob(segments[depth]):
                yield rule
            reached += [(child, depth + 1) for child in node.next(segments[depth])]

    def goes_on(self, folder: str) -> bool:
        """Whether a rule says something about the segment that comes after this path."""
        return any(node.children or node.plus or node.globs for node in self._ends(folder.split("/")))

    def _ends(self, segments: list[str]) -> list[_Node]:
        """The nodes that these segments lead to."""
        nodes = [self._root]
        for segment in segments:
            nodes = [following for node in nodes for following in node.next(segment)]
        return nodes

    def grants_below(self, prefix: str) -> bool:
        """Whether a rule that grants something matches the path `prefix` or any path below it."""
        segments = prefix.rstrip("/").split("/")
        reached = [(self._root, 0)]
        while reached:
            node, depth = reached.pop()
            if depth == len(segments):
                if node.grants():
                    return True
                continue
            if (rule := node.glob(segments[depth])) and rule.grants:
                return True
            reached += [(child, depth + 1) for child in node.next(segments[depth])]
        return False
