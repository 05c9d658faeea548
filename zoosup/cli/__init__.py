"""The command line: `zoosup run` and the commands that ask a running supervisor over its control socket."""
