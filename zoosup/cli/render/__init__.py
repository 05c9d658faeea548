"""What commands print for people, as lines of styled text that know their width.

    layout      lines, columns, bars: what the rest is made of
    format      sizes, times, phases and their colours
    pool_bar    a pool of memory as a bar with a legend; holds: room that is held for what is no model
    status      the whole zoo, one model, all hosts
    findings    what `doctor` says of the host
    plan        what would happen, with the sums; events: what happened
    fetch_progress   how far a fetch has come
    screen      all of it on a screen of a given size, for --watch
    redacted    data without what is nobody else's business
    terminal    colour on a terminal, plain text in a pipe, redrawn for --watch

Knows the snapshot's shape; asks nobody but for `findings`, which look at the host itself.
"""
