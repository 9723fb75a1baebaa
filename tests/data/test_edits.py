"""Facts about photographs that are edited until they count as fakes."""

import numpy as np
import pytest

from fakeimg.data.edits import chosen, edit, edit_batch


@pytest.fixture
def photographs() -> np.ndarray:
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:48, :48]
    slopes = np.stack([rows, columns, rows + columns], axis=2) * 2.0 + 30
    return np.clip(slopes + rng.normal(0, 6, (40, 48, 48, 3)), 0, 255).astype(np.uint8)


def test_an_image_is_chosen_in_the_share_of_epochs_that_was_asked_for() -> None:
    drawn = np.array([chosen(0.3, 0, range(200), epoch) for epoch in range(20)])
    assert drawn.mean() == pytest.approx(0.3, abs=0.03)
    assert drawn.mean(axis=0).min() > 0  # none is never edited, and none always
    assert drawn.mean(axis=0).max() < 1
    assert not chosen(0.0, 0, range(200), 0).any()
    assert chosen(1.0, 0, range(200), 0).all()


def test_what_is_chosen_and_how_it_is_edited_follow_from_seed_row_and_epoch_alone(photographs) -> None:
    rows = np.arange(40)
    which = chosen(0.5, 7, rows, 3)
    whole = edit_batch(photographs, which, 7, rows, 3)
    order = np.random.default_rng(1).permutation(40)
    assert np.array_equal(chosen(0.5, 7, rows[order], 3), which[order])
    assert np.array_equal(edit_batch(photographs[order], which[order], 7, rows[order], 3), whole[order])
    assert not np.array_equal(edit_batch(photographs, which, 7, rows, 4), whole)


def test_only_what_is_chosen_changes_and_nothing_is_changed_in_place(photographs) -> None:
    before = photographs.copy()
    which = np.arange(40) % 2 == 0
    changed = edit_batch(photographs, which, 0, range(40), 0)
    assert np.array_equal(photographs, before)
    assert np.array_equal(changed[~which], before[~which])
    differences = np.abs(changed[which].astype(float) - before[which]).mean(axis=(1, 2, 3))
    assert differences.min() > 0.5


def test_every_edit_keeps_shape_and_type_and_is_seen(photographs) -> None:
    for seed in range(60):
        changed = edit(photographs[0], np.random.default_rng(seed))
        assert (changed.shape, changed.dtype) == (photographs[0].shape, np.uint8)
        assert np.abs(changed.astype(float) - photographs[0]).mean() > 0.5


def test_a_picture_of_one_colour_has_nothing_to_amplify() -> None:
    flat = np.full((32, 32, 3), 120, np.uint8)
    assert all(np.ptp(edit(flat, np.random.default_rng(seed))) == 0 for seed in range(20))
