"""The composition root: configuration → everything wired. The only package that knows all parts."""

from strongroom.app.compose import build_core
from strongroom.app.server import run_server

__all__ = ["build_core", "run_server"]
