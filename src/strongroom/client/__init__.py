"""A light HTTP client: standard library only, and little of that, so that a command starts at once."""
