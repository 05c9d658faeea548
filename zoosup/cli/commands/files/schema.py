"""`zoosup schema`: the JSON schema of zoo.yaml, for editors."""

import argparse

from zoosup.cli.context import print_json
from zoosup.errors import ExitCode


def schema(_given: argparse.Namespace) -> int:
    """Print the schema that editors check zoo.yaml with."""
    from zoosup.spec.schema import schema as make  # noqa: PLC0415 - pydantic

    print_json(make())
    return ExitCode.DONE
