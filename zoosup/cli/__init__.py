"""The command line: `zoosup run`, and the commands that ask a running supervisor over its control socket.

    main             finds the command, calls it, and turns how it ended into a line and an exit code
    args             every command with its options and help; the completion of words, the manual page
    commands         one file a command, grouped as args groups them
    context          what most commands begin with: settings, client, JSON for programs
    client           a blocking client of the control socket
    top              the zoo on a screen with keys
    units            the texts for systemd and launchd
    weights          where weights are that the file names by their origin, where no supervisor is asked
    watcher          looks at a supervisor again and again, for a screen
    absence          how long a supervisor that is away is waited for
    disk             what the state directory tells where no supervisor runs
    render           what commands print for people
    light_imports    keeps `run` from loading what it never uses

A command's module is imported only when it is called, and in it what takes long to load (pydantic's models, aiohttp,
rich) only where it is used, or for annotations alone under `TYPE_CHECKING`: a command that asks a supervisor is done
sooner than they would be there. No circle hides behind that; import contracts count such imports too.

Refuses to know how anything is decided: the supervisor is asked.
"""
