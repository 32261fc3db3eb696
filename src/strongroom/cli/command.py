"""What a command is: a declared object from which parsing, help and lookup come."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from strongroom.cli.flags import Flag

if TYPE_CHECKING:
    from strongroom.cli.run import Run


class Refused(Exception):
    """A command's end with a message on stderr. `code` is 1 for wrong use and local trouble, 2 for the server's."""

    def __init__(self, message: str, code: int = 1, hint: str = "") -> None:
        super().__init__(message)
        self.message, self.code, self.hint = message, code, hint


class Arity(NamedTuple):
    """How many arguments a command takes; `expected` is how messages put it."""

    low: int
    high: int | None
    expected: str

    def check(self, count: int) -> None:
        """Raise `Refused` for too few or too many."""
        if count < self.low:
            raise Refused(f"Not enough arguments (expected {self.expected}, got {count})")
        if self.high is not None and count > self.high:
            raise Refused(f"Too many arguments (expected {self.expected}, got {count})")


def exactly(count: int) -> Arity:
    """So many arguments."""
    return Arity(count, count, str(count))


def between(low: int, high: int) -> Arity:
    """From `low` to `high` arguments."""
    return Arity(low, high, f"{low}-{high}")


def at_least(count: int, expected: str = "") -> Arity:
    """`count` arguments or more."""
    return Arity(count, None, expected or str(count))


ANY = Arity(0, None, "any")

ADDRESS_FLAGS = (
    Flag("address", "Address of the server.", default="https://127.0.0.1:8200", env="VAULT_ADDR"),
    Flag("agent-address", "Address of an agent that stands before the server.", env="VAULT_AGENT_ADDR"),
    Flag(
        "ca-cert", "File with the PEM certificate of the authority to trust. Comes before -ca-path.", env="VAULT_CACERT"
    ),
    Flag("ca-path", "Folder of PEM certificates of authorities to trust.", env="VAULT_CAPATH"),
    Flag("client-cert", "File with our PEM certificate for TLS; needs -client-key.", env="VAULT_CLIENT_CERT"),
    Flag("client-key", "File with the PEM private key of -client-cert.", env="VAULT_CLIENT_KEY"),
    Flag("disable-redirects", "Do not follow the redirect of a standby.", "bool", env="VAULT_DISABLE_REDIRECTS"),
    Flag("header", "Header to send with each request; may be given several times. X-Vault-* are refused.", "map"),
    Flag("mfa", "Credentials for the X-Vault-MFA header; may be given several times.", "list", env="VAULT_MFA"),
    Flag("namespace", "Namespace to work in.", aliases=("ns",), env="VAULT_NAMESPACE"),
    Flag("non-interactive", "Never ask for anything on the terminal.", "bool"),
    Flag("output-curl-string", "Print the request as a cURL command instead of sending it.", "bool"),
    Flag("output-policy", "Print a policy that allows the request instead of sending it.", "bool"),
    Flag("policy-override", "Override a soft-mandatory policy.", "bool"),
    Flag("tls-server-name", "Name to expect in the server's certificate.", env="VAULT_TLS_SERVER_NAME"),
    Flag(
        "tls-skip-verify",
        "Do not verify the server's certificate: anyone may listen in.",
        "bool",
        env="VAULT_SKIP_VERIFY",
    ),
    Flag("unlock-key", "Key of a namespace whose API is locked. There are no namespaces, so that it opens nothing."),
    Flag(
        "wrap-ttl",
        'Wrap the answer in a single-use token that lives this long; "unwrap" gives the answer. Like "30s" or "5m".',
        "duration",
        env="VAULT_WRAP_TTL",
    ),
)
FORMAT_FLAG = Flag("format", "Print as table, json or yaml.", default="table", env="VAULT_FORMAT")
RAW_FORMAT_FLAG = Flag(
    "format", "Print as table, json, yaml or raw (the answer as it came).", default="table", env="VAULT_FORMAT"
)
FIELD_FLAG = Flag("field", "Print this field alone, without a newline at its end; comes before -format.")
DETAILED_FLAG = Flag("detailed", "Print more about each entry.", "bool", env="VAULT_DETAILED")


def deferred(module: str, name: str) -> Callable[[Run], int]:
    """The function of a command's own module below `strongroom.cli`, which is loaded when it runs."""

    def call(run: Run) -> int:
        from importlib import import_module

        code: int = getattr(import_module(f"strongroom.cli.{module}"), name)(run)
        return code

    return call


class Command(NamedTuple):
    """A command that does something. `{prog}` in `about` is the program's name.

    `output` lists what it can do with an answer: "format", "field", "raw", "detailed". `http` gives it the flags of
    a connection. With `flags_anywhere` they may come after arguments, too.
    """

    name: str
    synopsis: str
    run: Callable[[Run], int]
    usage: str = ""
    about: str = ""
    flags: tuple[Flag, ...] = ()
    arity: Arity = exactly(0)
    output: tuple[str, ...] = ("format",)
    http: bool = True
    flags_anywhere: bool = False

    def output_flags(self) -> tuple[Flag, ...]:
        """The flags about printing."""
        known = {"field": FIELD_FLAG, "format": FORMAT_FLAG, "raw": RAW_FORMAT_FLAG, "detailed": DETAILED_FLAG}
        return tuple(known[name] for name in self.output)

    def all_flags(self) -> tuple[Flag, ...]:
        """Every flag it takes."""
        return (ADDRESS_FLAGS if self.http else ()) + self.output_flags() + self.flags


class Group(NamedTuple):
    """A command that only has subcommands."""

    name: str
    synopsis: str
    commands: tuple[Command | Group, ...]
    about: str = ""
    usage: str = "<subcommand> [options] [args]"

    def find(self, name: str) -> Command | Group | None:
        """A subcommand by name."""
        return next((command for command in self.commands if command.name == name), None)
