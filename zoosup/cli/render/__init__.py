"""What commands print for people, as lines of styled text that know their width.

    layout      lines, columns, bars: what the rest is made of
    format      sizes, times, phases and their colours
    pool_bar    a pool of memory as a bar with a legend
    overview    the whole zoo on a page; model_table: a row for each model; detail: one model
    memory      what `doctor` says of the host's memory, as findings (finding); caches: of weights; engines: of
                container engines
    fetch_progress   how far a fetch has come
    plan        what would happen, with the sums; events: what happened
    screen      all of it on a screen of a given size, for --watch
    fleet       all hosts, and where each model is
    holds       room that is held for what is no model
    redacted    data without what is nobody else's business
    terminal    colour on a terminal, plain text in a pipe, redrawn for --watch

Knows the snapshot's shape; asks nobody but for `memory`, `caches` and `engines`, which look at the host itself.
"""
