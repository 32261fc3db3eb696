"""One run of one command: its flags, its client, its terminal."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from strongroom.cli.command import Command, Refused
from strongroom.cli.flags import Values
from strongroom.cli.ui import UI
from strongroom.client.durations import go_duration, parse_duration
from strongroom.client.errors import AddressError, ClientError, NotSent, ResponseError
from strongroom.client.settings import Settings, from_environment
from strongroom.client.token_helper import TokenHelper

if TYPE_CHECKING:
    from strongroom.client.client import Client, Request
    from strongroom.client.contexts import Context, ContextTokens


class Run:
    """What a command's function gets."""

    def __init__(
        self,
        command: Command,
        values: Values,
        arguments: list[str],
        ui: UI,
        env: Mapping[str, str],
        prog: str,
        format_name: str,
    ) -> None:
        self.command, self.flags, self.args = command, values, arguments
        self.ui, self.env, self.prog, self.format = ui, env, prog, format_name
        self.field = values.text("field")
        self._client: Client | None = None
        self._context: tuple[str, Context] | None = None
        self._context_known = False

    @property
    def table(self) -> bool:
        """Is the output for people?"""
        return self.format == "table"

    @property
    def detailed(self) -> bool:
        """Is more wanted about each entry?"""
        return self.flags.bool("detailed") or self.env.get("VAULT_DETAILED", "").lower() in ("1", "t", "true")

    @property
    def may_ask(self) -> bool:
        """May we ask on the terminal?"""
        return self.ui.interactive and not self.flags.bool("non-interactive")

    @property
    def client(self) -> Client:
        """The client for this run's address and token; raises `Refused`."""
        if self._client is None:
            from strongroom.client.client import Client

            try:
                self._client = Client(self._settings())
            except AddressError as error:
                raise Refused(str(error), 2, error.hint) from None
            self._client.before_send = self._look_at()
        return self._client

    def anonymous(self) -> Client:
        """A client without a token, for logging in."""
        client = self.client
        client.settings = client.settings._replace(token="")
        return client

    def token(self) -> str:
        """The token in use: VAULT_TOKEN, else the stored one."""
        return self.env.get("VAULT_TOKEN") or self.tokens.get()

    @property
    def tokens(self) -> TokenHelper | ContextTokens:
        """Where the token is kept: in the context in use, else by the token helper."""
        if context := self.context():
            from strongroom.client.contexts import ContextTokens

            return ContextTokens(self.env, context[0])
        return TokenHelper(self.env)

    def context(self) -> tuple[str, Context] | None:
        """The context in use and its name; None when the address comes from elsewhere. Raises `AddressError`."""
        if not self._context_known:
            self._context = self._find_context()
            self._context_known = True
        return self._context

    def context_name(self) -> str:
        """The name of the context in use, or ""."""
        try:
            context = self.context()
        except AddressError:
            return ""
        return context[0] if context else ""

    def _find_context(self) -> tuple[str, Context] | None:
        given = [self.flags.text(name) for name in ("address", "agent-address")]
        if any(given) or any(self.env.get(name) for name in ("VAULT_ADDR", "VAULT_AGENT_ADDR")):
            return None
        from strongroom.client.contexts import VARIABLE, active, file_path

        # Most have none: then nothing more is loaded.
        if not self.env.get(VARIABLE) and not os.path.exists(file_path(self.env)):  # noqa: PTH110
            return None
        return active(self.env)

    @contextmanager
    def doing(self, what: str, code: int = 2) -> Iterator[None]:
        """Turn a failure of the client into this command's: `what: error`."""
        try:
            yield
        except NotSent:
            raise
        except ClientError as error:
            from strongroom.client.hints import hint_for

            # Whatever the server said beside its refusal is worth showing.
            body = getattr(error, "body", None)
            warnings = body.get("warnings") if isinstance(body, dict) else None
            message = f"{what}: {error}" if what else str(error)
            if warnings:
                from strongroom.cli.output import warning_text

                message += "\n\n" + warning_text(warnings)
            hint = hint_for(error, self.client.settings)
            if isinstance(error, ResponseError) and error.status in (403, 404) and self.table and not error.hint:
                from strongroom.cli.near import mount_hint

                hint = mount_hint(self, error) or hint
            raise Refused(message, code, hint) from None

    def _settings(self) -> Settings:
        settings = self._with_context(from_environment(self.env))
        flags = self.flags
        changes: dict[str, object] = {"token": self.token()}
        for name in ("ca-cert", "ca-path", "client-cert", "client-key", "tls-server-name", "namespace"):
            if flags.given(name):
                changes[name.replace("-", "_")] = flags.text(name)
        for name in ("address", "agent-address"):  # the agent's comes last: it wins
            if flags.text(name):
                changes |= {"address": flags.text(name), "address_from": f"-{name}"}
        if flags.given("tls-skip-verify"):
            changes["skip_verify"] = flags.bool("tls-skip-verify")
        if flags.given("disable-redirects"):
            changes["redirects"] = not flags.bool("disable-redirects")
        changes["policy_override"] = flags.bool("policy-override")
        if flags.list("mfa"):
            changes["mfa"] = tuple(flags.list("mfa"))
        changes["wrap_ttl"] = self._wrap_ttl(settings.wrap_ttl)
        changes["headers"] = self._headers()
        return settings._replace(**changes)  # type: ignore[arg-type]

    def _with_context(self, settings: Settings) -> Settings:
        """What the context in use says where the environment says nothing."""
        context = self.context()
        if context is None:
            return settings
        from strongroom.client.contexts import SETTINGS

        name, values = context
        changes = {key: value for key in SETTINGS if (value := getattr(values, key)) and not getattr(settings, key)}
        return settings._replace(address=values.address, address_from=f'context "{name}"', **changes)

    def _wrap_ttl(self, from_env: str) -> str:
        if self.flags.given("wrap-ttl"):
            nanoseconds = self.flags.int("wrap-ttl")
        else:
            try:
                nanoseconds = parse_duration(from_env) if from_env else 0
            except ValueError as error:
                raise AddressError(f'could not parse VAULT_WRAP_TTL "{from_env}": {error}') from None
        return go_duration(nanoseconds) if nanoseconds else ""

    def _headers(self) -> tuple[tuple[str, str], ...]:
        headers = self.flags.map("header")
        for name, value in headers.items():
            if name.lower().startswith("x-vault-"):
                raise AddressError(
                    f"failed to setup Headers[{name}]: Header starting by 'X-Vault-' are for internal usage only"
                )
            if not name or not name.isascii() or any(ch in name for ch in "\r\n :") or not value.isprintable():
                raise AddressError(f"failed to setup Headers[{name}]: this is no header")
        return tuple(headers.items())

    def _look_at(self) -> Callable[[Request], None] | None:
        """What to print instead of sending, if that was asked."""
        if self.flags.bool("output-curl-string"):
            from strongroom.cli.preview import curl

            return lambda request: curl(self.client, request)
        if self.flags.bool("output-policy"):
            from strongroom.cli.preview import policy

            return policy
        return None
