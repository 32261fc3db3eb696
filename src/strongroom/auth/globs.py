"""Patterns in which a `*` stands for anything."""

from __future__ import annotations


def glob(pattern: str, text: str) -> bool:
    """Whether a text is like a pattern, in which each `*` stands for anything."""
    first, *rest = pattern.split("*")
    if not rest:
        return first == text
    *middle, last = rest
    if not text.startswith(first) or len(text) < len(first) + len(last) or not text.endswith(last):
        return False
    at, end = len(first), len(text) - len(last)
    for part in middle:
        found = text.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True
