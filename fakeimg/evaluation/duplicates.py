"""The same picture more than once: byte for byte, or resized, recompressed or retouched, among very many images."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fakeimg.data.dataset import Dataset
from fakeimg.evaluation.measurements import Measurements

if TYPE_CHECKING:
    import pandas as pd

DISTANCE = 6
CORRELATION = 0.98
_BITS = 64
_BLOCK = 2048
_FLAT = 2.0  # grey levels; a preview that varies less than this shows nothing to compare


def find_duplicates(dataset: Dataset, measurements: Measurements) -> "pd.DataFrame":
    """Images that share a picture, one row an image.

    Columns: cluster (a number), kind ("exact": every file of the cluster has the same bytes; "near": some only look the
    same), then path, label, source, split and group as in the data. Images of one `group` are known to belong together:
    a cluster within one group is left out.

    On 6,878 faces, copies recompressed at JPEG quality 40, halved, blurred or brightened by a tenth are found, and two
    different pictures of the 23 million pairs are hardly ever taken for one; a crop by 2 % of a side is mostly missed.
    """
    hashes = dataset.content_hashes()
    readable = np.setdiff1d(np.arange(len(dataset)), list(measurements.errors))
    links = [*_same_bytes(hashes), *_same_picture(readable, measurements.fingerprints, measurements.previews)]
    clusters = _components(len(dataset), links)
    frame = dataset.frame[["path", "label", "source", "split", "group"]].assign(
        cluster=clusters, sha256=np.array(hashes, object)
    )
    frame = frame[frame.groupby("cluster")["path"].transform("size") > 1]
    grouped = frame.groupby("cluster")
    undeclared = (grouped["group"].transform("nunique", dropna=False) > 1) | frame["group"].isna()
    frame = frame[undeclared].copy()
    same = frame.groupby("cluster")["sha256"].transform("nunique", dropna=False) == 1
    frame["kind"] = np.where(same, "exact", "near")
    frame["cluster"] = frame["cluster"].rank(method="dense").astype(int)
    columns = ["cluster", "kind", "path", "label", "source", "split", "group"]
    return frame.sort_values(["cluster", "path"])[columns].reset_index(drop=True)


def close_pairs(
    fingerprints: NDArray[np.uint64], distance: int = DISTANCE
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """All pairs of hashes that differ in at most `distance` bits, in blocks of places (i, j), i < j, each pair once.

    Cut into distance + 1 bands, two such hashes agree in at least one of them: only hashes that share a band are
    compared, and a pair is reported at the first band it shares. Memory does not grow with the number of pairs.

    Source: Norouzi, Punjani and Fleet 2012, "Fast search in Hamming space with multi-index hashing".
    """
    edges = np.linspace(0, _BITS, distance + 2).astype(int)
    masks = [np.uint64(((1 << int(high)) - 1) ^ ((1 << int(low)) - 1)) for low, high in pairwise(edges)]
    for band, mask in enumerate(masks):
        values = fingerprints & mask
        order = np.argsort(values, kind="stable")
        starts = np.flatnonzero(np.append(True, np.diff(values[order]) != 0))
        for start, end in zip(starts, np.append(starts[1:], len(order)), strict=True):
            for first in range(start, end - 1, _BLOCK):
                left = order[first : min(first + _BLOCK, end)]
                for second in range(first, end, _BLOCK):
                    right = order[second : min(second + _BLOCK, end)]
                    changed = fingerprints[left][:, None] ^ fingerprints[right][None]
                    near = np.bitwise_count(changed) <= distance
                    if first == second:
                        near &= np.arange(len(left))[:, None] < np.arange(len(right))[None]
                    for earlier in masks[:band]:
                        near &= (changed & earlier) != 0
                    i, j = np.nonzero(near)
                    if i.size:
                        yield np.minimum(left[i], right[j]), np.maximum(left[i], right[j])


def same_picture(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Whether previews (k, 16, 16) show the same: they correlate by .98, or both are of one grey, the same."""
    flat_a, flat_b = (previews.reshape(len(previews), -1).astype(np.float32) for previews in (a, b))
    mean_a, mean_b = flat_a.mean(axis=1), flat_b.mean(axis=1)
    centred_a, centred_b = flat_a - mean_a[:, None], flat_b - mean_b[:, None]
    spread_a, spread_b = centred_a.std(axis=1), centred_b.std(axis=1)
    product = (centred_a * centred_b).mean(axis=1)
    plain = (spread_a < _FLAT) & (spread_b < _FLAT)
    alike: NDArray[np.bool_] = product >= CORRELATION * np.maximum(spread_a * spread_b, _FLAT**2)
    return np.where(plain, np.abs(mean_a - mean_b) < _FLAT, alike)


def _same_bytes(hashes: Sequence[str | None]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    first: dict[str, int] = {}
    pairs = [(first.setdefault(digest, row), row) for row, digest in enumerate(hashes) if digest is not None]
    pairs = [(leader, row) for leader, row in pairs if leader != row]
    if pairs:
        i, j = np.array(pairs, np.int64).T
        yield i, j


def _same_picture(
    rows: NDArray[np.int64], fingerprints: NDArray[np.uint64], previews: NDArray[np.uint8]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Pairs of rows; of many images with one hash each is compared with the first that it could belong to."""
    order = rows[np.argsort(fingerprints[rows], kind="stable")]
    changes = np.flatnonzero(np.diff(fingerprints[order]) != 0) + 1
    leaders = []
    for members in np.split(order, changes):
        while members.size:
            leader, members = members[0], members[1:]
            leaders.append(leader)
            if members.size:
                same = same_picture(
                    np.broadcast_to(previews[leader], (len(members), *previews.shape[1:])), previews[members]
                )
                if same.any():
                    yield np.full(int(same.sum()), leader), members[same]
                members = members[~same]
    chosen = np.array(leaders, np.int64)
    for i, j in close_pairs(fingerprints[chosen]):
        same = same_picture(previews[chosen[i]], previews[chosen[j]])
        if same.any():
            yield chosen[i[same]], chosen[j[same]]


def _components(n: int, links: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]]) -> NDArray[np.int64]:
    """The component of each row, (n,), when the links join them."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    i = np.concatenate([np.empty(0, np.int64), *(link[0] for link in links)])
    j = np.concatenate([np.empty(0, np.int64), *(link[1] for link in links)])
    graph = coo_array((np.ones(i.size, np.int8), (i, j)), shape=(n, n))
    return np.asarray(connected_components(graph, directed=False)[1], np.int64)
