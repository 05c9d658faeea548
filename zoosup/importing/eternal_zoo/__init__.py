"""Eternal Zoo's files: its YAML, and its folder of models with a JSON file each.

    catalogue   the names of its catalogue, and what they stand for
    launch      one of its models as what zoosup starts: its own command lines, by backend and task
    yaml_file   the YAML file
    folder      the folder

Refuses to look at a disk: the folder's listing and texts are handed in.
"""
