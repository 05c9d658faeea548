"""One adapter for each thing outside: processes, memory, probes, files. They do not know each other."""
