"""userpass's engine, and what it stores below its mount: `user/<name>`, JSON of `User`."""

from __future__ import annotations

from typing import Final

from strongroom.api.args import Args, field
from strongroom.api.context import Context
from strongroom.api.fields import LowerName
from strongroom.api.routes import Engine
from strongroom.auth.token_params import TokenParams

userpass: Engine[Context] = Engine("userpass", kind="auth", help="People log in with a name and a password.")

USER: Final = "user/"


class User(TokenParams, frozen=True, omit_defaults=True, kw_only=True):
    """A user. `password_hash` is in bcrypt's own text form."""

    name: str
    password_hash: str
    v: int = 1

    def __repr__(self) -> str:
        return f"User({self.name!r})"


class UserName(Args):
    """Which user."""

    username: LowerName = field("The user; upper case counts as lower case.")


async def load_user(ctx: Context, name: str) -> User | None:
    """The user of this name, which is in lower case, or None."""
    return await ctx.storage.load(USER + name, User)
