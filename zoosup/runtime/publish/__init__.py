"""What people and programs see of the runtime, built from state and plan alone.

    snapshot       one pass in the shape of `GET /status`
    convergence    whether the host is as the file says
    plan_report    what the next pass would do: the answer to `zoosup plan`
    simulation     the passes to come, on a copy of the zoo
    need_report    what a model needs, term by term
    init_status    the snapshot in one line for the init system, and its watchdog

Values of environment variables and tokens are in none of it. Decides nothing.
"""
