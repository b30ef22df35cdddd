"""Web pages and the HTTP API: the same functions of loop/ that the command line calls."""
