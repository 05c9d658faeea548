"""A demonstration model server, `python -m zoosup.demo`: speaks OpenAI's and Anthropic's APIs and holds memory.

It understands nothing, and says so in every answer. It stands on the standard library alone so that it starts
fast and a hundred of them cost little; the rest of zoosup knows it only as a command in a zoo.yaml.
"""
