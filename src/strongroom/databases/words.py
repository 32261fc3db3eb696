"""What may be repeated of a database's words."""

from __future__ import annotations

from collections.abc import Iterable


def redacted(text: str, secrets: Iterable[str]) -> str:
    """Text without the passwords that a server may have repeated in it."""
    for secret in secrets:
        if len(secret) >= 3:  # shorter ones are in every other word
            text = text.replace(secret, "***")
    return text
