"""What zoosup is to its own surroundings.

    sd_notify    tells the init system that zoosup is ready, how it goes, and that it is alive
    listen_fds   listening sockets that are handed to us, and on
    descriptors  how many files may be open: for zoosup, and for its children
    malloc       keeps the C library's heap in one place and gives back what is free

Nothing here is of any weight where there is no such thing.
"""
