"""What can be typed: every command, its options and its help, and which function carries it out.

Knows words only: imports no other part of zoosup but its parser, so that `--version` and `--help` cost nothing.
"""

import argparse
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from zoosup import __version__
from zoosup.cli.parser import Parser, PrintCompletion

_FILE = (
    "zoo.yaml; without it $ZOOSUP_FILE, ./zoo.yaml, $XDG_CONFIG_HOME/zoosup/zoo.yaml, /etc/zoosup/zoo.yaml"
)

_EPILOG = """\
exit codes:
    0  done                        64  wrong usage
    1  failed                      69  no supervisor reached
    2  plan --detailed-exitcode:   75  another instance holds the lock
       there are changes           78  zoo.yaml is invalid
    3  not ready (wait -t 0s)     124  time-out
    4  no such model

environment:
    ZOOSUP_FILE, ZOOSUP_INSTANCE, ZOOSUP_STATE_DIR, ZOOSUP_STATUS_LISTEN, ZOOSUP_GATEWAY_LISTEN,
    ZOOSUP_LOG_LEVEL, ZOOSUP_LOG_FORMAT, ZOOSUP_ON_EXIT and ZOOSUP_WAIT_FOR_FILE stand for the options
    of the same names; an option goes before its variable. NO_COLOR is honoured.
"""


Add = Callable[..., argparse.ArgumentParser]


def parser() -> argparse.ArgumentParser:
    """Make the parser; the parsed arguments carry `handler`, a module and function of this package."""
    common = _common()
    made = Parser(
        prog="zoosup",
        parents=[common],
        description="Makes this host's model servers be what zoo.yaml says, and keeps them so.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    made.add_argument(
        "--print-completion", action=PrintCompletion, choices=("bash", "zsh"), metavar="SHELL",
        help='print what bash or zsh needs to complete command lines: eval "$(zoosup --print-completion bash)"',
    )  # fmt: skip
    made.add_argument("--version", action="version", version=f"zoosup {__version__}")
    commands = made.add_subparsers(
        title="commands", metavar="COMMAND", dest="command", required=True, parser_class=Parser
    )

    def add(name: str, handler: str, help_: str) -> argparse.ArgumentParser:
        command = commands.add_parser(
            name,
            parents=[common],
            help=help_,
            description=f"{help_[0].upper()}{help_[1:]}.",
            allow_abbrev=False,
        )
        command.set_defaults(handler=handler)
        return command

    _add_files(add)
    _add_looking(add)
    _add_changing(add)
    return made


def _common() -> Parser:
    """Options that may stand before and behind the command; absent ones leave no trace, so that neither wins."""
    common = Parser(add_help=False, argument_default=argparse.SUPPRESS)
    group = common.add_argument_group("which supervisor")
    group.add_argument("--instance", metavar="NAME", help="one of several on this host (default: default)")
    group.add_argument("--state-dir", metavar="DIR", help="where it keeps its state and its control socket")
    common.add_argument("--no-color", action="store_true", help="no colours on a terminal")
    return common


def _add_files(add: Add) -> None:
    run = add("run", "commands.run:run", "supervise until SIGTERM: make the host so and keep it so")
    run.add_argument("file", nargs="?", metavar="FILE", help=_FILE)
    run.add_argument(
        "--status-listen",
        metavar="ADDRESS",
        help="HOST:PORT of the status server, or none; goes before status.listen of zoo.yaml",
    )
    run.add_argument(
        "--gateway-listen",
        metavar="ADDRESS",
        help="HOST:PORT of the gateway, or none; goes before gateway.listen of zoo.yaml",
    )
    run.add_argument("--log-level", metavar="LEVEL", help="debug, info, warning or error (default: info)")
    run.add_argument("--log-format", metavar="FORMAT", help="text or json (default: text)")
    run.add_argument(
        "--on-exit",
        metavar="WHAT",
        help="what SIGTERM does to the models: stop, or keep them for the next zoosup to adopt (default: stop)",
    )

    run.add_argument(
        "--wait-for-file",
        action="store_const",
        const=True,
        help="with no good file yet, serve status with what is wrong and wait for one, instead of exit 78",
    )

    check = add("check", "commands.check:check", "say everything that is wrong with a file, and where")
    check.add_argument("files", nargs="*", metavar="FILE", help=f"{_FILE}; -: standard input")
    check.add_argument(
        "--allow-unset",
        action="store_true",
        help="let ${env.NAME} pass where the variable is not set, for CI",
    )
    _json(check)

    plan = add(
        "plan", "commands.plan:plan", "say what would happen if this were the file, with the memory sums"
    )
    plan.add_argument(
        "file", nargs="?", metavar="FILE", help=f"{_FILE}; with a supervisor running, the one it follows"
    )
    plan.add_argument("--detailed-exitcode", action="store_true", help="exit 2 when there are changes")
    _json(plan)

    add("schema", "commands.schema:schema", "print the JSON schema of zoo.yaml, for editors")

    _add_unit(
        add("unit", "commands.unit:unit", "print the unit with which systemd or launchd keeps zoosup running")
    )


def _add_unit(unit: argparse.ArgumentParser) -> None:
    """Each kind is a parser of its own: of two positionals argparse takes none behind an option between them."""
    kinds = unit.add_subparsers(
        title="kinds (default: this host's)", metavar="KIND", dest="kind", parser_class=Parser
    )
    unit.set_defaults(file=None, own=False, user=None)
    for kind, text in (("systemd", "a .service file"), ("launchd", "a property list")):
        made = kinds.add_parser(kind, parents=[_common()], help=text, allow_abbrev=False)
        made.add_argument("file", nargs="?", metavar="FILE", help=_FILE)
        whose = made.add_mutually_exclusive_group()
        whose.add_argument(
            "--user", dest="own", action="store_true", help="for your own manager, without root"
        )
        whose.add_argument("--as", dest="user", metavar="NAME", help="whom it runs as (default: who asks)")


def _add_looking(add: Add) -> None:
    status = add(
        "status", "commands.status:status", "show what runs, what waits and why, and who holds the memory"
    )
    status.add_argument("model", nargs="?", metavar="MODEL", help="one model, in detail")
    status.add_argument("-w", "--watch", action="store_true", help="keep showing it, until Ctrl-C")
    _json(status)

    logs = add("logs", "commands.logs:logs", "print what a model wrote")
    logs.add_argument("model", metavar="MODEL", help="whose output; its name in zoo.yaml")
    logs.add_argument(
        "-f", "--follow", action="store_true", help="go on with what it writes from now on, across restarts"
    )
    logs.add_argument(
        "-n", "--lines", type=_count, default=100, metavar="N", help="the last N lines (default: 100)"
    )
    logs.add_argument(
        "-p", "--previous", action="store_true", help="print the output of the run before this one"
    )

    events = add("events", "commands.events:events", "print what happened")
    events.add_argument("-f", "--follow", action="store_true", help="go on with what happens from now on")
    events.add_argument("-m", "--model", metavar="MODEL", help="only what happened to this model")
    events.add_argument(
        "-n", "--limit", type=_count, metavar="N", help="the newest N (default: 1000; with -f 20)"
    )
    events.add_argument(
        "--since", type=_since, metavar="WHEN", default=Since(),
        help="after event number WHEN, or since a time: 30m ago (30m), or 2026-11-23T18:00",
    )  # fmt: skip
    _json(events)

    wait = add("wait", "commands.wait:wait", "wait until models are ready, for scripts")
    wait.add_argument("models", nargs="*", metavar="MODEL", help="which (default: every active one)")
    goals = ("ready", "stopped", "converged")
    wait.add_argument(
        "--for", dest="goal", choices=goals, default="ready", help="%(choices)s (default: ready)"
    )
    wait.add_argument(
        "-t", "--timeout", type=_duration, default=60.0, metavar="TIME",
        help="give up after (default: 60s), exit 124; 0s looks once, exit 3 when it is not so",
    )  # fmt: skip

    estimate = add(
        "estimate",
        "commands.estimate:estimate",
        "say what memory a model needs, term by term, without starting it",
    )
    estimate.add_argument("model", metavar="MODEL|FILE.gguf", help="a model of the file, or weights")
    estimate.add_argument("--file", metavar="FILE", help=_FILE)
    estimate.add_argument(
        "options",
        nargs="*",
        metavar="-- OPTION",
        help="with weights: llama-server's, such as -- -c 8192 -np 2",
    )
    _json(estimate)

    doctor = add("doctor", "commands.doctor:doctor", "say what zoosup sees of this host, and what to mend")
    doctor.add_argument("file", nargs="?", metavar="FILE", help=_FILE)
    _json(doctor)


def _add_changing(add: Add) -> None:
    use = add("use", "commands.use:use", "rewrite `active` in the file, keeping every other byte")
    use.add_argument("models", nargs="+", metavar="MODEL", help="in order of priority")
    use.add_argument(
        "-f", "--file", metavar="FILE",
        help=f"{_FILE}; with a supervisor running and none of this named, the one it follows",
    )  # fmt: skip
    for verb, text in (
        ("start", "run a model, until `active` says something new about it"),
        ("stop", "stop a model, until `active` says something new about it"),
        ("restart", "end a model's run and start it afresh; forgets its crashes"),
        ("auto", "give a model that was started or stopped by hand back to the file and to demand"),
    ):
        command = add(verb, "commands.control:command", text)
        command.add_argument("model", metavar="MODEL", help="its name in zoo.yaml")
        command.set_defaults(verb=verb)
        _json(command)
    _json(add("reload", "commands.control:reload", "look at zoo.yaml again at once"))


def _json(command: argparse.ArgumentParser) -> None:
    command.add_argument("--json", action="store_true", help="for programs")


def _count(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 10):  # noqa: PLR2004 - no sane count is longer
        raise argparse.ArgumentTypeError(f"got {text!r}, expected a whole number of 0 or more")
    return int(text)


@dataclass(frozen=True)
class Since:
    """Where events begin: after number `seq`, or at wall time `at`; both 0: wherever."""

    seq: int = 0
    at: float = 0.0


def _since(text: str) -> Since:
    if text.isdecimal():
        return Since(seq=int(text))
    with contextlib.suppress(argparse.ArgumentTypeError):
        return Since(at=time.time() - _duration(text))
    with contextlib.suppress(ValueError):
        return Since(at=datetime.fromisoformat(text).timestamp())
    raise argparse.ArgumentTypeError(
        f"got {text!r}, expected an event's number, a time ago such as 30m, or a time such as 2026-11-23T18:00"
    )


def _duration(text: str) -> float:
    from zoosup.spec.syntax.units import parse_duration  # noqa: PLC0415 - only where a duration is typed

    try:
        return parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"got {text!r}, expected {error}") from None
