"""The HTTP face: the status server, and the control socket that the command line speaks to."""
