"""What Prometheus is told: made anew at each scrape, from what others have counted.

    scrape    the registry of `/metrics`, and the formats that clients accept
    state     the snapshot: the file in force, conditions, pools, models
    history   what has happened since zoosup began: starts, ends, switches
    fleet     all hosts, as this one knows them
    gateway   what clients have asked and been answered
    models    what the models' own servers say, asked and gathered at once
    relabel   their texts as one, each series with its model
    families  how a family of metrics is made of rows

Names, units and help texts stand here and nowhere else. What is unknown is left out, for it is never 0.
"""
