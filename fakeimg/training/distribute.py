"""A search on Ray: shards of features and groups of cells as tasks, on this machine or on a cluster.

Start a cluster with `ray start --head` on one machine and `ray start --address=HEAD:6379` on each of the others, then
give `--on ray --address HEAD:6379` (or `ray://HEAD:10001` from outside). Every machine needs the same fakeimg and
Python, the images and a weights file under the same paths, and the same folder as `$FAKEIMG_CACHE`, on a file system
that knows file locks: then each shard of features is computed once in the whole cluster. Without a shared cache the
result is the same, but every machine runs the trunk itself. Results come back to the process that asked and are
written by it alone.
"""

import os
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fakeimg.errors import ConfigError
from fakeimg.models.engines import EngineName
from fakeimg.models.feature_store import SHARD_ROWS
from fakeimg.training.bundles import Bundle, Progress, run_bundle, train_whole
from fakeimg.training.cell_record import Record, failed_record
from fakeimg.training.grid import Run


@dataclass(frozen=True)
class _Shard:
    """Images whose features are computed by one task."""

    bundle: Bundle
    rows: tuple[int, ...]


def run_on_ray(
    bundles: Sequence[Bundle],
    whole: Sequence[Run],
    *,
    address: str | None = None,
    engine: EngineName = "auto",
    progress: Progress | None = None,
) -> Iterator[Record]:
    """The record of every run, as soon as it is there; the same as those of the local engine.

    Args:
        bundles: runs with a frozen trunk.
        whole: runs that train more than a head.
        address: of the cluster; None starts Ray on this machine, and stops it again.
        engine: what runs the trunk.
        progress: called with (what, done, total).
    Raises:
        ConfigError: Ray is not installed, or nothing answers at `address`.
    """
    ray = _ray()
    mine = not ray.is_initialized()
    if mine:
        _connect(ray, address)
    try:
        processors = max(1, int(ray.cluster_resources().get("CPU", 1)))
        task = ray.remote(num_cpus=1, max_retries=3)
        for bundle in bundles:
            shards = _shards(bundle)
            for done, _ in enumerate(_finished(ray, [(task(_extract).remote(s, engine), ()) for s in shards]), 1):
                if progress is not None:
                    progress("feature shards", done, len(shards))
            parts = _divided(bundle, processors)
            yield from _records(ray, [(task(_train_heads).remote(part, engine), list(part.runs)) for part in parts])
        yield from _records(ray, [(task(_train_whole).remote(run), [run]) for run in whole])
    finally:
        if mine:
            ray.shutdown()


def _ray() -> Any:
    try:
        import ray
    except ImportError:
        raise ConfigError('searching on Ray needs the extra "ray": pip install "fakeimg[ray]"') from None
    return ray


def _connect(ray: Any, address: str | None) -> None:
    options: dict[str, Any] = {"address": address or "local", "logging_level": "error", "log_to_driver": False}
    # Workers cache where the caller does.
    if cache := os.environ.get("FAKEIMG_CACHE"):
        options["runtime_env"] = {"env_vars": {"FAKEIMG_CACHE": cache}}
    if address is None:
        options["include_dashboard"] = False
    else:
        _probe(address)
    try:
        ray.init(**options)
    except (ConnectionError, ValueError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ConfigError(f"no Ray cluster answers at {address}: {reason}") from None


def _probe(address: str) -> None:
    """Fail within seconds where nothing listens; Ray itself would try for minutes."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon or not port.isdigit():
        return  # such as "auto"
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()
    except (OSError, OverflowError) as error:
        raise ConfigError(f"no Ray cluster answers at {address}: {error}") from None


def _shards(bundle: Bundle) -> list[_Shard]:
    """The rows of each shard, as the feature store divides images that it does not hold yet."""
    hashes = bundle.runs[0].data.content_hashes()
    rows = sorted((image, row) for row, image in enumerate(hashes) if image is not None)
    numbers = [row for _, row in rows]
    return [_Shard(bundle, tuple(numbers[i : i + SHARD_ROWS])) for i in range(0, len(numbers), SHARD_ROWS)]


def _divided(bundle: Bundle, parts: int) -> list[Bundle]:
    """A bundle in at most so many, with runs that differ in epochs alone kept together."""
    groups: dict[str, list[Run]] = {}
    for run in bundle.runs:
        groups.setdefault(run.head_key, []).append(run)
    heaps: list[list[Run]] = [[] for _ in range(min(parts, len(groups)))]
    for i, group in enumerate(groups.values()):
        heaps[i % len(heaps)] += group
    return [Bundle(tuple(heap)) for heap in heaps]


def _finished(ray: Any, waiting: Sequence[tuple[Any, Sequence[Run]]]) -> Iterator[tuple[Sequence[Run], Any]]:
    """What each task returned, or the exception that Ray gave up on it with, in the order in which they end."""
    runs = dict(waiting)
    left = list(runs)
    while left:
        done, left = ray.wait(left, num_returns=1)
        try:
            yield runs[done[0]], ray.get(done[0])
        except ray.exceptions.RayError as error:
            yield runs[done[0]], error


def _records(ray: Any, waiting: Sequence[tuple[Any, Sequence[Run]]]) -> Iterator[Record]:
    for runs, outcome in _finished(ray, waiting):
        if isinstance(outcome, Exception):
            yield from (failed_record(run, str(outcome).strip().splitlines()[0]) for run in runs)
        else:
            yield from outcome


def _extract(shard: _Shard, engine: EngineName) -> None:
    run = shard.bundle.runs[0]
    Bundle((replace(run, data=run.data.take(list(shard.rows))),)).features(engine)


def _train_heads(bundle: Bundle, engine: EngineName) -> list[Record]:
    return list(run_bundle(bundle, engine=engine, threads=1))


def _train_whole(run: Run) -> list[Record]:
    return [train_whole(run)]
