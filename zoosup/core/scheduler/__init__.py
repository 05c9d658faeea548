"""What to do about all models together: `plan`, one pass, in the words of the kube-scheduler.

    plan            the pass, step by step; all others are its steps, or asked by them
    cycle           what this pass has found, promised and decided so far
    demand, switch  who is wanted, and how a change of `active` goes
    stop, pressure  who leaves: unwanted, at fault, or because the host runs short
    place           who comes: each of the wanted in order of priority
    hold_room       room for what is no model: placed among them, and kept until it is given back
      candidates    where on a node either goes: the best of all layouts
      fit           where one candidate stands: admitted, waits, refused
      make_room     those told to leave for it, and whose clients queue
      preempt       who may leave for it; `min_cost`: whom of them; `put_to_sleep`: for whom sleep is enough
    verdicts        what was found, as data, and the tables of what a reason means
    prewarm         whose weights to read ahead; `successors`: who is likely to be asked for next

Refuses to know a clock, a process and the pass before: it looks at everything each time.
"""
