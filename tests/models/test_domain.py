import numpy as np
import pytest

from fakeimg.errors import ModelError
from fakeimg.models.domain import DomainGuard


def embeddings(n, seed, channels=slice(0, 40)):
    """Non-negative, as after a ReLU: a few patterns among 40 of 200 channels, and a little noise in all."""
    patterns = np.zeros((6, 200))
    patterns[:, channels] = np.random.default_rng(0).exponential(size=(6, 40))
    rng = np.random.default_rng(seed)
    return (rng.exponential(size=(n, 6)) @ patterns + 0.1 * rng.random((n, 200))).astype(np.float32)


@pytest.fixture(scope="module")
def guard():
    return DomainGuard.fit(embeddings(1000, 1))


def test_images_like_those_of_training_lie_inside_and_channels_never_used_lie_outside(guard):
    assert guard.is_outside(embeddings(2000, 2)).mean() < 0.02
    assert guard.is_outside(embeddings(200, 3, channels=slice(100, 140))).all()
    assert guard.is_outside(np.random.default_rng(0).random((200, 200))).all()


def test_the_usual_channels_may_be_weaker_but_not_far_stronger_than_ever(guard):
    some = embeddings(200, 4)
    assert guard.is_outside(0.7 * some).mean() < 0.02
    assert guard.is_outside(10 * some).mean() > 0.9


def test_a_guard_of_before_there_was_a_spread_is_read_and_does_without(guard, tmp_path):
    arrays = {name: guard.to_arrays()[name] for name in ("mean", "directions", "threshold")}
    np.savez(tmp_path / "guard.npz", **arrays)
    old = DomainGuard.read(tmp_path / "guard.npz")
    some = embeddings(50, 4)
    assert old.distance(10 * some) == pytest.approx(old.distance(some), rel=1e-4)
    assert old.is_outside(embeddings(200, 3, channels=slice(100, 140))).all()


def test_an_embedding_of_zeros_has_a_distance(guard):
    assert np.isfinite(guard.distance(np.zeros((1, 200), np.float32))).all()


def test_it_comes_back_from_its_file_exactly_and_small(guard, tmp_path):
    arrays = guard.to_arrays()
    np.savez(tmp_path / "guard.npz", **arrays)
    again = DomainGuard.read(tmp_path / "guard.npz")
    assert again.distance(embeddings(50, 5)).tolist() == guard.distance(embeddings(50, 5)).tolist()
    assert (again.threshold, again.reach) == (guard.threshold, guard.reach)
    assert sum(array.nbytes for array in arrays.values()) < 4 * 33 * 200 + 200


def test_the_same_seed_fits_the_same_guard():
    first, again, other = (DomainGuard.fit(embeddings(300, 1), seed=seed) for seed in (0, 0, 1))
    assert first.threshold == again.threshold != other.threshold


def test_too_few_images_or_a_network_that_says_the_same_of_all_give_no_guard():
    assert DomainGuard.fit(embeddings(299, 1)) is None
    assert DomainGuard.fit(np.ones((300, 30), np.float32)) is None
    assert DomainGuard.fit(np.zeros((300, 30), np.float32)) is None


def test_a_file_that_is_no_guard_is_refused(tmp_path):
    path = tmp_path / "guard.npz"
    path.write_bytes(b"no archive")
    with pytest.raises(ModelError, match=r"guard\.npz does not hold a domain guard"):
        DomainGuard.read(path)
    np.savez(path, mean=np.zeros(4), directions=np.zeros((2, 5)), threshold=1.0)
    with pytest.raises(ModelError, match="do not fit together"):
        DomainGuard.read(path)
    whole = DomainGuard.fit(embeddings(300, 1)).to_arrays()
    for wrong in ({"scales": np.ones(3)}, {"reach": np.array(np.inf)}, {"scales": np.zeros_like(whole["scales"])}):
        np.savez(path, **{**whole, **wrong})
        with pytest.raises(ModelError, match=r"do not fit together|let everything pass"):
            DomainGuard.read(path)
    np.savez(path, mean=np.array([{}], object), directions=np.zeros((2, 1)), threshold=1.0)
    with pytest.raises(ModelError, match="does not hold a domain guard"):
        DomainGuard.read(path)
