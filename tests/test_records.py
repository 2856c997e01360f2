"""Records are values: frozen, comparable, with one spelling for one meaning."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fm_hub.records import Claim, canonical_json, content_id
from scenes_made import street

plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(-1e6, 1e6) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(plain)
def test_canonical_json_is_stable(value: object) -> None:
    import json

    once = canonical_json(value)
    assert canonical_json(json.loads(once)) == once


@given(st.dictionaries(st.text(max_size=4), plain, min_size=2, max_size=4))
def test_the_order_of_keys_does_not_matter(value: dict[str, object]) -> None:
    backwards = dict(reversed(value.items()))
    assert content_id(value) == content_id(backwards)


def test_not_a_number_has_no_canonical_form() -> None:
    with pytest.raises(ValueError, match="JSON"):
        canonical_json({"x": float("nan")})


def test_records_cannot_be_changed() -> None:
    track = street().tracks[0]
    with pytest.raises(dataclasses.FrozenInstanceError):
        track.label = "cat"  # type: ignore[misc]
    with pytest.raises(ValueError, match="read-only"):
        track.bbox[0, 0] = 1.0


def test_records_compare_by_content() -> None:
    a, b = street().tracks[0], street().tracks[0]
    assert a == b
    assert a != dataclasses.replace(a, bbox=a.bbox + np.float32(1))
    assert a != "a"


def test_a_claim_is_the_same_however_it_is_spelt() -> None:
    assert Claim.of("moves", {"track": "t", "is": True}, 0, 1) == Claim.of(
        "moves", {"is": True, "track": "t"}, 0.0, 1.0
    )
