"""RFC 7386: the patch leads from the one document to the other, or says that it cannot."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from afscope.store import mergepatch

NAMES = st.sampled_from(["a", "b", "c", "spec", ""])
LEAVES = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([0.0, 1.0, 2.5]) | st.sampled_from(["", "x"])
JSON = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4), max_leaves=20
)


def holds_null_member(value: Any) -> bool:
    """Whether a null is a member of an object that is reached through objects alone."""
    return isinstance(value, dict) and any(v is None or holds_null_member(v) for v in value.values())


@given(JSON, JSON)
@settings(max_examples=500, deadline=None)
def test_a_patch_leads_from_before_to_after(before: Any, after: Any) -> None:
    try:
        patch = mergepatch.diff(before, after)
    except mergepatch.NotExpressible:
        assert holds_null_member(after)
        return
    # Compared as JSON text: Python takes 1, 1.0 and True for the same.
    result = mergepatch.apply(json.loads(json.dumps(patch)), before)
    assert json.dumps(result, sort_keys=True) == json.dumps(after, sort_keys=True)


@given(JSON)
@settings(max_examples=100, deadline=None)
def test_no_change_is_an_empty_patch(value: Any) -> None:
    expected = {} if isinstance(value, dict) else value
    assert mergepatch.diff(value, value) == expected


# The examples of RFC 7386, appendix A: original, patch, result.
RFC = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    (["a", "b"], ["c", "d"], ["c", "d"]),
    ({"a": "b"}, ["c"], ["c"]),
    ({"a": "foo"}, None, None),
    ({"a": "foo"}, "bar", "bar"),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]


@pytest.mark.parametrize(("original", "patch", "result"), RFC)
def test_apply_agrees_with_the_rfc(original: Any, patch: Any, result: Any) -> None:
    before = json.dumps(original)
    assert mergepatch.apply(patch, original) == result
    assert json.dumps(original) == before


def test_a_new_null_member_cannot_be_patched_in() -> None:
    with pytest.raises(mergepatch.NotExpressible):
        mergepatch.diff({"a": 1}, {"a": {"b": {"c": None}}})
    assert mergepatch.diff({"a": None, "b": 1}, {"a": None, "b": 2}) == {"b": 2}
