"""Looking at what there is, and waiting for it."""

from zoosup.cli.args.completion import add_file, add_model
from zoosup.cli.args.shared import FILE, Add, add_json
from zoosup.cli.args.values import Since, count, duration, since


def add_looking(add: Add) -> None:
    """Each of them."""
    status = add(
        "status",
        "commands.looking.status:status",
        "show what runs, what waits and why, and who holds the memory",
    )
    add_model(status, "model", nargs="?", help="one model, in detail")
    status.add_argument("-w", "--watch", action="store_true", help="keep showing it, until Ctrl-C")
    status.add_argument("--fleet", action="store_true", help="all hosts, and where each model is")
    add_json(status)

    add("top", "commands.looking.top:top", "the zoo on a screen with keys (needs zoosup[top])")

    logs = add("logs", "commands.looking.logs:logs", "print what a model wrote")
    add_model(logs, "model", help="whose output; its name in zoo.yaml")
    logs.add_argument(
        "-f", "--follow", action="store_true", help="go on with what it writes from now on, across restarts"
    )
    logs.add_argument(
        "-n", "--lines", type=count, default=100, metavar="N", help="the last N lines (default: 100)"
    )
    logs.add_argument(
        "-p", "--previous", action="store_true", help="print the output of the run before this one"
    )

    events = add("events", "commands.looking.events:events", "print what happened")
    events.add_argument("-f", "--follow", action="store_true", help="go on with what happens from now on")
    add_model(events, "-m", "--model", help="only what happened to this model")
    events.add_argument(
        "-n", "--limit", type=count, metavar="N", help="the newest N (default: 1000; with -f 20)"
    )
    events.add_argument(
        "--since", type=since, metavar="WHEN", default=Since(),
        help="after event number WHEN, or since a time: 30m ago (30m), or 2026-11-23T18:00",
    )  # fmt: skip
    add_json(events)

    wait = add("wait", "commands.looking.wait:wait", "wait until models are ready, for scripts")
    add_model(wait, "models", nargs="*", help="which (default: every active one)")
    goals = ("ready", "stopped", "converged")
    wait.add_argument(
        "--for", dest="goal", choices=goals, default="ready", help="%(choices)s (default: ready)"
    )
    wait.add_argument(
        "-t", "--timeout", type=duration, default=60.0, metavar="TIME",
        help="give up after (default: 60s), exit 124; 0s looks once, exit 3 when it is not so",
    )  # fmt: skip

    estimate = add(
        "estimate",
        "commands.looking.estimate:estimate",
        "say what memory a model needs, term by term, without starting it",
    )
    add_model(estimate, "model", metavar="MODEL|FILE.gguf", help="a model of the file, or weights")
    add_file(estimate, "--file", help=FILE)
    estimate.add_argument(
        "options",
        nargs="*",
        metavar="-- OPTION",
        help="with weights: llama-server's, such as -- -c 8192 -np 2",
    )
    add_json(estimate)

    doctor = add(
        "doctor", "commands.looking.doctor:doctor", "say what zoosup sees of this host, and what to mend"
    )
    add_file(doctor, "file", nargs="?", help=FILE)
    doctor.add_argument(
        "--report",
        metavar="OUT",
        help="write all of it, and what a bug report needs besides, into one file, without secrets; -: print it",
    )
    add_json(doctor)
