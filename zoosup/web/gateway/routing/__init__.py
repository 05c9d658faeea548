"""What becomes of a request: refused, answered here, or handed to the model that it names.

`router` decides. `admission` reads a head and asks `access` (keys, hosts, origins) and `routes` (which address is
whose); `model_name` finds the model in a body; `body_rewrite` makes the changes that zoo.yaml asks for.
Refuses to know how bytes come and go.
"""
