"""One request and its answer, between a client's connection and one to a model's server.

`exchange` is the request from the question for its model to its end, `claim` the part of it that asks for the lease
and gives it back, `upload` the part that sends its body; `wait` is its time in the queue, in which
`keepalive_comments` tell a streaming client why; `whole_answer` has what such a client gets of a server that does not
stream; `tunnel` joins the two once another protocol is spoken.
`hop_exchange` is a request whose answer another host's gateway has, or this host after all.
`rendering` has all that the gateway says in its own words.
Refuses to know which address means which model, and who may ask.
"""
