"""Quantities against a slow, exact oracle."""

from decimal import ROUND_UP, Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afscope.control.quantity import NO_PODS, is_no_pods, milli, parse_quantity, usage_bounds

FACTORS = {
    "n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("1e-3"), "": Decimal(1), "k": Decimal("1e3"),
    "M": Decimal("1e6"), "G": Decimal("1e9"), "T": Decimal("1e12"), "P": Decimal("1e15"), "E": Decimal("1e18"),
    "Ki": Decimal(1024), "Mi": Decimal(1024**2), "Gi": Decimal(1024**3), "Ti": Decimal(1024**4),
    "Pi": Decimal(1024**5), "Ei": Decimal(1024**6),
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1", 1000), ("334m", 334), ("1500m", 1500), ("0", 0), ("-0", 0), ("+2", 2000), (".5", 500), ("5.", 5000),
        ("1u", 1), ("1n", 1), ("1500u", 2), ("-1500u", -2), ("2e3", 2_000_000), ("2E3", 2_000_000), ("1E", 10**21),
        ("1e-3", 1), ("1Ki", 1_024_000), ("0.5Gi", 536_870_912_000), ("600m", 600), (" 1 ", 1000),
    ],
)  # fmt: skip
def test_known_quantities(text: str, expected: int) -> None:
    assert milli(text) == expected


@pytest.mark.parametrize(
    "text", ["", " ", ".", "+", "m", "1K", "1ki", "1mi", "1 m", "1e", "1.2.3", "0x10", "1e9999", "²"]
)
def test_what_is_no_quantity_is_refused_by_name(text: str) -> None:
    with pytest.raises(ValueError, match="quantity") as caught:
        milli(text)
    assert repr(text) in str(caught.value)


@given(st.decimals(min_value=-(10**9), max_value=10**9, places=6, allow_nan=False), st.sampled_from(sorted(FACTORS)))
def test_rounding_agrees_with_exact_decimals(number: Decimal, suffix: str) -> None:
    with localcontext(prec=60):
        exact = (number * FACTORS[suffix] * 1000).to_integral_value(ROUND_UP)
    assert milli(f"{number:f}{suffix}") == int(exact)


@given(st.integers(-(10**12), 10**12))
def test_whole_milli_survive(value: int) -> None:
    assert milli(f"{value}m") == value
    assert parse_quantity(f"{value}m") * 1000 == value


@given(st.integers(0, 10**7), st.integers(1, 500))
def test_a_reported_average_brackets_the_total(usage: int, replicas: int) -> None:
    bounds = usage_bounds(-(-usage // replicas), replicas)
    assert bounds is not None
    assert bounds[0] <= usage <= bounds[1]
    assert bounds[1] - bounds[0] == replicas - 1


def test_an_average_over_no_pods_is_no_data() -> None:
    reported = milli("-9223372036854775808m")
    assert reported == NO_PODS
    assert is_no_pods(reported)
    assert usage_bounds(reported, 1) is None
    assert usage_bounds(1000, 0) is None
