"""What of a report others wait for, as against figures, which change all the time."""

from zoosup.core.fleet.words import HostReport


def material(report: HostReport) -> object:
    """All of it that others wait for, or that may move somebody; two reports that are alike in it are no news."""
    models = tuple(
        (name, each.phase, each.ready, each.refused, each.missing, bool(each.held), each.need)
        for name, each in report.models.items()
    )
    spec = report.spec
    return (
        models,
        report.labels,
        (
            report.assignment.drained,
            report.address,
            report.gateway,
            report.leaving,
            report.version,
        ),
        (spec.digest, spec.generation, spec.base),
        tuple(pool.id for pool in report.pools),
    )
