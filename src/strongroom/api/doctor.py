"""Why a login fails: what an auth method's `Engine.doctor` is given, and what it finds.

A doctor goes the way of a login and looks at each step, those after a failed one too as far as they can be judged. It
writes nothing and makes no token. What it says of a step may have names and claims, never a secret or a whole token.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import msgspec

OK: Final = "ok"
FAILED: Final = "failed"
SKIPPED: Final = "skipped"
NOTE: Final = "note"


class Step(msgspec.Struct, frozen=True):
    """One check. `result` is OK, FAILED, SKIPPED or NOTE."""

    check: str
    result: str
    detail: str


@dataclass(slots=True)
class Evidence:
    """What a login would bring, as far as the asker has it; `address` is where it would come from."""

    address: str
    role: str = ""
    role_id: str = ""
    username: str = ""
    jwt: str = field(default="", repr=False)
    secret_id: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    #: A client's certificate in PEM, with those above it; and what this very connection shows, in DER.
    certificate: str = field(default="", repr=False)
    certificates: tuple[bytes, ...] | None = field(default=None, repr=False)
    #: Whether a name is locked after failed logins, and counting another failure.
    locked: Callable[[str], bool] = field(default=lambda _: False, repr=False)
    failed: Callable[[str], None] = field(default=lambda _: None, repr=False)


class Findings:
    """The steps, in order, and what the login would be known as."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        #: The name by which the login's entity is found; "" as long as that is not known.
        self.alias_name = ""
        #: The policies of the login's token.
        self.policies: tuple[str, ...] = ()

    def right(self, check: str, detail: str) -> None:
        """A check that holds."""
        self.steps.append(Step(check, OK, detail))

    def wrong(self, check: str, detail: str) -> None:
        """A check for which the login is refused."""
        self.steps.append(Step(check, FAILED, detail))

    def skip(self, check: str, why: str) -> None:
        """A check that cannot be made, or is not made by a login either."""
        self.steps.append(Step(check, SKIPPED, why))

    def note(self, check: str, detail: str) -> None:
        """What refuses no login, and is good to know."""
        self.steps.append(Step(check, NOTE, detail))

    def judge(self, check: str, holds: bool, right: str, wrong: str) -> bool:
        """A check that holds or does not; returns which."""
        (self.right if holds else self.wrong)(check, right if holds else wrong)
        return holds

    @property
    def failed(self) -> list[Step]:
        """The checks for which the login is refused."""
        return [step for step in self.steps if step.result == FAILED]
