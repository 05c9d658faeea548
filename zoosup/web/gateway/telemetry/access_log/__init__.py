"""One line an answer, where zoo.yaml asks for it: who asked what, and what became of it. Never a body.

`record` is what is noted of one request while it lasts, `writer` hands the lines to the log in a thread of its own.
Refuses to know connections and models: whoever works with a request tells its record. Where no log is kept there are no
records, and nothing is looked at.
"""
