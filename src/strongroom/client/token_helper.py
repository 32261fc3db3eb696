"""Where the token of this machine's user is kept: `~/.vault-token`, or an external helper's choice."""

from __future__ import annotations

import os
from collections.abc import Mapping

from strongroom.client.errors import AddressError

_LIMIT = 1 << 16


class TokenHelper:
    """Reads, stores and erases the token. `env` gives HOME, VAULT_TOKEN_PATH and VAULT_CONFIG_PATH."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._home = env.get("HOME") or os.path.expanduser("~")  # noqa: PTH111 (pathlib costs start-up time)
        self._config = env.get("VAULT_CONFIG_PATH") or os.path.join(self._home, ".vault")  # noqa: PTH118
        self.path = os.path.join(self._home, ".vault-token")  # noqa: PTH118

    def get(self) -> str:
        """The stored token or ""."""
        if helper := self._external():
            return self._run(helper, "get").strip()
        try:
            with open(self.path, encoding="utf-8", errors="replace") as file:  # noqa: PTH123
                return file.read(_LIMIT).strip()
        except FileNotFoundError:
            return ""
        except OSError as error:
            raise AddressError(f"error getting token: {self.path}: {error.strerror}") from None

    def store(self, token: str) -> None:
        """Replace the token at once and for this user's eyes only (mode 0600)."""
        if helper := self._external():
            self._run(helper, "store", token)
            return
        from strongroom.client.files import replace_file

        try:
            replace_file(self.path, token.encode())
        except OSError as error:
            raise AddressError(f"error storing token: {self.path}: {error.strerror}") from None

    def erase(self) -> None:
        """Forget the token; none is fine."""
        if helper := self._external():
            self._run(helper, "erase")
            return
        try:
            os.unlink(self.path)  # noqa: PTH108
        except FileNotFoundError:
            pass
        except OSError as error:
            raise AddressError(f"error erasing token: {self.path}: {error.strerror}") from None

    def _external(self) -> str:
        """The helper that the configuration file names, or ""."""
        if not os.path.exists(self._config):  # noqa: PTH110
            return ""
        from strongroom import hcl
        from strongroom.errors import HCLError

        try:
            with open(self._config, encoding="utf-8") as file:  # noqa: PTH123
                settings = hcl.plain(hcl.parse(file.read(_LIMIT), self._config))
        except UnicodeDecodeError:
            raise AddressError(f"error reading the configuration file {self._config}: it is no text") from None
        except OSError as error:
            raise AddressError(f"error reading the configuration file {self._config}: {error.strerror}") from None
        except HCLError as error:
            raise AddressError(f"error reading the configuration file {self._config}: {error}") from None
        helper = settings.get("token_helper") if isinstance(settings, dict) else None
        if not helper:
            return ""
        if not isinstance(helper, str) or not os.path.isabs(helper):  # noqa: PTH117
            raise AddressError(f"{self._config}: token_helper must be the absolute path of a program")
        return helper

    def _run(self, helper: str, verb: str, given: str = "") -> str:
        """`HELPER get` prints the token, `HELPER store` reads it from stdin, `HELPER erase` forgets it."""
        import subprocess

        try:
            done = subprocess.run([helper, verb], input=given, text=True, stdout=subprocess.PIPE, check=False)  # noqa: S603
        except UnicodeDecodeError:
            raise AddressError(f"error running the token helper {helper}: what it printed is no text") from None
        except OSError as error:
            why = (error.strerror or type(error).__name__).lower()
            raise AddressError(f"error running the token helper {helper}: {why}") from None
        if done.returncode:
            raise AddressError(f"error running the token helper {helper}: exit status {done.returncode}")
        return done.stdout
