"""The server's own state, one small class a file. Nothing here names an engine or a path of one."""
