"""What is noted of requests, for whoever runs the gateway.

    access_log   a line of each answer where that is asked for
    tracing      the spans of each request, by OpenTelemetry
    metrics      what is counted: plain numbers
    usage        reads off an answer how many tokens it took

Refuses to know connections and models: whoever works with a request tells what became of it.
"""
