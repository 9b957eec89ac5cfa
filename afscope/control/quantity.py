"""What an averageValue in the HPA's status says of the metric's total: it is a rounded quotient."""

from afscope.model.quantity import NO_PODS, is_no_pods, milli, parse_quantity

__all__ = ["NO_PODS", "is_no_pods", "milli", "parse_quantity", "usage_bounds"]


def usage_bounds(average_milli: int, status_replicas: int) -> tuple[int, int] | None:
    """The metric's total behind a reported averageValue: least and most, both included, in milli.

    The HPA reports ceil(usage / status.replicas) (replica_calculator.go:382-420), so the total lies in
    ((a - 1) * n, a * n]. None where the field carries no data.
    """
    if status_replicas <= 0 or is_no_pods(average_milli):
        return None
    return (average_milli - 1) * status_replicas + 1, average_milli * status_replicas
