"""At most so many images, each class in proportion; and work on them by threads, in order, with flat memory."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from os import cpu_count
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Job = TypeVar("Job")
Result = TypeVar("Result")


def sampled_rows(labels: NDArray[np.int64], most: int | None, seed: int) -> NDArray[np.int64]:
    """At most `most` rows drawn at random, each class in proportion, ascending; None takes all.

    Args:
        labels: (n,) class indices.
    """
    if most is None or len(labels) <= most:
        return np.arange(len(labels))
    shuffled = np.random.default_rng(seed).permutation(len(labels))
    ordered = shuffled[np.argsort(labels[shuffled], kind="stable")]
    return np.sort(ordered[np.linspace(0, len(labels) - 1, most).round().astype(np.int64)])


def in_order(
    work: Callable[[Job], Result], jobs: Iterable[Job], workers: int | None = None
) -> Iterator[tuple[Job, Result]]:
    """Each job with its result, in order; a few are under way at a time, so memory does not grow with their number.

    The threads end with the iterator, also when it is closed early.

    Args:
        workers: threads; by default one a processor, at most 8.
    """
    threads = workers or min(8, cpu_count() or 1)
    ahead = iter(jobs)
    pool = ThreadPoolExecutor(threads, thread_name_prefix="fakeimg")
    try:
        waiting = deque((job, pool.submit(work, job)) for job in islice(ahead, 4 * threads))
        while waiting:
            job, result = waiting.popleft()
            yield job, result.result()
            waiting.extend((job, pool.submit(work, job)) for job in islice(ahead, 1))
    finally:
        pool.shutdown(cancel_futures=True)
