"""A bundle of what a server tells about itself over some minutes, for whoever has to find out what is wrong."""

from __future__ import annotations

from strongroom.cli.command import Command, Group, deferred
from strongroom.cli.flags import Flag

COMMANDS: tuple[Command | Group, ...] = (
    Command(
        "debug",
        "Gather information for finding out what is wrong",
        deferred("debug_bundle", "debug"),
        usage="[options]",
        about="""
Asks a server about itself at intervals, and bundles the answers and its log: the
configuration without secrets, the machine, metrics, requests under way, health and
seal, replication. What the token may not see, or the server does not have, stands
in the bundle's index.json. Interrupted, it bundles what there is.

    $ {prog} debug
    $ {prog} debug -duration=1m -interval=10s -compress=false
    $ {prog} debug -target=host -target=metrics

No secret is in the bundle, but names are: of paths, mounts, hosts. Its files can be
read by you alone. The target pprof is taken for the sake of scripts: Strongroom's
server has no profiles to give.
""",
        flags=(
            Flag("compress", "Bundle everything in one .tar.gz file, not in a folder.", "bool", default="true"),
            Flag("duration", "How long to gather.", "duration", default="2m"),
            Flag("interval", "How often to ask for everything but metrics.", "duration", default="30s"),
            Flag("log-format", "Format of the log in the bundle: standard or json.", default="standard"),
            Flag("metrics-interval", "How often to ask for metrics.", "duration", default="10s"),
            Flag("output", "File or folder to make. The default has the time in its name."),
            Flag(
                "target",
                "What to gather; may be given several times: config, host, log, metrics, pprof, replication-status, "
                "requests or server-status. The default is all of them.",
                "list",
            ),
        ),
        output=(),
    ),
)
