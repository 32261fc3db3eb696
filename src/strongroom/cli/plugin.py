"""The catalog of engines and auth methods: list, info."""

from __future__ import annotations

from strongroom.cli import output
from strongroom.cli.command import Command, Group, Refused, between, exactly
from strongroom.cli.flags import Flag
from strongroom.cli.run import Run

_TYPES = ("auth", "database", "secret")


def _type(word: str) -> str:
    kind = word.strip().lower()
    if kind not in _TYPES:
        raise Refused(f'Invalid plugin type "{word}": it is one of {", ".join(_TYPES)}', 2)
    return kind


def _list(run: Run) -> int:
    only = _type(run.args[0]) if run.args else ""
    with run.doing("Error listing available plugins"):
        secret = run.client.read("sys/plugins/catalog")
    data = (secret.data if secret else None) or {}
    details = [entry for entry in data.get("detailed") or () if isinstance(entry, dict)]
    if not details:
        details = [{"name": name, "type": kind} for kind in _TYPES for name in data.get(kind) or ()]
    details = [entry for entry in details if not only or entry.get("type") == only]
    if not run.table:
        return output.emit(run, details if run.detailed else _names(details, only))
    titles = ["Name", "Type", "Version"] + (["Deprecation Status"] if run.detailed else [])
    keys = ["name", "type", "version"] + (["deprecation_status"] if run.detailed else [])
    rows = [[str(entry.get(key) or "") for key in keys] for entry in details]
    run.ui.out(output.table(titles, sorted(rows)))
    return 0


def _names(details: list[dict[str, object]], only: str) -> object:
    by_type = {kind: sorted(str(entry["name"]) for entry in details if entry.get("type") == kind) for kind in _TYPES}
    return by_type[only] if only else by_type


def _info(run: Run) -> int:
    kind, name = _type(run.args[0]), run.args[1].strip()
    with run.doing(f"Error reading plugin named {name}"):
        version = run.flags.text("version")
        secret = run.client.read(f"sys/plugins/catalog/{kind}/{name}", {"version": version} if version else None)
    if secret is None or secret.data is None:
        raise Refused(f"No value found for plugin {name}", 2)
    return output.show_fields(run, secret) if run.field else output.show_data(run, secret.data)


COMMANDS: tuple[Command | Group, ...] = (
    Group(
        "plugin",
        "Interact with the catalog of plugins",
        (
            Command(
                "list",
                "List available plugins",
                _list,
                usage="[options] [TYPE]",
                arity=between(0, 1),
                output=("detailed", "format"),
            ),
            Command(
                "info",
                "Print information about a plugin",
                _info,
                usage="[options] TYPE NAME",
                flags=(Flag("version", "Version of the plugin."),),
                arity=exactly(2),
                output=("field", "format"),
            ),
        ),
        about="Shows which secrets engines, auth methods and databases the server knows.",
    ),
)
