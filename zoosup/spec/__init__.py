"""zoo.yaml: its models, units and templates, how text becomes a ZooSpec, how `active` is rewritten in it."""
