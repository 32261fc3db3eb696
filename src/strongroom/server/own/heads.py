"""The head of a request: its first line and its header block.

Who reads a head otherwise than the proxy in front of it lets requests through that the proxy never saw, so nothing is
guessed here: what RFC 9112 leaves to taste is refused. The header block goes through llhttp. The first line does not:
llhttp knows a list of methods, and LIST is not among them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote, urlsplit

import httptools

from strongroom.server.listeners import MAX_HEADERS

#: Of a body whose length only its end tells.
CHUNKED: Final = -1
#: A length of more digits is none.
MOST_DIGITS: Final = 18

_LINE = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]{1,32}) ([!-~\x80-\xff]+) HTTP/(1\.[01])")
#: A host, with its port if any, is made of these (RFC 3986, 3.2.2).
_HOST = re.compile(r"[!$%&'()*+,\-.:;=\[\]_~0-9A-Za-z]*")
_CLOSE = re.compile(r"(?i)(?:^|,)[ \t]*close[ \t]*(?:,|$)")
#: What begins like a percent-encoded byte and is none.
_NO_ESCAPE = re.compile("%(?![0-9A-Fa-f]{2})")


class Refused(Exception):
    """What came is no HTTP, or more than is taken; `status` tells the client."""

    def __init__(self, status: int) -> None:
        self.status = status
        super().__init__(status)


class Headers(dict[str, str]):
    """A request's headers by lower-case name. Of a repeated one, the dictionary has the first value."""

    __slots__ = ("_pairs",)

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        self._pairs = tuple(pairs)
        super().__init__(reversed(self._pairs))

    def all(self, name: str) -> list[str]:
        """Every value of a header, in order."""
        return [value for key, value in self._pairs if key == name]


@dataclass(frozen=True, slots=True)
class Block:
    """A header block. `length` is the body's in bytes, or `CHUNKED`.

    `kept` says whether another request may follow, `waits` that the client sends its body only when it is told to.
    """

    headers: Headers
    length: int
    kept: bool
    waits: bool


class Request:
    """A request but for its body: the `Scope` of a `Site`.

    `path` is percent-decoded; bytes that are not UTF-8 become U+FFFD. A `#` is part of it, as in Go: no target has a
    fragment, and a proxy that compares paths must see the one that is meant. Raises `Refused`.
    """

    __slots__ = ("block", "client", "headers", "http_version", "method", "path", "query_string")

    def __init__(self, method: str, target: str, version: str, block: Block, client: str) -> None:
        self.method = method
        self.http_version = version
        self.block = block
        self.headers = block.headers
        self.client = client
        if target[0] != "/":
            target = _origin(target)
        path, _, self.query_string = target.partition("?")
        if "%" in path:
            if _NO_ESCAPE.search(path):
                raise Refused(400)
            path = unquote(path)
        self.path = path


def read_line(data: bytes, end: int) -> tuple[str, str, str]:
    """Method, target and version from the first `end` bytes. Raises `Refused`."""
    match = _LINE.fullmatch(data, 0, end)
    if match is None:
        raise Refused(400)
    method, target, version = match.groups()
    # Bytes beyond ASCII belong into a target percent-encoded, but clients are known to send them as they are.
    return method.decode(), target.decode("utf-8", "replace"), version.decode()


def _origin(target: str) -> str:
    """A target without its scheme and host, which proxies are sent."""
    if target == "*":
        return target
    try:
        parts = urlsplit(target, allow_fragments=False)
    except ValueError:
        raise Refused(400) from None
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise Refused(400)
    return (parts.path or "/") + ("?" + parts.query if parts.query else "")


class _Collector:
    """What llhttp finds."""

    def __init__(self) -> None:
        self.parser = httptools.HttpRequestParser(self)
        self.pairs: list[tuple[str, str]] = []
        self.kept = self.whole = False

    def on_header(self, name: bytes, value: bytes) -> None:
        if len(self.pairs) == MAX_HEADERS:
            raise Refused(431)
        self.pairs.append((name.decode("latin-1").lower(), value.decode("latin-1").strip(" \t")))

    def on_headers_complete(self) -> None:
        self.kept, self.whole = self.parser.should_keep_alive(), True


def read_block(version: str, block: bytes) -> Block:
    """A header block, each line of it with its end. Raises `Refused`."""
    found = _Collector()
    try:
        # What the method is makes no difference to what headers say.
        found.parser.feed_data(b"POST / HTTP/%s\r\n%s\r\n" % (version.encode(), block))
    except httptools.HttpParserUpgrade:
        pass  # nobody has to upgrade
    except httptools.HttpParserError as e:
        raise e.__context__ if isinstance(e.__context__, Refused) else Refused(400) from None
    headers = Headers(found.pairs)
    hosts = headers.all("host")
    if not found.whole or len(hosts) > 1 or not (hosts or version == "1.0"):
        raise Refused(400)
    if hosts and not _HOST.fullmatch(hosts[0]):
        raise Refused(400)
    expected = headers.get("expect", "").lower()
    if expected not in ("", "100-continue"):
        raise Refused(417)
    # To llhttp an older client that says both means the other; RFC 9112, 9.3, has close win.
    kept = found.kept and not any(_CLOSE.search(value) for value in headers.all("connection"))
    return Block(headers, _length(headers, version), kept, bool(expected) and version == "1.1")


def _length(headers: Headers, version: str) -> int:
    """A body's length. llhttp has refused most of this already; too much depends on it to take its word alone."""
    encodings, lengths = headers.all("transfer-encoding"), headers.all("content-length")
    if encodings:
        if lengths or version == "1.0" or len(encodings) > 1 or encodings[0].lower() != "chunked":
            raise Refused(400)
        return CHUNKED
    if not lengths:
        return 0
    if len(lengths) > 1 or len(lengths[0]) > MOST_DIGITS or not (lengths[0].isascii() and lengths[0].isdecimal()):
        raise Refused(400)
    return int(lengths[0])
