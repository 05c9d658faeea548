"""Carrying actions out on the host, each as a task whose answer comes back as a fact.

    runs              start, drain, put to sleep, wake, stop, kill
    calls             requests that a run is sent one after the other
    holds             room that is held for what is no model: with whose process it ends
    looks             what a start needs is looked at, one look a model and command
    spawning          record, log and process of a run that was booked
    usage             what every run holds; at rest only where that is news
    output            the log of each run, and those that have none
    tasks             those under way, kept from each other's faults, and those that last
    probes            readiness and liveness of live runs, one task each
    lora_scales       the scales of LoRA adapters that a running server takes without a restart
    external_probes   readiness of servers elsewhere, one task each
    sessions          conversations of llama-servers, saved before an end and restored after the next start
    load_watch        how far loads are, one task each
    prewarm           the next model's weights, read while it waits for room
    prewarm_likely    those of models that are likely to be asked for next
    child_env         the environment of a run's processes, and the mark by which they are known
    exit_diagnosis    what a run died of, as far as the host can tell

At most one operation a run. Refuses to know a policy: what to do, and when, was decided before.
"""
