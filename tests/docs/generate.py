"""Write the pages that are made from the code: `python -m tests.docs.generate`.

Each is the file of that name in heads/ and what follows from the code:

    docs/configuration.md   from the table of settings, `strongroom.config.SECTIONS`
    docs/api.md             from the routes of every engine
    docs/cli.md             from the declarations of the commands
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from strongroom.api.args import Field
from strongroom.api.messages import Operation
from strongroom.api.routes import Engine, Route
from strongroom.app.compose import OWN
from strongroom.auth import methods
from strongroom.config import PENDING_BLOCKS, SEALS, SECTIONS, SERVICE_REGISTRATIONS, STORAGES, Setting
from strongroom.engines import BACKENDS
from tests.docs import cli_page

DOCS = Path(__file__).parents[2] / "docs"
HEADS = Path(__file__).parent / "heads"
MADE = "<!-- Made by `make docs`. Changes belong into the code that it is made from. -->"

# -- Tables ----------------------------------------------------------------------------------------------------------


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A table, without the columns that are empty in every row."""
    rows = list(rows)
    used = [i for i in range(len(head)) if any(row[i] for row in rows)]
    lines = [[head[i] for i in used], ["---"] * len(used), *([row[i] for i in used] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def cell(text: str) -> str:
    """A text inside a table."""
    return text.replace("\n", " ").replace("|", "\\|")


def _page(name: str, parts: list[str]) -> str:
    title, _, text = (HEADS / name).read_text().partition("\n")
    return "\n".join([f"{title}\n\n{MADE}\n{text}", *parts])


# -- Configuration ---------------------------------------------------------------------------------------------------

#: What the table says in words of its own; shown after the heading of a section.
NOTES = {
    'listener "tcp"': """\
May be repeated. `tls_cert_file` and `tls_key_file` are needed unless `tls_disable = true`. With `tls_client_ca_file`
clients are asked for a certificate, and need one with `tls_require_and_verify_client_cert`. A listener that asks for
one, or sets `tls_max_version = "tls12"` or `tls_cipher_suites`, speaks HTTP/1.1 only and is slower than the others.
`proxy_protocol_behavior` is refused: have the proxy send
`X-Forwarded-For`.
""",
    'listener "unix"': """\
A unix socket, mode 0600 unless `socket_mode` says otherwise; without TLS. Beside these it takes what
`listener "tcp"` takes of times, sizes and headers.
""",
    'storage "inmem"': """\
Everything is gone when the process ends. These settings every storage has; the sections of the others leave
them out.
""",
    'storage "sqlite"': """\
`path` is a folder, made when it does not exist, and the database is `strongroom.db` in it. A path that ends in
`.db`, or that is a file already, is the database itself. See [operations.md](operations.md) for backups.
""",
    'storage "file"': """\
The same, but `path` is always a folder. It must hold nothing of Vault's own `file` storage, whose data cannot
be read in place.
""",
    'storage "raft"': """\
The same as `file`: a single node. `retry_join` is refused. The folder must hold nothing of Vault's own `raft`
storage.
""",
    'seal "shamir"': """\
What is used without a `seal` block: key shares, see [operations.md](operations.md).
""",
}

#: The storage that has no settings but those that all have.
EVERY_STORAGE = 'storage "inmem"'

LATER = """\
Understood and checked, for a later release. A `storage` or `seal` of these is refused by name when the server starts;
with a `service_registration`, or an `ha_storage` of any kind, the server starts and warns that it has no effect.
"""


def configuration() -> str:
    """docs/configuration.md."""
    available = {
        f'{block} "{name}"': backend.available
        for block, kinds in (("storage", STORAGES), ("seal", SEALS), ("service_registration", SERVICE_REGISTRATIONS))
        for name, backend in kinds.items()
    }
    now = [name for name in SECTIONS if available.get(name, True)]
    later = [name for name in SECTIONS if name not in now]
    parts = [_section(name, NOTES.get(name, "")) for name in now]
    if later:
        parts += ["## Not yet\n\n" + LATER, *(_section(name, "", "###") for name in later)]
    elsewhere = sorted(name for name, backend in STORAGES.items() if not backend.available and not backend.settings)
    parts.append(f"## Other storages\n\nRefused by name: {', '.join(f'`{name}`' for name in elsewhere)}.\n")
    return _page("configuration.md", parts)


def _section(name: str, note: str, level: str = "##") -> str:
    title = f"`{name}`" if name else "Top level"
    head = ("name", "type", "default", "notes", "meaning")
    shown = [row for row in SECTIONS[name] if row not in _elsewhere(name)]
    rows = [(f"`{row.name}`", row.kind, _default(row), _notes(name, row), cell(row.help)) for row in shown]
    return f"{level} {title}\n\n{note}{chr(10) if note else ''}{table(head, rows)}"


def _elsewhere(name: str) -> tuple[Setting, ...]:
    """The rows of a section that another section shows."""
    if name == EVERY_STORAGE or not name.startswith(("storage", "listener")):
        return ()
    if name.startswith("storage"):
        return SECTIONS[EVERY_STORAGE]
    return tuple(row for row in SECTIONS['listener "tcp"'] if name != 'listener "tcp"' and row.name != "address")


def _default(row: Setting) -> str:
    value = row.default
    if row.required or value in ("", (), {}):
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if row.kind in ("seconds", "duration"):
        return f"`{duration(value)}`"
    if row.kind == "mode":
        return f"`{value:04o}`" if value else ""
    if isinstance(value, tuple):
        return ", ".join(f"`{item}`" for item in value)
    return f"`{value}`"


def duration(seconds: float) -> str:
    """Seconds as they would be written: the largest unit that keeps them whole."""
    for unit, size in (("h", 3600), ("m", 60), ("s", 1)):
        if seconds and seconds % size == 0:
            return f"{int(seconds // size)}{unit}"
    return f"{seconds:g}"


def not_yet(section: str, row: Setting) -> bool:
    """Whether a setting is read and checked, and nothing acts on it so far."""
    return not row.inert and (row.pending or section in PENDING_BLOCKS)


def _notes(section: str, row: Setting) -> str:
    notes = [word for word, said in (("required", row.required), ("reload", row.reloadable)) if said]
    notes += [word for word, said in (("secret", row.secret), ("no effect", row.inert)) if said]
    notes += ["not yet"] if not_yet(section, row) else []
    notes += [f"one of {', '.join(f'`{choice}`' for choice in row.choices)}"] if row.choices else []
    notes += [f"`{row.env}`"] if row.env else []
    return ", ".join(notes)


# -- API -------------------------------------------------------------------------------------------------------------

METHODS = {
    Operation.READ: "GET",
    Operation.LIST: "LIST",
    Operation.UPDATE: "POST",
    Operation.PATCH: "PATCH",
    Operation.DELETE: "DELETE",
}
FLAGS = (
    ("unauthenticated", "no token"),
    ("sudo", "sudo"),
    ("root_only", "root"),
    ("sealed_ok", "while sealed"),
    ("unaudited", "not audited"),
    ("no_wrap", "not wrapped"),
    ("wrapping", "wrapping token"),
)
#: Kinds of parameters whose name here is not what a reader calls them.
KIND_NAMES = {
    "str": "text",
    "name": "name",
    "lower": "text",
    "list[str]": "list",
    "comma list": "list",
    "int list": "list of int",
    "dict[str, Any]": "object",
    "raw": "object",
    "pairs": "map of texts",
    "signed duration": "duration",
    "Any": "any",
}
#: Where engines are found in the examples of this page.
PLACES = {"system": "sys/", "token": "auth/token/", "cubbyhole": "cubbyhole/", "kv-v1": "kv/", "kv-v2": "secret/"}

_PARAMETER = re.compile(r"\{(\w+)(?::(\w+))?\}")


def engines() -> Iterator[tuple[str, Engine[Any]]]:
    """Every engine that has routes, under the name that it is mounted by."""
    for backend in (*OWN, *methods.METHODS, *BACKENDS):
        versions = {name: backend.choose(options) for name, options in backend.aliases.items()}
        for name, engine in (versions or {backend.type: backend.choose({})}).items():
            if engine.routes:
                yield name, engine


def api() -> str:
    """docs/api.md."""
    return _page("api.md", [_engine(name, engine) for name, engine in engines()])


def _engine(name: str, engine: Engine[Any]) -> str:
    place = PLACES.get(name, f"auth/{name}/" if engine.kind == "auth" else f"{name}/")
    own = name in ("system", "token", "cubbyhole", "identity")
    command = f"`{'auth' if engine.kind == 'auth' else 'secrets'} enable {name}`"
    where = f"Always at `{place}`." if own else f"{command}; here at `{place}`."
    head = ("method", "path", "access", "what it does")
    rows = [
        (METHODS[route.operation], f"`{place}{_shown(route)}`", _access(route), cell(route.summary))
        for route in sorted(engine.routes, key=lambda route: route.pattern)
    ]
    text = f"## {name}\n\n{where}\n"
    text += f"\n{engine.help}\n" if engine.help else ""
    text += f"\n{table(head, rows)}"
    parameters = [part for route in engine.routes if (part := _parameters(place, route))]
    if parameters:
        text += f"\n### Parameters of {name}\n\n" + "\n".join(parameters)
    return text


def _shown(route: Route) -> str:
    return _PARAMETER.sub(lambda m: f"{{{m[1]}...}}" if m[2] in ("path", "subpath") else f"{{{m[1]}}}", route.pattern)


def _access(route: Route) -> str:
    return ", ".join(word for flag, word in FLAGS if getattr(route.flags, flag))


def _parameters(place: str, route: Route) -> str:
    fields = list(route.args.fields.items()) if route.args else []
    rows = [(f"`{name}`", KIND_NAMES.get(f.kind, f.kind), _usual(f), _meaning(f)) for name, f in fields]
    if all(name in route.parameters for name, _ in fields) and not route.free_form:
        return ""
    if route.free_form and route.operation is Operation.UPDATE:
        rows.append(("any other", "any", "", "Stored as it is."))
    if len(rows) == len(route.parameters):
        return ""
    where = f"**{METHODS[route.operation]}** `{place}{_shown(route)}`"
    return f"{where}\n\n{table(('parameter', 'type', 'default', 'meaning'), rows)}"


def _usual(field: Field) -> str:
    if field.required:
        return "required"
    return f"`{field.default}`" if isinstance(field.default, (str, int)) and field.default else ""


def _meaning(field: Field) -> str:
    parts = [field.help]
    if field.choices:
        parts.append(f"One of {', '.join(f'`{choice}`' for choice in field.choices)}.")
    if field.aliases:
        parts.append(f"Older name: {', '.join(f'`{alias}`' for alias in field.aliases)}.")
    if field.deprecated:
        parts.append("Deprecated.")
    return cell(" ".join(parts))


def cli() -> str:
    """docs/cli.md."""
    return _page("cli.md", cli_page.parts(table, cell))


PAGES: dict[str, Callable[[], str]] = {"configuration.md": configuration, "api.md": api, "cli.md": cli}

if __name__ == "__main__":
    for file, render in PAGES.items():
        (DOCS / file).write_text(render())
