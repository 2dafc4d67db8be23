"""One file a tool: how its command line, files and environment are made."""
