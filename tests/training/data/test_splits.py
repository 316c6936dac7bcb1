from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_promptseg.training.data.splits import held_out_names

NAMES = [f"patient{p:03d}_frame{f:02d}" for p in range(20) for f in (1, 13)]


@given(
    st.lists(st.text(min_size=1, max_size=6), min_size=2, max_size=40, unique=True),
    st.floats(0.01, 0.99),
    st.booleans(),
)
def test_the_share_is_met_within_half_a_scene_and_both_parts_have_scenes(names, share, last):
    validation = held_out_names(names, share, last=last)
    assert validation < set(names)
    expected = min(max(share * len(names), 1), len(names) - 1)
    assert abs(len(validation) - expected) <= 0.5


@given(st.permutations(NAMES), st.booleans())
def test_the_order_of_the_files_does_not_matter(names, last):
    assert held_out_names(names, 0.2, last=last) == held_out_names(NAMES, 0.2, last=last)


@pytest.mark.parametrize("last", [False, True])
def test_images_of_one_patient_stay_together(last):
    validation = held_out_names(NAMES, 0.25, group=r"patient\d+", last=last)
    assert len(validation) == 10
    patients = {name[:10] for name in validation}
    assert validation == {name for name in NAMES if name[:10] in patients}


def test_names_without_a_match_are_groups_of_their_own():
    names = ["a1", "a2", "a3", "other", "another"]
    validation = held_out_names(names, 0.4, group=r"a\d")
    assert len(validation) == 2


def test_hashes_spread_the_choice_and_last_takes_the_end():
    names = [f"{number:03d}" for number in range(100)]
    assert held_out_names(names, 0.1, last=True) == set(names[-10:])
    numbers = sorted(int(name) for name in held_out_names(names, 0.2))
    assert numbers[0] < 30
    assert numbers[-1] > 70


def test_a_new_scene_changes_at_most_one_choice():
    before = held_out_names(NAMES, 0.2)
    after = held_out_names([*NAMES, "new"], 0.2)
    assert len(before - after) <= 1


def test_nothing_is_held_out_unless_asked():
    assert held_out_names(NAMES, 0) == frozenset()


@pytest.mark.parametrize(
    ("names", "share", "group", "message"),
    [
        pytest.param(NAMES, 1.0, None, "1.0", id="everything"),
        pytest.param(NAMES, -0.1, None, "-0.1", id="less than nothing"),
        pytest.param(["only"], 0.5, None, "1 group", id="one scene"),
        pytest.param(NAMES, 0.5, "patient", "1 group", id="one group"),
        pytest.param(NAMES, 0.5, "(", r"\(", id="no expression"),
    ],
)
def test_what_cannot_be_shared_is_refused(names, share, group, message):
    with pytest.raises(ValueError, match=message):
        held_out_names(names, share, group=group)
