"""Strongroom: a secrets server that speaks HashiCorp Vault's HTTP API, command line and configuration."""

__version__ = "0.1.0"

#: The level of HashiCorp Vault's API that clients find where they look for a version.
VAULT_VERSION = "1.15.6"

#: The version of the built-in engines and methods, as listings and audit entries give it.
BUILTIN_VERSION = f"v{VAULT_VERSION}+builtin.vault"
