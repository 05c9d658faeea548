"""Who is there: the host's processes, and which of them belong to which run.

    proc_table         one look at all processes of the host
    identity           who a pid is
    membership         who of them belongs to which run
    scanner            keeps that current for all runs at once
    background_looks   has it look when nobody waits

Looks only: signals nobody.
"""
