"""What is so, and what should happen next: the whole of zoosup's judgement, without an act.

    state        the words: models, runs, pools, facts, actions. Data only
    estimation   how much memory a model needs: from its command line, its weights, its earlier runs
    memory       whether that fits: the sums of one pool, layouts over GPUs, memory that comes back
    sessions     what is kept of conversations over a server's end, and where it belongs
    lifecycle    how a fact changes a model: the table of phases, ends, back-off, sleep
    scheduler    what to do about all models together: one pure function, `plan`
    fleet        of several hosts: who runs what where, and what all of them know

Imports run upwards in that list only; memory, sessions and lifecycle don't know each other, nor scheduler and fleet. A
pass goes the other way: the runtime applies facts (lifecycle), asks `scheduler.plan` with the file and what is
observed, books its actions and has them done. Refuses to know clocks, processes, files, sockets and logs: time is data,
and so is everything else.
"""
