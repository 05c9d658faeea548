"""What a field may hold.

    kinds          the kinds of value, as annotated types: reader, way back to text, schema
    readers        how each kind is read
    quantities     numbers, sizes, durations
    http_readers   addresses, headers
    weight_names   weights by where they come from: hf://, ollama://

Refuses to know which field it is.
"""
