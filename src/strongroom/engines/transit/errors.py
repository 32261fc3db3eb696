"""What goes wrong in transit, in words that clients match on."""

from __future__ import annotations

from strongroom.errors import MULTI, BadRequest, InternalError, RequestError


class Failed(InternalError):
    """500 with a text: what Vault answers when an operation fails that was well asked for."""

    def __init__(self, text: str) -> None:
        super().__init__(MULTI.format(text))
        self.text = text


def text_of(error: RequestError) -> str:
    """An error as one item of a batch reports it."""
    return error.text if isinstance(error, Failed) else "; ".join(error.errors)


MISSING_CONTEXT = (
    "missing 'context' for key derivation; the key was created using a derived key, which means additional, "
    "per-request information must be included in order to perform operations with the key"
)
NO_KEY = "encryption key not found"
TOO_OLD = "ciphertext or signature version is disallowed by policy (too old)"


def no_such_version() -> BadRequest:
    """A version between the limits that is not there (any more)."""
    return BadRequest("no such key version")
