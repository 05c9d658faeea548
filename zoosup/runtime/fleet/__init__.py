"""The host's side of a fleet: what it says of itself, what it asks, and what it is told.

    member      where the link comes: reports out, answers in; where faces ask for a host, or have one drained
    report      the zoo as one `HostReport`: a pure function
    looks       what a model needs here, before anybody has it run here
    questions   what waits for the fleet's word

What is obeyed stands in `state.membership`, which the single writer looks at. Imported only where zoo.yaml has a
`fleet`; refuses to know what carries its words to other hosts.
"""
