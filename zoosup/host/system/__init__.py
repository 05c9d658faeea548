"""What zoosup has of its own surroundings, and what any room may need of them.

    sd_notify    tells the init system that zoosup is ready, how it goes, and that it is alive
    listen_fds   listening sockets that are handed to us, and on
    early_signals  signals that come before zoosup can obey them
    descriptors  how many files may be open: for zoosup, and for its children
    directory    the directory that zoosup was started in, which may be gone
    malloc       keeps the C library's heap in one place and gives back what is free
    threads      threads for work that may hang
    programs     programs that are run for what they answer
    tls          whose certificates are believed
    shortage     what zoosup itself may be short of
    own_program  what zoosup was started as, and whether it would start again

Refuses to know what any of it is for.
"""
