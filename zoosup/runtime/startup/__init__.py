"""What comes before the first pass of a new supervisor.

    config_source    a look at zoo.yaml as a message, and the following of its changes
    resume           begin with the file that was last in force; what was edited since is applied after adoption
    adoption         know the runs of the zoosup before again, and end what nobody knows

Until adoption is complete nothing may be started (§9.11).
"""
