"""The contract between the database engine and a kind of database."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from strongroom.errors import StrongroomError


class DatabaseError(StrongroomError):
    """The database, or the way to it, refused. The text is for the client: it never holds a password.

    `undone` tells that nothing of the work was left in the database, for certain. `number` and `statement` are the
    statement that was refused, counted from 1 and as the role has it, with its placeholders; 0 and "" if none was.
    """

    def __init__(self, text: str, *, undone: bool = False, number: int = 0, statement: str = "") -> None:
        super().__init__(text)
        self.undone, self.number, self.statement = undone, number, statement


class SettingError(DatabaseError):
    """A connection's settings cannot be used; nothing was tried with them."""


@dataclass(frozen=True, slots=True)
class NewUser:
    """A user to be made. `expiration` is when its lease ends, with some leeway; statements as the role has them.

    It proves itself with the password, or if that is empty with the key pair whose public half `public_key` is: PEM,
    SubjectPublicKeyInfo.
    """

    name: str
    password: str = field(repr=False)
    expiration: datetime
    statements: Sequence[str]
    public_key: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """What changes of a user: its password, or the time up to which it is valid. Without statements the database's
    own way is taken."""

    name: str
    password: str | None = field(default=None, repr=False)
    expiration: datetime | None = None
    statements: Sequence[str] = ()


class Session(Protocol):
    """One connection, for one piece of work. All methods raise `DatabaseError`.

    What was asked for an earlier session, whose client died on the way, must be over before `delete_user` looks.
    """

    async def has_user(self, name: str) -> bool:
        """Whether there is a user of this name."""

    async def new_user(self, user: NewUser) -> None:
        """Make a user: whole or, where the database can do that, not at all."""

    async def update_user(self, change: Change) -> None:
        """Change a user."""

    async def delete_user(self, name: str, statements: Sequence[str]) -> None:
        """Remove a user; one that is not there is no error. Without statements the database's own way is taken."""


class Database(Protocol):
    """A configured database, with the connections to it that are open. It serves several sessions at a time."""

    def session(self, *, background: bool = False) -> AbstractAsyncContextManager[Session]:
        """A session. Entering waits, within limits, for a connection; it raises `DatabaseError`.

        Work in the background lets others go first, and leaves them a connection if there are several.
        """

    async def verify(self) -> None:
        """Prove that the database can be reached and lets us in; raises `DatabaseError`."""

    async def aclose(self) -> None:
        """Close all connections, those in use as soon as their sessions end."""


@dataclass(frozen=True, slots=True)
class Plugin:
    """A kind of database.

    `open` reads a connection's settings and touches nothing; it raises `SettingError`. `username_template` is what
    names are made after (databases/templates.py) unless the connection says otherwise. `credential_types` are password
    and rsa_private_key, as far as its users can log in with them.
    """

    name: str
    open: Callable[[Mapping[str, Any]], Database]
    username_template: str
    credential_types: frozenset[str] = frozenset(("password",))
    #: Settings that are never shown, beside the password.
    secret_settings: frozenset[str] = frozenset(("private_key",))
