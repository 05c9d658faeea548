"""What carries a fleet's words between hosts. The link and the controller's process live here; a model never does.

    link            `zoosup link`: a process between this host's zoosup and the controller, which may die at any time
    exchange        what the link does all day: reports out, answers in, questions both ways
    control_client  its way to zoosup: the control socket
    transport       what it asks of whatever carries the words
    controller      the controller as something that is waited for, around `core.fleet.controller`
    in_process      hosts that are all in one process: for tests in virtual time
    trouble         why it does not answer, in words
    ray_settings    how Ray is started so that it does nothing but this
    ray_controller  the controller as a Ray actor
    ray_transport   the way to it

Only the last two import Ray, when they are called; zoosup itself imports neither. Refuses to decide who runs what.
"""
