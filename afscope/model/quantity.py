"""Kubernetes quantities ("500m", "1Gi", "1e3"): whole milli-units, fractions rounded away from zero.

Grammar and suffixes: k8s.io/apimachinery, pkg/api/resource/quantity.go; rounding: `Quantity.MilliValue`.
"""

import re
from fractions import Fraction

NO_PODS = -(2**63)
"""`averageValue` in milli where status.replicas was 0: a division by zero made an int64 on amd64
(`-9223372036854775808m`, seen on Kubernetes 1.36). It says "no pods yet" and nothing about the metric."""

_NO_PODS_ARM64 = 2**63 - 1  # there the same conversion saturates upwards
_QUANTITY = re.compile(
    r"(?P<sign>[+-]?)(?P<whole>[0-9]*)(?:\.(?P<part>[0-9]*))?"
    r"(?:(?P<suffix>[KMGTPE]i|[numkMGTPE])|[eE](?P<exponent>[+-]?[0-9]{1,3}))?"
)
_DECIMAL = {"n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}


def parse_quantity(text: str) -> Fraction:
    """The exact value of a quantity such as `500m`, `1Gi`, `2e3` or `.5`.

    Raises ValueError with the text; so does an exponent of more than three digits, which no resource needs.
    """
    match = _QUANTITY.fullmatch(text.strip())
    if match is None or not (match["whole"] or match["part"]):
        raise ValueError(f"not a Kubernetes quantity: {text!r}")
    part = match["part"] or ""
    number = Fraction(int((match["whole"] or "0") + part), 10 ** len(part)) * _scale(match)
    return -number if match["sign"] == "-" else number


def _scale(match: re.Match[str]) -> Fraction:
    suffix = match["suffix"] or ""
    if suffix in _BINARY:
        return Fraction(2 ** _BINARY[suffix])
    return Fraction(10) ** (_DECIMAL[suffix] if suffix else int(match["exponent"] or 0))


def milli(text: str) -> int:
    """A quantity in milli-units, rounded away from zero as `MilliValue` does. Raises ValueError."""
    value = parse_quantity(text) * 1000
    size = -(-abs(value.numerator) // value.denominator)
    return size if value >= 0 else -size


def is_no_pods(value_milli: int) -> bool:
    """Whether a reported averageValue only says that status.replicas was 0 (§ `NO_PODS`)."""
    return value_milli in (NO_PODS, _NO_PODS_ARM64)
