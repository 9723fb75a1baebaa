"""The names under which Hugging Face's tools save, load and publish a model; each forwards to fakeimg's own."""

from abc import ABC, abstractmethod
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fakeimg import PushResult
    from fakeimg.models.detector import Detector


class Pretrained(ABC):
    """What `Detector` inherits.

    The functions that do the work live in a room that the models know nothing of, so they are reached through the
    package's front door, when they are called.
    """

    @abstractmethod
    def save(self, folder: Path | str) -> "Detector":
        """Write a model folder and return the detector that it now holds."""

    def save_pretrained(self, save_directory: Path | str) -> "Detector":
        """`Detector.save`."""
        return self.save(save_directory)

    @classmethod
    def from_pretrained(
        cls,
        repo_id: Path | str,
        *,
        revision: str | None = None,
        token: str | None = None,
        cache_dir: Path | str | None = None,
        local_files_only: bool = False,
        force_download: bool = False,
    ) -> "Detector":
        """`fakeimg.load`, of a folder or of `owner/name`, which needs no `hf://` here.

        Raises:
            ModelError, HubError: see `fakeimg.load`.
        """
        import fakeimg

        if Path(repo_id).is_dir():
            return fakeimg.load(repo_id, revision=revision)
        return fakeimg.load(
            f"hf://{str(repo_id).removeprefix('hf://')}",
            revision=revision,
            token=token,
            cache_dir=cache_dir,
            local_files_only=local_files_only,
            force_download=force_download,
        )

    def push_to_hub(
        self,
        repo_id: str,
        *,
        commit_message: str | None = None,
        private: bool = True,
        token: str | None = None,
        create_pr: bool = False,
    ) -> "PushResult":
        """`Detector.save` into a temporary folder, then `fakeimg.push`.

        Raises:
            HubError: see `fakeimg.push`.
        """
        import fakeimg

        with TemporaryDirectory() as folder:
            self.save(folder)
            return fakeimg.push(
                folder, repo_id, public=not private, commit_message=commit_message, token=token, create_pr=create_pr
            )
