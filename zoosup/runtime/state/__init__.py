"""Everything the single writer knows, and the messages by which it comes to know it.

    zoo              the spec in force, every model, the switch; changes only by its own methods
    pools            the memory of the host: readings, cool-downs, pressure
    usage_history    what runs have held, by fingerprint, for the estimates of the next ones
    run_usage        what one run holds, pool by pool
    inbox            facts and wishes as messages, and the mailbox they wait in

Knows neither tasks nor adapters: it is data, and the same for a plan that is only asked for.
"""
