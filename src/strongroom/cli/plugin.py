"""The catalog of engines and auth methods: list, info, register, deregister, reload."""

from __future__ import annotations

from strongroom.cli import output
from strongroom.cli.command import Command, Group, Refused, between, exactly
from strongroom.cli.data import mount_path
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


def _register(run: Run) -> int:
    kind, name = _type(run.args[0]), run.args[1].strip()
    flags = run.flags
    body = {
        "args": flags.list("args"),
        "command": flags.text("command") or name,
        "env": flags.list("env"),
        "oci_image": flags.text("oci_image"),
        "runtime": flags.text("runtime"),
        "sha256": flags.text("sha256"),
        "version": flags.text("version"),
    }
    with run.doing(f"Error registering plugin {name}"):
        secret = run.client.write(f"sys/plugins/catalog/{kind}/{name}", {k: v for k, v in body.items() if v})
    output.warn(run, secret)
    run.ui.out(f"Success! Registered plugin: {name}")
    return 0


def _deregister(run: Run) -> int:
    kind, name = _type(run.args[0]), run.args[1].strip()
    version = run.flags.text("version")
    with run.doing(f"Error deregistering plugin named {name}"):
        secret = run.client.delete(f"sys/plugins/catalog/{kind}/{name}", {"version": version} if version else None)
    output.warn(run, secret)
    run.ui.out(f"Success! Deregistered plugin (if it was registered): {name}")
    return 0


def _reload(run: Run) -> int:
    plugin, scope = run.flags.text("plugin"), run.flags.text("scope")
    mounts = [mount_path(path) for text in run.flags.list("mounts") for path in text.split(",") if path.strip()]
    if bool(plugin) is bool(mounts):
        raise Refused("Give either -plugin or -mounts")
    if scope not in ("", "global"):
        raise Refused(f"Invalid reload scope: {scope}")
    body = {"plugin": plugin, "mounts": mounts, "scope": scope}
    with run.doing("Error reloading plugin/mounts"):
        secret = run.client.write("sys/plugins/reload/backend", {k: v for k, v in body.items() if v})
    output.warn(run, secret)
    what = f"plugin: {plugin}" if plugin else f"mounts: {output.go_value(mounts)}"
    identifier = ((secret.data if secret else None) or {}).get("reload_id")
    if scope and identifier:
        run.ui.out(f"Success! Reloading {what}, reload_id: {identifier}")
    else:
        run.ui.out(f"Success! Reloaded {what}")
    return 0


_VERSION = Flag("version", "Version of the plugin.")

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
                about="""
Lists what can be mounted, all or one TYPE of it: auth, database or secret.

    $ {prog} plugin list
    $ {prog} plugin list -detailed secret
""",
                arity=between(0, 1),
                output=("detailed", "format"),
            ),
            Command(
                "info",
                "Print information about a plugin",
                _info,
                usage="[options] TYPE NAME",
                about="""
Prints a plugin's version and whether it is built in.

    $ {prog} plugin info secret kv
""",
                flags=(_VERSION,),
                arity=exactly(2),
                output=("field", "format"),
            ),
            Command(
                "register",
                "Register a plugin that is a program",
                _register,
                usage="[options] TYPE NAME",
                about="""
Makes a program in the server's plugin folder known to the server, where the server
runs such programs. Strongroom does not, and refuses: its plugins are Python
packages, which it finds when it starts.

    $ {prog} plugin register -sha256=... -command=my-engine secret my-engine
""",
                flags=(
                    Flag("args", "Argument of the program; may be given several times.", "list"),
                    Flag("command", "The program. The default is the plugin's name."),
                    Flag("env", "Variable of the program as key=value; may be given several times.", "list"),
                    Flag("oci_image", "Container image of the plugin."),
                    Flag("runtime", "What runs the container."),
                    Flag("sha256", "SHA-256 sum of the program, in hex."),
                    _VERSION,
                ),
                arity=exactly(2),
                output=(),
            ),
            Command(
                "deregister",
                "Forget a plugin that was registered",
                _deregister,
                usage="[options] TYPE NAME",
                about="""
Forgets a plugin that was registered, which need not exist. Those that are built in
stay.

    $ {prog} plugin deregister secret my-engine
""",
                flags=(_VERSION,),
                arity=exactly(2),
                output=(),
            ),
            Command(
                "reload",
                "Let mounts begin anew",
                _reload,
                usage="[options]",
                about="""
Closes the connections of mounts and forgets what they fetched or cached, such as
keys and answers of other servers. Nothing that is stored changes, and leases stay.
The server's program stays as well: it is restarted for a new version.

    $ {prog} plugin reload -plugin=postgresql-database-plugin
    $ {prog} plugin reload -mounts=auth/oidc -mounts=database
""",
                flags=(
                    Flag("mounts", "Path of a mount; may be given several times, or with commas.", "list"),
                    Flag("plugin", "Type of the mounts, or a plugin for databases."),
                    Flag("scope", "global for all nodes; otherwise only the one that answers."),
                ),
                output=(),
            ),
        ),
        about="Shows which secrets engines, auth methods and databases the server knows, and reloads them.",
    ),
)
