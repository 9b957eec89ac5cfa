"""Kubernetes quantities ("500m", "1Gi", "1e3") as milli-units.

Source: k8s.io/apimachinery pkg/api/resource: MilliValue rounds up; the suffix table is that of suffix.go.
"""

import re
from fractions import Fraction
from math import ceil

_QUANTITY = re.compile(r"([+-]?[0-9.]+)(Ki|Mi|Gi|Ti|Pi|Ei|[numkMGTPE]|[eE][+-]?[0-9]+)?")
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
NO_PODS_MILLI = -(2**63)
"""What amd64 makes of a division by zero replicas: "-9223372036854775808m" is no value at all."""


def milli(text: str) -> int:
    """A quantity in milli-units, rounded up. Raises ValueError with the offending text."""
    match = _QUANTITY.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"not a quantity: {text!r}")
    number, suffix = match.groups()
    try:
        value = Fraction(number)
    except ValueError:
        raise ValueError(f"not a quantity: {text!r}") from None
    return ceil(value * _scale(suffix or "") * 1000)


def _scale(suffix: str) -> Fraction:
    if suffix in _BINARY:
        return Fraction(1024) ** _BINARY[suffix]
    if suffix in _DECIMAL:
        return Fraction(10) ** _DECIMAL[suffix]
    return Fraction(10) ** int(suffix[1:])
