"""What outlives zoosup, in its state directory.

    paths              where the directory and the control socket are
    state_dir          the directory: private; state.json written atomically
    lock_file          one zoosup at a time, also where two hosts share a home
    run_records        a small file for each run, written before its spawn
    journal_writer     events, written by a thread of its own: backlog (journal_backlog), then SQLite (journal_db)
    shared_secret      what all zoosups of one user on this host know, and nobody else
    model_logs         the output of models: a file a run, bounded, with room of its own (log_space); its end
                       (log_end) and what is appended (tail)

A disk in trouble delays nobody and is never fatal. Refuses to know what any of it means.
"""
