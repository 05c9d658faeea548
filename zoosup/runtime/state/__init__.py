"""Everything the single writer knows, and the messages by which it comes to know it.

    zoo              the spec in force, every model, the switch; changes by its own methods, `overrides` and `recovery`
    applied          which file is in force, and why the newest is not
    overrides        words beside the file on whether a model runs: by hand, or of a client that gives it back
    recovery         what an earlier supervisor has left: runs, last uses, its part in a fleet
    dry_run          a copy of the zoo for questions
    model_events     what the journal hears when a fact has changed a model
    memory           the memory of the host, room that people hold of it, and what runs have held
    run_usage        what one run holds, pool by pool
    external         servers elsewhere: what was last heard of each, and who uses it
    membership       this host in a fleet: what it was last told to run, and what is known of all hosts
    inbox            facts and wishes as messages, and the mailbox they wait in

Knows neither tasks nor adapters: it is data, and the same for a plan that is only asked for.
"""
