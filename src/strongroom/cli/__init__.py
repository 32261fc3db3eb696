"""The command line: `strongroom`, and `vault` as people know it."""
