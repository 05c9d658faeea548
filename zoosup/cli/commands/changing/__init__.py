"""Changing what runs, and what is held or kept, by hand: the commands of `args.changing`.

    control    start, stop, restart, reload
    use        `active` rewritten in the file
    hold       room for what is no model, and the command that it becomes
    fleet      drain, undrain, and all hosts for `status --fleet`
    sessions   the conversations that are kept

Refuses to know who has to leave for it: the supervisor decides.
"""
