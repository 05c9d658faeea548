"""Several hosts that share one zoo.yaml: who runs what, where a request goes, and what all of them know.

    words        what hosts report, what they are told, what everybody sees: data only
    wire         those as JSON and back, between releases too
    placement    which host runs which model that is active
    choose       which host runs a model that a request asks for
    controller   reports in, decisions out. It stands on leases (who is there), generations (which file is in force),
                 surplus (who goes on running what others are to run), refused (what hosts would not take), stalled
                 (who keeps the other hosts of a model over several waiting), drains (whom a person wants empty),
                 assignments (what each host is told) and news (what of a report others wait for)

Refuses to know a transport, a clock, a socket and Ray: time and reports are data.
"""
