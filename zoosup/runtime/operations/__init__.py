"""Carrying actions out on the host, each as a task whose answer comes back as a fact.

    runs            start, drain, put to sleep, wake, stop, kill
    usage           what every run holds; at rest only where that is news
    calls           requests that a run is sent one after the other
    holds           room that is held for what is no model: with whose process it ends
    start           what a start is made of: a look, then record, log, environment and process
    tasks           those under way, kept from each other's faults, and those that last
    probes          readiness, liveness and loads, one task each
    lora_scales     the scales of LoRA adapters that a running server takes without a restart
    sessions        conversations of llama-servers, saved before an end and restored after the next start
    prewarm         the next model's weights, read while it waits for room
    prewarm_likely  those of models that are likely to be asked for next
    exit_diagnosis  what a run died of, as far as the host can tell

At most one operation a run. Refuses to know a policy: what to do, and when, was decided before.
"""
