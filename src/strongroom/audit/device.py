"""`Device`: where audit lines go. Its kinds are rows of `registry.DEVICES`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from typing import ClassVar

from strongroom.api.fields import FALSE, TRUE
from strongroom.audit.formatter import Formatter
from strongroom.audit.hashing import Salt
from strongroom.errors import BadRequest

INVALID = "invalid request"


def refuse(text: str) -> BadRequest:
    """The refusal of a device's settings."""
    return BadRequest(text, kind=INVALID)


def go_quote(text: str) -> str:
    """A text in double quotes, as Go's messages have it."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def option_bool(options: Mapping[str, str], name: str, default: bool) -> bool:
    """An option in one of Go's spellings of a boolean."""
    text = options.get(name)
    if text is None:
        return default
    if text in TRUE or text in FALSE:
        return text in TRUE
    raise refuse(f"strconv.ParseBool: parsing {go_quote(text)}: invalid syntax")


def reason_of(error: OSError) -> str:
    """Why the system refused, in the words Go would use."""
    text = error.strerror or str(error) or "input/output error"
    return text[0].lower() + text[1:] if error.errno else text


class Device(ABC):
    """A place that takes audit lines.

    Made from its settings, then opened, then given lines, finally closed. A device that cannot be opened at unseal is
    kept and tried again with each line. Subclasses read their own options first, then hand all on to this constructor,
    which reads those that every device has; wrong ones raise `BadRequest`.
    """

    type: ClassVar[str]
    #: Seconds: who takes longer for a write is not waited for by the event loop.
    slow_seconds: ClassVar[float] = 0.1
    #: Whether several lines can be handed over as one.
    joins: bool = False

    def __init__(self, path: str, salt: str, options: Mapping[str, str]) -> None:
        #: Where it is enabled; ends in "/".
        self.path = path
        #: Whether no other is enabled. Beside others, waiting for this one must hold up nobody: they can record alone.
        self.alone = True
        form = options.get("format", "json")
        if form not in ("json", "jsonx"):
            raise refuse(f"unknown format type {go_quote(form)}")
        self.salt = Salt(salt)
        self.formatter = Formatter(
            self.salt,
            hmac_accessor=option_bool(options, "hmac_accessor", True),
            log_raw=option_bool(options, "log_raw", False),
            elide_list_responses=option_bool(options, "elide_list_responses", False),
            prefix=options.get("prefix", ""),
            jsonx=form == "jsonx",
        )

    @property
    @abstractmethod
    def target(self) -> str:
        """What the lines go to, for messages."""

    @abstractmethod
    async def open(self) -> None:
        """Get ready; raises `OSError` whose `strerror` is for the client."""

    @abstractmethod
    async def write(self, line: bytes) -> None:
        """Hand over one line, newline included; raises `OSError` when it is not recorded."""

    def record(self, make: Callable[[], bytes]) -> Awaitable[None]:
        """`write` a line that is yet to be made; raises also what `make` does.

        It may be made later, but in the same turn of the event loop: meanwhile nothing that it tells of may change.
        """
        return self.write(make())

    async def reopen(self) -> None:  # noqa: B027 - most have nothing to look up
        """Look up the target anew, after a rotation; raises `OSError` and keeps the old one if that fails."""

    async def close(self) -> None:
        """Let go of the target and of what was remembered."""
        self.formatter.forget()


class MissingDevice(Device):
    """In place of a device whose kind is no longer installed or whose settings no longer hold: it records nothing."""

    def __init__(self, path: str, salt: str, why: str) -> None:
        super().__init__(path, salt, {})
        self._why = why

    @property
    def target(self) -> str:
        """What the lines go to."""
        return self._why

    async def open(self) -> None:
        """Fail."""
        raise OSError(0, self._why)

    async def write(self, line: bytes) -> None:
        """Fail."""
        raise OSError(0, self._why)
