"""How servers are, asked again and again: one task each.

    probes            readiness and liveness of live runs
    external_probes   readiness of servers elsewhere
    load_watch        how far loads are

What follows from the answers is decided elsewhere.
"""
