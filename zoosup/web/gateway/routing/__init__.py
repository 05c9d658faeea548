"""What becomes of a request: refused, answered here, or handed to the model that it names.

`router` decides, `to_models` is the way of every request for a model, `ollama_requests` that of Ollama's API until it
joins that one. `admission` reads a head and asks `access` (keys, hosts, origins) and `routes` (which address is
whose); `model_name` finds the model in a body (`json_members`: where its members lie), `task_model` where it need not
be named; `hop_requests` has those that leave for the gateway of another host, or have come from one; `allowed` knows
which models a key is for; `body_rewrite` makes the changes that zoo.yaml asks for.
Refuses to know how bytes come and go.
"""
