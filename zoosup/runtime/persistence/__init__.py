"""What a restart of zoosup has to know, written in step with what happens.

    run_records      a run as a record, and back
    record_writer    writes a run's record before its spawn and whenever it says something new
    kept_spec        a model of a record, as far as this version can read it
    saved_state      the last good file, wishes, back-off, what was given up and learned; as one document, and back
    disk_trouble     the condition that says what does not reach the disk

A disk that refuses is said once and stops no model. Refuses to know where anything is kept: `host.storage` does.
"""
