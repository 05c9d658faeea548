"""What people and programs see of the runtime, built from state and plan alone.

    words               what reasons, conditions and endings say to people
    snapshot            one pass in the shape of `GET /status`
    condition_status    conditions in the same shape, and since when they have been so
    pool_status         a pool in the same shape, with who holds what of it
    external_status     a server elsewhere in the same shape
    holds_report        holds in the same shape
    fleet_status        the other hosts in the same shape, and what is amiss of them
    convergence         whether the host is as the file says, and what of the file is not in force
    plan_report         what the next pass would do: the answer to `zoosup plan`
    simulation          the passes to come, on a copy of the zoo
    need_report         what a model needs, term by term
    init_status         the snapshot in one line for the init system, and its watchdog

Values of environment variables and tokens are in none of it. Decides nothing.
"""
