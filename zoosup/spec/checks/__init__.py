"""What `parse` sees to beyond each part by itself: that the parts of a file go together.

    served_by       who serves a model, and what can't stand beside that
    names           that a client's name leads to one model
    gateway_names   that the gateway's part speaks of such names

Refuses to know what any other field means.
"""
