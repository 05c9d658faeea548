"""What others follow: what has happened, and how it is now.

    journal      events in order, read from any point and followed; older ones come from an archive
    log_sink     the journal as log lines, for people or as JSON
    publisher    the newest snapshot, and a wake-up for those who wait for news

Refuses to know who writes, who reads, and where anything is kept.
"""
