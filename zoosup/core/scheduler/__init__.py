"""What to do about all models together: `plan`, one pass, in the words of the kube-scheduler.

    plan            the pass, step by step; all others are its steps, or asked by them
    cycle           what this pass has found, promised and decided so far
    demand, switch  who is wanted, and how a change of `active` goes
    stop, pressure  who leaves: unwanted, at fault, or because the host runs short
    placement       who comes, and where: each of the wanted in order of priority
    preemption      who leaves for it
    verdicts        what was found, as data, and the tables of what a reason means
    prewarm         whose weights to read ahead; `successors`: who is likely to be asked for next

Refuses to know a clock, a process and the pass before: it looks at everything each time.
"""
