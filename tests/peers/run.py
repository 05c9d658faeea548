"""The same black-box cases against zoosup, supervisord, circus and pm2; one table, judged by the operating system.

    python tests/peers/run.py [--only CASE] [--rounds N] [--crashes N] [--markdown] [NAME…]

Takes some fifteen minutes. A supervisor that can't be had here is left out with a reason. Exits 1 when a case could not
be run, or when zoosup itself left a process or made a second copy.
"""

# ruff: noqa: T201  it reports to a person

import argparse
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # a script, so that the repository is no package path yet

from tests.containers.engines import NoEngineError, RealEngine, running
from tests.containers.images import TINY, NoImageError, tiny_root
from tests.peers import cases, table
from tests.peers.other_peers import Circus, Pm2, Supervisord
from tests.peers.supervisor import CannotRunError, Supervisor
from tests.peers.zoosup_peer import ZoosupPeer

SUPERVISORS: dict[str, type[Supervisor]] = {
    each.name: each for each in (ZoosupPeer, Supervisord, Circus, Pm2)
}


def main() -> int:
    arguments = _arguments()
    results: dict[str, dict[str, str]] = {}
    heads, failed = [], False
    for name in arguments.names or SUPERVISORS:
        kind = SUPERVISORS[name]
        try:
            head = f"{name} {kind.version()}"
        except CannotRunError as error:
            print(f"{name} is left out: {error}", file=sys.stderr)
            continue
        heads.append(head)
        for case, each in _cases(arguments.rounds, arguments.crashes).items():
            if arguments.only in {None, case}:
                failed |= not _collect(kind, head, each, results)
    shown = table.markdown if arguments.markdown else table.plain
    print(shown(results, heads))
    for name in arguments.names or SUPERVISORS:
        print(f"{'- ' if arguments.markdown else ''}{name}: {SUPERVISORS[name].settings}")
    return 1 if failed or _broken(results) else 0


def _cases(rounds: int, crashes: int) -> Mapping[str, Callable[[cases.Make], cases.Rows]]:
    return {
        "ladder": partial(cases.ladder, rounds=rounds),
        "death": cases.death,
        "slip": cases.slip,
        "live-edit": cases.live_edit,
        "latency": partial(cases.latency, count=crashes),
        "containers": _containers,
    }


def _containers(make: cases.Make) -> cases.Rows:
    """In a Docker of their own; none where it can't be had."""
    try:
        with _docker() as engine:
            yield from cases.container_that_ignores_term(make, engine)
            yield from cases.container_without_client(make, engine)
            yield from cases.container_across_death(make, engine)
    except (NoEngineError, NoImageError) as error:
        print(f"containers are left out: {error}", file=sys.stderr)


@contextmanager
def _docker() -> Iterator[RealEngine]:
    with running("docker") as engine:
        engine.import_image(tiny_root(engine.home), TINY, 'ENTRYPOINT ["/tiny"]')
        yield engine


def _collect(
    kind: type[Supervisor],
    head: str,
    each: Callable[[cases.Make], cases.Rows],
    results: dict[str, dict[str, str]],
) -> bool:
    try:
        for case, outcome in each(kind):
            print(f"… {head}: {case}: {outcome}", file=sys.stderr, flush=True)
            results.setdefault(case, {})[head] = outcome
    except Exception:  # noqa: BLE001  one case that fails does not cost the others their row
        traceback.print_exc()
        return False
    return True


def _broken(results: dict[str, dict[str, str]]) -> list[str]:
    """The rows in which zoosup did what it promises never to do."""
    promised = {
        "left after": "nothing",
        "and restarted": "1 (the same)",
        "a broken file": "untouched",
        "client of a container killed": "a new one with a client",
    }
    return [
        case
        for case, row in results.items()
        for start, outcome in promised.items()
        if case.startswith(start)
        and any(who.startswith("zoosup ") and said != outcome for who, said in row.items())
    ]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "names", nargs="*", metavar="NAME", choices=[*SUPERVISORS, []], help=", ".join(SUPERVISORS)
    )
    parser.add_argument("--only", metavar="CASE", choices=[*_cases(0, 0)], help=", ".join(_cases(0, 0)))
    parser.add_argument("--markdown", action="store_true", help="for the README")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="stops of each kind")
    parser.add_argument("--crashes", type=int, default=7, metavar="N", help="programs to crash, twice each")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
