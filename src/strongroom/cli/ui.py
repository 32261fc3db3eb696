"""The terminal: results to stdout, everything else to stderr, colour only where a person looks."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TextIO

_RED, _YELLOW, _PLAIN = "\x1b[31m", "\x1b[33m", "\x1b[0m"


class UI:
    """Three streams. stdout and stdin must have a `buffer` for bytes."""

    def __init__(self, stdin: TextIO, stdout: TextIO, stderr: TextIO, env: Mapping[str, str]) -> None:
        self.stdin, self.stdout, self.stderr = stdin, stdout, stderr
        plain = any(env.get(name) for name in ("VAULT_CLI_NO_COLOR", "NO_COLOR")) or env.get("TERM") == "dumb"
        self._colour = not plain and stderr.isatty()

    def out(self, text: str = "", end: str = "\n") -> None:
        """A result."""
        self.stdout.write(text + end)

    def raw(self, content: bytes) -> None:
        """A result that is bytes."""
        self.stdout.flush()
        self.stdout.buffer.write(content)
        self.stdout.buffer.flush()

    def warn(self, text: str) -> None:
        """Something to know."""
        self._err(text, _YELLOW)

    def error(self, text: str) -> None:
        """What went wrong."""
        self._err(text, _RED)

    def _err(self, text: str, colour: str) -> None:
        self.stdout.flush()  # keeps the order where both go to one file
        with suppress(OSError):  # whoever cannot be told finds the exit code
            self.stderr.write(f"{colour}{text}{_PLAIN}\n" if self._colour else f"{text}\n")
            self.stderr.flush()

    def read_stdin(self) -> str:
        """All of stdin as text, its newlines kept; raises `ValueError` when it is not UTF-8."""
        try:
            return self.stdin.buffer.read().decode()
        except UnicodeDecodeError:
            raise ValueError("the input is not UTF-8 text; encode it in base64 first") from None

    @property
    def interactive(self) -> bool:
        """Is there someone to ask?"""
        return self.stdin.isatty()

    def ask_hidden(self, prompt: str) -> str:
        """Ask for a secret without echo; raises `EOFError` when nobody answers."""
        import getpass
        import warnings

        with warnings.catch_warnings():
            # Without a terminal to hide it on, getpass would echo: refuse instead.
            warnings.simplefilter("error", getpass.GetPassWarning)
            try:
                return getpass.getpass(prompt, self.stderr)
            except getpass.GetPassWarning:
                raise EOFError("there is no terminal to hide it on") from None
