"""An HTTP/1.1 request line and headers as the `Scope` that a `Site` reads."""

from __future__ import annotations

from collections.abc import ItemsView, Iterable
from typing import Any
from urllib.parse import unquote, urlsplit

import h11


class BadTarget(ValueError):
    """The request line asks for nothing that a server has."""


class Headers:
    """A request's headers; names are in lower case."""

    __slots__ = ("_first", "_pairs")

    def __init__(self, raw: Iterable[tuple[bytes, bytes]]) -> None:
        self._pairs = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in raw]
        self._first: dict[str, str] = {}
        for name, value in self._pairs:
            self._first.setdefault(name, value)

    def get(self, name: str, default: Any = None) -> Any:
        """The first value of a header."""
        return self._first.get(name, default)

    def items(self) -> list[tuple[str, str]] | ItemsView[str, str]:
        """All of them, in order."""
        return self._pairs


class Request:
    """A request but for its body. `path` is percent-decoded; bytes that are not UTF-8 become U+FFFD."""

    __slots__ = ("client", "headers", "http_version", "method", "path", "query_string")

    def __init__(self, event: h11.Request, client: str) -> None:
        self.http_version = event.http_version.decode()
        self.client = client
        self.method = event.method.decode("latin-1")
        self.headers = Headers(event.headers)
        path, _, self.query_string = _origin(event.target.decode("latin-1")).partition("?")
        self.path = unquote(path) if "%" in path else path


def _origin(target: str) -> str:
    """A target as path and query; a proxy's, which has scheme and host before them, too. Raises `BadTarget`."""
    target = target.partition("#")[0]
    if target[:1] == "/" or target == "*":
        return target
    try:
        parts = urlsplit(target)
    except ValueError:
        raise BadTarget from None
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise BadTarget
    return (parts.path or "/") + ("?" + parts.query if parts.query else "")
