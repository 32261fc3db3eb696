"""Audit devices: enable, disable, list."""

from __future__ import annotations

from strongroom.cli import output
from strongroom.cli.command import ANY, Command, Group, Refused, exactly
from strongroom.cli.data import mount_path, parse_words
from strongroom.cli.flags import Flag
from strongroom.cli.mounts import mounts_at
from strongroom.cli.run import Run


def _enable(run: Run) -> int:
    if not run.args:
        raise Refused("Missing TYPE!")
    kind = run.args[0].strip()
    path = mount_path(run.flags.text("path") or kind)
    options = parse_words(run.args[1:], run.ui.read_stdin)
    body = {
        "type": kind,
        "description": run.flags.text("description"),
        "options": {key: output.go_value(value) for key, value in options.items()},
        "local": run.flags.bool("local"),
    }
    with run.doing("Error enabling audit device"):
        run.client.write(f"sys/audit/{path.rstrip('/')}", body)
    run.ui.out(f"Success! Enabled the {kind} audit device at: {path}")
    return 0


def _disable(run: Run) -> int:
    path = mount_path(run.args[0])
    with run.doing("Error disabling audit device"):
        run.client.delete(f"sys/audit/{path.rstrip('/')}")
    run.ui.out(f"Success! Disabled audit device (if it was enabled) at: {path}")
    return 0


def _list(run: Run) -> int:
    with run.doing("Error listing audits"):
        devices = mounts_at(run, "sys/audit")
    if not run.table:
        return output.show_data(run, devices)
    if not devices:
        run.ui.out("No audit devices are enabled.")
        return 2
    header = ["Path", "Type", "Description"] + (["Replication", "Options"] if run.detailed else [])
    rows = []
    for path, device in devices.items():
        row = [path, str(device.get("type") or ""), str(device.get("description") or "")]
        if run.detailed:
            options = device.get("options") or {}
            row.append("local" if device.get("local") else "replicated")
            row.append(" ".join(f"{key}={output.go_value(options[key])}" for key in sorted(options)))
        rows.append(row)
    run.ui.out(output.table(header, rows))
    return 0


COMMANDS: tuple[Command | Group, ...] = (
    Group(
        "audit",
        "Interact with audit devices",
        (
            Command(
                "enable",
                "Enable an audit device",
                _enable,
                usage="[options] TYPE [CONFIG K=V...]",
                about="""
Enables an audit device. From then on no request is answered that cannot be
recorded on at least one device.

    $ {prog} audit enable file file_path=/var/log/vault_audit.log
""",
                flags=(
                    Flag("description", "What it is for, for people."),
                    Flag("local", "Do not replicate it.", "bool"),
                    Flag("path", "Where to enable it. The default is its type's name."),
                ),
                arity=ANY,
                output=(),
            ),
            Command(
                "disable",
                "Disable an audit device",
                _disable,
                usage="[options] PATH",
                about="""
Takes an audit device away. What it has written stays; what its entries hash cannot
be compared any more once it is enabled anew.

    $ {prog} audit disable file
""",
                arity=exactly(1),
                output=(),
            ),
            Command(
                "list",
                "List enabled audit devices",
                _list,
                usage="[options]",
                about="""
Lists the audit devices. The exit code is 2 if there are none.

    $ {prog} audit list -detailed
""",
                output=("detailed", "format"),
            ),
        ),
        about="""
Enables, lists and disables the devices that record every request.

    $ {prog} audit list
    $ {prog} audit enable file file_path=/var/log/vault_audit.log
""",
    ),
)
