"""Measures the speeds that zoosup promises, each beside a peer or a bound measured in the same run.

    python tests/bench/run.py [--short] [--json] [--strict] [NAME…]

Exits 1 when a measurement could not be made; with --strict also when a goal was missed.
"""

# ruff: noqa: T201  it reports to a person

import argparse
import json
import sys
import tempfile
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # a script, so that the repository is no package path yet

from tests.bench import containers, fleet_assign, gateway, hop, prewarm, prewarm_likely, pure, turns, zoo
from tests.bench.figures import Figure, table

BENCHES = {
    "plan": pure.judgement,
    "commands": pure.commands,
    "switch": zoo.switch,
    "ready": zoo.ready,
    "crash": zoo.crash,
    "idle": zoo.idle,
    "prewarm": prewarm.prewarm,
    "likely": prewarm_likely.likely,
    "turns": turns.turns,
    "containers": containers.containers,
    "gateway": gateway.figures,
    "hop": hop.hop,
    "fleet": fleet_assign.fleet_assign,
}


def main() -> int:
    arguments = _arguments()
    figures: list[Figure] = []
    errors: list[str] = []
    for name in arguments.names or BENCHES:
        print(f"… {name}", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory(prefix="zoosup-bench-") as folder:
            try:
                figures.extend(BENCHES[name](arguments.short, Path(folder)))
            except Exception:  # noqa: BLE001  one bench that fails does not cost the others their figures
                traceback.print_exc()
                errors.append(name)
    if arguments.json:
        print(json.dumps({"figures": [figure.as_dict() for figure in figures], "errors": errors}, indent=2))
    else:
        print(table(figures))
    missed = [figure for figure in figures if not figure.met]
    return 1 if errors or (arguments.strict and missed) else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", choices=[*BENCHES, []], help=", ".join(BENCHES))
    parser.add_argument("--short", action="store_true", help="few rounds: that it works, not what it costs")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--strict", action="store_true", help="a missed goal is a failure")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
