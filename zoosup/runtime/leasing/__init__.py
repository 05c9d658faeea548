"""Which clients use which run, who waits, and what becomes of those who wait.

    leases         where the gateway asks: a lease at once, a place in the queue, or a refusal
    catalogue      what a name means, and what clients may know of each model
    model_queue    one model's leases and tickets, in order
    queue_limit    how many may wait, so that clients of one model keep none of another out
    drains         runs that are to end: waiting until nobody uses them, telling those who do
    notify         telling clients, whose faults cost nobody else their turn
    external_lease one client's use of a server elsewhere, for which nobody waits
    fleet_routing  of several hosts, which answers: this one, another's gateway, or one that is chosen
    host_table     who has which model on which other host, by one view of the fleet
    host_lease     one client's use of another host's gateway, and its place while a host is chosen or is away
    host_queue     those that wait for a host that is away
    host_words     what clients are told of all that
    refusals       why waiting is of no use, in words and with what is known of when to come again

Knows neither HTTP nor memory: demand is counted here, and the plan answers it.
"""
