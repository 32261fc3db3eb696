"""`server`: hands over to the server itself, which nothing else here imports."""

from __future__ import annotations

from typing import Any

from strongroom.cli.command import Command, Group, Refused
from strongroom.cli.flags import Flag
from strongroom.cli.run import Run

#: Flags of Vault's that would change what the server does: nobody shall believe that they did.
_REFUSED = {
    "dev-plugin-dir": "plugins are Python packages, which the server finds when it starts",
    "experiment": "there are no experiments",
    "recovery": 'a storage that does not open is examined with "operator diagnose" and copied with "operator migrate"',
}
_DEV_ADDRESS = "127.0.0.1:8200"
_CHOICES = {"log_level": ("trace", "debug", "info", "warn", "error"), "log_format": ("standard", "json")}


def _server(run: Run) -> int:
    flags, env = run.flags, run.env
    dev = flags.bool("dev") or flags.bool("dev-tls")
    config = flags.list("config")
    if not dev:
        for name in (flag.name for flag in run.command.flags):
            if name.startswith("dev-") and flags.given(name):
                raise _refused(run, f"-{name} works only together with -dev.")
        if not config:
            raise _refused(
                run,
                "Must specify at least one config path using -config\n"
                'For a server to try things on, use "server -dev".',
            )
    for name, why in _REFUSED.items():
        if flags.given(name) and flags.text(name) != "False":
            raise _refused(run, f"Error: -{name} is not available: {why}")
    from strongroom.app import run_server

    return run_server(
        config=config,
        dev=dev,
        dev_root_token_id=flags.text("dev-root-token-id") or env.get("VAULT_DEV_ROOT_TOKEN_ID", ""),
        dev_listen_address=flags.text("dev-listen-address") or env.get("VAULT_DEV_LISTEN_ADDRESS") or _DEV_ADDRESS,
        dev_storage=flags.text("dev-storage"),
        dev_no_store_token=flags.bool("dev-no-store-token"),
        dev_kv=0 if flags.bool("dev-no-kv") else 1 if flags.bool("dev-kv-v1") else 2,
        dev_skip_init=flags.bool("dev-skip-init"),
        dev_tls=flags.bool("dev-tls"),
        dev_tls_cert_dir=flags.text("dev-tls-cert-dir"),
        dev_tls_names=[name for text in flags.list("dev-tls-san") for name in text.split(",") if name],
        settings=_settings(run),
    )


def _settings(run: Run) -> dict[str, Any]:
    """The settings that flags and variables give in the configuration's place."""
    flags = run.flags
    texts = {
        "log_level": flags.text("log-level") or run.env.get("VAULT_LOG_LEVEL", ""),
        "log_format": flags.text("log-format") or run.env.get("VAULT_LOG_FORMAT", ""),
        "log_file": flags.text("log-file"),
    }
    for name, known in _CHOICES.items():
        texts[name] = texts[name].lower()
        if texts[name] and texts[name] not in known:
            raise _refused(run, f'Error: {name} is "{texts[name][:32]}". Use one of {", ".join(known)}')
    numbers = {
        "log_rotate_bytes": flags.int("log-rotate-bytes"),
        "log_rotate_duration": flags.int("log-rotate-duration") // 10**9,
        "log_rotate_max_files": flags.int("log-rotate-max-files"),
    }
    given = {name: value for name, value in numbers.items() if flags.given(name.replace("_", "-"))}
    return {name: text for name, text in texts.items() if text} | given


def _refused(run: Run, message: str) -> Refused:
    """A server's own errors go to stdout, where its banner does and where process managers look."""
    run.ui.out(message)
    return Refused("")


COMMANDS: tuple[Command | Group, ...] = (
    Command(
        "server",
        "Start a server",
        _server,
        usage="[options]",
        about="""
Starts a server that answers requests until it is told to stop. By default it is
sealed: "{prog} operator init" prepares a new one, "{prog} operator unseal" opens
it.

    $ {prog} server -config=/etc/vault/config.hcl

A development server needs no configuration, opens by itself and keeps everything
in memory. It is made to try things out, not to keep secrets that matter.

    $ {prog} server -dev
    $ {prog} server -dev -dev-storage=./data
""",
        flags=(
            Flag("config", "Configuration file, or folder of such files; may be given several times.", "list"),
            Flag("dev", "Start a development server.", "bool"),
            Flag("dev-kv-v1", "Mount version 1 of KV at secret/ instead of version 2.", "bool"),
            Flag("dev-listen-address", "Where it listens.", default=_DEV_ADDRESS, env="VAULT_DEV_LISTEN_ADDRESS"),
            Flag("dev-no-kv", "Mount no KV at secret/.", "bool"),
            Flag("dev-no-store-token", "Do not keep the root token in the token helper.", "bool"),
            Flag("dev-root-token-id", "Its root token.", env="VAULT_DEV_ROOT_TOKEN_ID"),
            Flag("dev-plugin-dir", "Folder of plugins that are programs; Strongroom runs none.", "list"),
            Flag("dev-skip-init", 'Do not initialize it: "operator init" does.', "bool"),
            Flag("dev-tls", "Start a development server that speaks TLS, with certificates made for it.", "bool"),
            Flag("dev-tls-cert-dir", "Folder for these certificates. The default goes when the server stops."),
            Flag("dev-storage", "Folder to keep its data and keys in, so that it is there again next time."),
            Flag("dev-tls-san", "One more name in its certificate; may be given several times.", "list"),
            Flag("experiment", "Experiment to switch on; Strongroom has none.", "list"),
            Flag("exit-on-core-shutdown", "End the process when the server's core ends, as it does anyway.", "bool"),
            Flag("log-file", "File, or folder ending in a slash, to write the log to as well."),
            Flag("log-format", "Lines for people (standard) or for programs (json).", env="VAULT_LOG_FORMAT"),
            Flag("log-rotate-bytes", "Size at which a new log file is begun.", "int"),
            Flag("log-rotate-duration", "Age at which a new log file is begun.", "duration", default="24h"),
            Flag("log-rotate-max-files", "Number of old log files to keep; -1 for none.", "int"),
            Flag("recovery", "Start only to repair the storage; Strongroom has other ways.", "bool"),
            Flag("log-level", "trace, debug, info, warn or error.", default="info", env="VAULT_LOG_LEVEL"),
        ),
        http=False,
        output=(),
    ),
)
