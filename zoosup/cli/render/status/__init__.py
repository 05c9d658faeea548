"""What `status` prints: the same snapshot, from far and from near.

    overview      the whole zoo on a page
    model_table   in it a row for each model
    detail        one model
    fleet         all hosts, and where each model is

Knows the snapshot's shape; asks nobody.
"""
