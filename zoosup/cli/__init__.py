"""The command line: `zoosup run`, and the commands that ask a running supervisor over its control socket.

    main             finds the command, calls it, and turns how it ended into a line and an exit code
    args             every command with its options and help
    parser           one line for what is wrong, with a guess; completion for shells
    commands         one file a command
    context          what most commands begin with: settings, client, JSON for programs
    client           a blocking client of the control socket
    disk             what the state directory tells where no supervisor runs
    render           what commands print for people
    light_imports    keeps `run` from loading what it never uses

A command's module is imported only when it is called. Refuses to know how anything is decided: the supervisor is asked.
"""
