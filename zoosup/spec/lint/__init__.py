"""What a valid file says that can't work, or hardly: warnings, never refusals.

    lint           the file, part by part; asks the others
    command_lint   of words; engine_lint: of containers; fleet_lint: of hosts

Refuses to look at a host, and to keep any file from coming into force.
"""
