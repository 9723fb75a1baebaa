"""A search on Ray gives the table of the local engine."""

import pytest
from test_search import assert_same_table, frozen

from fakeimg.errors import ConfigError
from fakeimg.training.distribute import run_on_ray
from fakeimg.training.search import search

pytest.importorskip("ray", reason='needs the extra "ray"')


def test_ray_gives_the_table_of_the_local_engine(grain, tmp_path, monkeypatch):
    experiment = frozen(**{"search.folds": 2}, grid={"train.epochs": [1, 3], "head.dropout": [0.0, 0.3, 1.5]})
    local = search(experiment, grain)
    graphs = tmp_path / "cache" / "graphs"
    graphs.parent.mkdir()
    from fakeimg.files import cache_folder

    graphs.symlink_to(cache_folder("graphs"))
    monkeypatch.setenv("FAKEIMG_CACHE", str(tmp_path / "cache"))  # cold: the shards are Ray's to compute
    messages = []
    distributed = search(
        experiment, grain, out=tmp_path / "out", on="ray", progress=lambda *message: messages.append(message)
    )
    axes = ("train.epochs", "head.dropout")
    assert_same_table(local.frame, distributed.frame, *axes)
    assert_same_table(local.runs, distributed.runs, *axes, "fold")
    assert ("feature shards", 1, 1) in messages
    assert len(list((tmp_path / "cache" / "features").glob("*/*.npy"))) == 1


def test_a_cluster_that_does_not_answer_is_one_line():
    with pytest.raises(ConfigError, match=r"no Ray cluster answers at 127\.0\.0\.1:1:"):
        list(run_on_ray([], [], address="127.0.0.1:1"))
