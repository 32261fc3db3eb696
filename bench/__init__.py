"""How fast the server is, as shares of what a bare server of the same kind does on the same machine in the same run."""
