"""Hashing passwords with bcrypt, away from the event loop.

bcrypt is slow by design. Its threads are few, so that many logins at once leave the processor to everybody else, and
where the system can tell threads apart they give way.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import bcrypt

from strongroom.errors import BadRequest

COST: Final = 10
#: bcrypt looks at no more than this; a longer password would be cut without a word.
MOST_BYTES: Final = 72
NICE: Final = 10


def _give_way() -> None:
    with contextlib.suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)


@functools.cache
def _threads() -> ThreadPoolExecutor:
    workers = max(1, (os.cpu_count() or 1) // 2)
    return ThreadPoolExecutor(workers, thread_name_prefix="bcrypt", initializer=_give_way)


@functools.cache
def _nobody() -> bytes:
    """A hash that no password is known for."""
    return bcrypt.hashpw(os.urandom(24).hex().encode(), bcrypt.gensalt(COST))


async def hash_password(password: str) -> str:
    """The hash that a password is stored as.

    Raises:
        BadRequest: it is longer than bcrypt can tell apart.
    """
    text = _bytes(password)
    if len(text) > MOST_BYTES:
        raise BadRequest(f"password length exceeds {MOST_BYTES} bytes")
    loop = asyncio.get_running_loop()
    return (await loop.run_in_executor(_threads(), lambda: bcrypt.hashpw(text, bcrypt.gensalt(COST)))).decode()


async def matches(password: str, stored: str) -> bool:
    """Whether a password is the one of a stored hash; with "" for nobody's hash it takes as long and is False."""
    text = _bytes(password)
    fits = len(text) <= MOST_BYTES

    def check() -> bool:
        return bcrypt.checkpw(text[:MOST_BYTES], stored.encode() or _nobody())

    same = await asyncio.get_running_loop().run_in_executor(_threads(), check)
    return same and fits and bool(stored)


def _bytes(password: str) -> bytes:
    return password.encode("utf-8", "surrogatepass")
