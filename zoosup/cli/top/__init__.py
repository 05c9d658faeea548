"""`zoosup top`: the page in a terminal, for whoever runs the box. Needs Textual, the extra `zoosup[top]`.

    app          the zoo: verdict, memory, a switch as it goes, models, what comes next and what happened
    model        one model in detail; log: what it wrote, as it comes
    question     asks before an act that may cost requests
    panels       rows, lanes and texts that the screens show, as pure functions of what was seen
    source       all that speaks to the supervisor: a look, an act, a log

One look after another is taken beside the screen, in a thread that nobody waits for at the end. What is shown is drawn
by `cli.render`, in the words of the status. Refuses to decide anything, and to know HTTP.
"""
