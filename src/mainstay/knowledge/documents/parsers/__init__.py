"""One module a format, run in a child process; nothing here imports the database or the web framework."""
