"""Which clients use which run, who waits, and what becomes of those who wait.

    leases         where the gateway asks: a lease at once, a place in the queue, or a refusal
    model_queue    one model's leases and tickets, in order
    refusals       why waiting is of no use, in words and with what is known of when to come again

Knows neither HTTP nor memory: demand is counted here, and the plan answers it.
"""
