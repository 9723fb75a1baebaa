"""What makes a fake of a photograph, and the ways in which asking for one can fail."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Provider(Protocol):
    """Makes one fake of one photograph.

    Attributes:
        name: what stands in the column `generator`.
        fingerprint: all that a fake depends on besides the photograph: model, prompt, size.
        workers: how many may be made at a time.
        price: dollars for one, 0 when it is free, None when it is not known.
    """

    name: str
    fingerprint: str
    workers: int
    price: float | None

    def make(self, photograph: NDArray[np.uint8], key: str) -> NDArray[np.uint8]:
        """A fake of `photograph`, uint8 RGB, both square, of any size.

        Args:
            photograph: (s, s, 3).
            key: the same for every attempt at this fake, so that a provider that knows such keys makes it once.
        Raises:
            RefusedError: this photograph is not taken; asking again is of no use.
            BusyError: not now, and nothing was charged; UnreachableError: as there is no way to the provider.
            UnansweredError: nobody knows whether it was made, and charged.
            FakeimgError: nothing can be made at all, such as with a wrong key.
        """
        ...


class RefusedError(Exception):
    """The provider does not make a fake of this photograph."""


class BusyError(Exception):
    """The provider did not make the fake, and did not charge for it.

    Attributes:
        after: seconds to wait, when the provider said so.
    """

    def __init__(self, reason: str, after: float | None = None) -> None:
        super().__init__(reason)
        self.after = after


class UnreachableError(BusyError):
    """The request never left this machine: there is no network, or nothing listens there."""


class UnansweredError(Exception):
    """The request was sent and no answer came: it may have been charged."""
