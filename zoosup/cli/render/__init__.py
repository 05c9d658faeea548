"""What commands print for people, as lines of styled text that know their width.

    layout      lines, columns, bars: what the rest is made of
    format      sizes, times, phases and their colours
    pool_bar    a pool of memory as a bar with a legend
    overview    the whole zoo on a page; detail: one model
    memory      what `doctor` says of the host's memory, as findings (finding)
    terminal    colour on a terminal, plain text in a pipe, redrawn for --watch

Knows the snapshot's shape; asks nobody but for `memory`, which looks at the host itself.
"""
