"""The feature store: every image once, whatever happens in between."""

import shutil
import sys
import threading

import cv2
import numpy as np
import pytest

from fakeimg.config import Augment, Experiment
from fakeimg.data.dataset import Dataset
from fakeimg.files import cache_folder
from fakeimg.models import features as features_module
from fakeimg.models.feature_store import FeatureStore, list_cache, prune_cache, verify_cache
from fakeimg.models.features import trunk_features, trunk_identity
from fakeimg.models.network import Architecture, build_network

N, SHARD = 40, 16
ARCHITECTURE = Architecture.of(Experiment(backbone="resnet18", image_size=(32, 32)))
IDENTITY = trunk_identity("resnet18", "none", 0)
_opened: list[str] = []
_started = threading.Event()


def _audit(event, arguments):
    if event == "open" and _started.is_set() and str(arguments[0]).endswith(".png"):
        _opened.append(str(arguments[0]))


@pytest.fixture(scope="module")
def model():
    return build_network(ARCHITECTURE, seed=0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("images")
    random = np.random.default_rng(0)
    for i in range(N):
        path = root / ("real", "fake")[i % 2] / f"{i:02d}.png"
        path.parent.mkdir(exist_ok=True)
        cv2.imwrite(str(path), random.integers(0, 255, (40, 40, 3), dtype=np.uint8))
    sys.addaudithook(_audit)
    return root


@pytest.fixture
def images(folder, tmp_path, monkeypatch):
    """40 images; the features' cache is empty, that of exported graphs is not."""
    graphs = cache_folder("graphs")
    monkeypatch.setattr(features_module, "SHARD_ROWS", SHARD)
    monkeypatch.setenv("FAKEIMG_CACHE", str(tmp_path))
    (tmp_path / "graphs").symlink_to(graphs)
    return Dataset.open(folder)


@pytest.fixture
def opened():
    """The images opened while the test runs."""
    _opened.clear()
    _started.set()
    yield _opened
    _started.clear()


def extracted(model, dataset, **options):
    return trunk_features(lambda: model, ARCHITECTURE, dataset, trunk_sha256=IDENTITY, **options)


def no_model():
    raise AssertionError("the network was built although everything is cached")


def cached(dataset, **options):
    return trunk_features(no_model, ARCHITECTURE, dataset, trunk_sha256=IDENTITY, **options)


def test_features_are_what_keras_says_of_each_image(model, images):
    from fakeimg.data.images import read_batches
    from fakeimg.models.network import trunk_of

    batch = np.concatenate([pixels for _, pixels, _ in read_batches(images.paths, (32, 32))])
    expected = trunk_of(model)(batch.astype(np.float32), training=False).numpy()
    for engine in ("tensorflow", "openvino"):
        pooled = extracted(model, images, engine=engine).values[0]
        whole = extracted(model, images, engine=engine, pooled=False).values[0]
        assert isinstance(pooled, np.memmap)
        assert not pooled.flags.writeable
        np.testing.assert_allclose(pooled, expected.mean(axis=(1, 2)), rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(whole, expected, rtol=1e-3, atol=1e-3 * expected.max())


def test_a_warm_cache_needs_neither_the_network_nor_the_images(model, images, opened, monkeypatch):
    monkeypatch.setattr("fakeimg.data.hashes._SETTLED_NS", 0)
    first = extracted(model, Dataset(images.frame, images.root)).values[0]
    assert len(opened) == 2 * N, "once to know its content, once to decode it"
    opened.clear()
    again = cached(Dataset(images.frame, images.root)).values[0]
    assert opened == []
    np.testing.assert_array_equal(again, first)


def test_another_order_or_part_of_the_images_finds_what_is_there(model, images):
    first = extracted(model, images).values[0]
    rows = np.random.default_rng(1).permutation(N)[:25]
    np.testing.assert_array_equal(cached(images.take(rows)).values[0], first[rows])


def test_more_images_open_only_the_new_ones(model, images, opened):
    extracted(model, images.take(np.arange(30)))
    images.content_hashes()
    opened.clear()
    extracted(model, images)
    assert sorted(opened) == sorted(str(path) for path in images.paths[30:])


def test_an_interrupted_extraction_goes_on_at_the_first_missing_shard(model, images, opened):
    uninterrupted = extracted(model, images).values[0]
    shutil.rmtree(FeatureStore(_key()).folder)
    images.content_hashes()
    with pytest.raises(KeyboardInterrupt):
        extracted(model, images, progress=_interrupt_after(SHARD + 1))
    opened.clear()
    resumed = extracted(model, images).values[0]
    assert len(opened) == N - SHARD
    np.testing.assert_array_equal(resumed, uninterrupted)


def test_a_damaged_shard_is_computed_again_with_a_warning(model, images):
    first = np.array(extracted(model, images).values[0])
    shard = sorted(FeatureStore(_key()).folder.glob("*.npy"))[0]
    content = bytearray(shard.read_bytes())
    content[-1] ^= 1
    shard.write_bytes(content)
    with pytest.warns(UserWarning, match="damaged; they are computed again"):
        again = extracted(model, images).values[0]
    np.testing.assert_array_equal(again, first)


def test_a_shard_of_another_trunk_is_computed_again_with_a_warning(model, images):
    first = np.array(extracted(model, images).values[0])
    other = build_network(ARCHITECTURE, seed=1)
    foreign = trunk_features(lambda: other, ARCHITECTURE, images, trunk_sha256="other")
    assert np.abs(foreign.values[0] - first).max() > 1e-3
    for path in FeatureStore({**_key(), "trunk": "other"}).folder.glob("*.[nj]*"):
        if path.name != "store.json":
            shutil.copy(path, FeatureStore(_key()).folder)
    with pytest.warns(UserWarning, match="belong elsewhere; they are computed again"):
        again = extracted(model, images).values[0]
    np.testing.assert_array_equal(again, first)


def test_two_that_share_a_cache_divide_the_shards(model, images, opened):
    images.content_hashes()
    opened.clear()
    found = {}
    threads = [
        threading.Thread(target=lambda i=i: found.update({i: extracted(model, images).values[0]})) for i in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(opened) == sorted(map(str, images.paths)), "every image is decoded by one of the two, once"
    np.testing.assert_array_equal(found[0], found[1])


def test_an_image_that_cannot_be_read_is_a_row_without_features(model, images, tmp_path):
    broken = tmp_path / "data" / "real" / "broken.png"
    broken.parent.mkdir(parents=True)
    broken.write_bytes(images.paths[0].read_bytes()[:200])
    shutil.copy(images.paths[1], broken.parent / "whole.png")
    for attempt in (extracted, extracted):
        features = attempt(model, Dataset.open(_with_fakes(tmp_path / "data", images)))
        names = [path.name for path in Dataset.open(tmp_path / "data").paths]
        (row,) = features.errors
        assert names[row] == "broken.png"
        assert np.isnan(features.values[0][row]).all()
        assert np.isfinite(np.delete(features.values[0], row, axis=0)).all()


def test_views_differ_from_each_other_but_not_with_the_order(model, images):
    options = {"augment": Augment(rotation=20, flip=0.5), "views": 2, "seed": 3}
    views = extracted(model, images, **options).values
    plain = extracted(model, images).values[0]
    for one, other in ((views[0], views[1]), (views[0], plain), (views[1], plain)):
        assert (np.abs(one - other).max(axis=1) > 1e-3).mean() > 0.9
    rows = np.arange(N)[::-1]
    for view, again in zip(views, cached(images.take(rows), **options).values, strict=True):
        np.testing.assert_array_equal(again, view[rows])
    fewer = cached(images, **{**options, "views": 1}).values
    np.testing.assert_array_equal(fewer[0], views[0])


def test_the_cache_can_be_listed_verified_and_pruned(model, images):
    extracted(model, images)
    (entry,) = [entry for entry in list_cache() if entry.kind == "features"]
    assert "resnet18 at 32x32" in entry.description
    assert entry.bytes > N * 512 * 4
    assert verify_cache() == []
    shard = sorted(FeatureStore(_key()).folder.glob("*.npy"))[0]
    shard.write_bytes(shard.read_bytes()[:-4])
    assert verify_cache() == [shard.with_suffix(".json")]
    assert shard.exists()
    verify_cache(repair=True)
    assert not shard.exists()
    assert prune_cache(older_than=3600) == []
    removed = prune_cache(max_bytes=0)
    assert "features" in {entry.kind for entry in removed}
    assert [entry for entry in list_cache() if entry.kind == "features"] == []


def _key():
    return {
        "trunk": IDENTITY,
        "backbone": "resnet18",
        "image_size": [32, 32],
        "pooled": True,
        "engine": "openvino",
        "framing": "stretch",
        "truncated": "refuse",
        "view": None,
    }


def _interrupt_after(images):
    def progress(done, total):
        if done >= images:
            raise KeyboardInterrupt

    return progress


def _with_fakes(folder, images):
    (folder / "fake").mkdir(exist_ok=True)
    shutil.copy(images.paths[-1], folder / "fake" / "one.png")
    return folder
