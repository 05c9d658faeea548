"""What others follow: what has happened, and how it is now.

    journal           events in order, read from any point and followed; older ones come from an archive
    tally             what has happened, counted, and how long it took; histogram: durations by how long they were
    log_sink          the journal as log lines, for people or as JSON
    words             what kinds of events there are, and how each is called
    own_thread_lines  a handler for the many lines of an access log, which leaves room for all others
    memory_history    what each pool held over the last hour
    publisher         the newest snapshot, and a wake-up for those who wait for news

Refuses to know who writes, who reads, and where anything is kept.
"""
