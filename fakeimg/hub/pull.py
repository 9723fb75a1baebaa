"""Downloading a detector: pinned to a commit, only what its `fakeimg.json` names, every byte checked.

The files live in the cache of `huggingface_hub`, shared with every other tool that uses it. The client checks sizes
alone, so each file is compared here with two hashes: the one the cache names it by, and the one in `fakeimg.json`.
"""

import re
import shutil
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fakeimg.errors import HubError, ModelError
from fakeimg.files import replacing, sha256, write_json, write_text
from fakeimg.hub.client import SCHEME, Address, explain, first_answer, translated, unreachable
from fakeimg.models.artifact import CARD_FILE, MAX_BYTES, MAX_FILES, MAX_SPEC_BYTES, SPEC_FILE, DetectorSpec, read_spec

if TYPE_CHECKING:
    from fakeimg.models.detector import Detector


def pull(
    repo: str,
    *,
    revision: str | None = None,
    out: Path | str | None = None,
    token: str | None = None,
    cache_dir: Path | str | None = None,
    local_files_only: bool = False,
    force_download: bool = False,
) -> Path:
    """Download a published detector, or find it in the cache.

    A commit that is in the cache costs no request. When the Hub cannot be reached, the copy that the cache holds of a
    branch or tag is used, with a warning.

    Args:
        repo: `owner/name`, `owner/name@revision`, or either after `hf://`.
        revision: branch, tag or commit; the default branch when None.
        out: a new or empty folder to copy the detector to; its `fakeimg.json` then names the commit it came from.
        token: of a Hugging Face account; HF_TOKEN or the stored one when None.
        cache_dir: instead of huggingface_hub's own cache.
        local_files_only: use the cache alone.
        force_download: download again what is in the cache.
    Returns:
        The folder: `out`, or one in the cache, which is not to be written to.
    Raises:
        HubError: not found, not allowed, not reachable, damaged on the way, or no room for it.
        ModelError: the repository holds no detector, or one that this version cannot read.
    """
    address = Address.parse(repo, revision)
    if out is not None and Path(out).is_dir() and any(Path(out).iterdir()) and not (Path(out) / SPEC_FILE).exists():
        raise HubError(f"{out} is not empty; give a new folder")
    with translated(address):
        source = _Source(address, token, cache_dir)
        folder = source.find(local_files_only=local_files_only, force_download=force_download)
        return folder if out is None else _export(folder, address, Path(out))


def load(source: Path | str = "bundled", *, revision: str | None = None, **hub: Any) -> "Detector":
    """Open a detector.

    Args:
        source: `bundled`, the folder of a detector, or `hf://owner/name[@revision]`.
        revision: branch, tag or commit of a `hf://` source.
        hub: the other options of `pull`: token, cache_dir, local_files_only, force_download.
    Raises:
        ModelError: no detector there, or a damaged one.
        HubError: see `pull`.
    """
    from fakeimg.models.detector import Detector

    text = str(source)
    if text.startswith(SCHEME):
        folder = pull(text, revision=revision, **hub)
        pinned = Address.parse(text, revision).at(folder.name)
        detector = Detector.open(folder, name=str(pinned))
        detector.spec = detector.spec.model_copy(update={"hub": _origin(pinned)})
        return detector
    if revision is not None:
        raise HubError(f"{text!r} has no revisions; give one with {SCHEME}owner/name")
    if text == "bundled":
        return Detector.open(Path(__file__).parents[1] / "pretrained", name="bundled", own_graph=True)
    if not Path(text).exists() and re.fullmatch(r"[\w.-]+/[\w.-]+(@\S+)?", text, re.ASCII):
        raise ModelError(f"no model folder {text!r}; did you mean {SCHEME}{text}?")
    return Detector.open(Path(text))


class _Source:
    """One repository at one revision, and its place in the cache."""

    def __init__(self, address: Address, token: str | None, cache_dir: Path | str | None) -> None:
        from huggingface_hub import constants
        from huggingface_hub.file_download import repo_folder_name

        self.address = address
        self.token = token
        self.cache = Path(cache_dir or constants.HF_HUB_CACHE).expanduser()
        self.folder = self.cache / repo_folder_name(repo_id=address.repo, repo_type="model")
        self.ref = self.folder / "refs" / (address.revision or constants.DEFAULT_REVISION)

    def find(self, *, local_files_only: bool, force_download: bool) -> Path:
        from huggingface_hub import constants

        cached = None if force_download else self._cached()
        if cached is not None and (self.address.commit or local_files_only):
            return cached
        if local_files_only or constants.is_offline_mode():
            if cached is not None:
                return cached
            why = "HF_HUB_OFFLINE is set" if constants.is_offline_mode() else "only the cache was to be used"
            raise HubError(
                f"{self.address} is not whole in the cache {self.cache}, and {why}; pull it once while online"
            )
        try:
            sizes, commit = self._ask()
        except Exception as error:
            if cached is None or not unreachable(error):
                raise
            said = explain(error, self.address)
            warnings.warn(f"{said}; going on with the cached copy of {self.address}, {cached.name}", stacklevel=3)
            return cached
        folder = self._download(commit, sizes, force=force_download)
        if not self.address.commit:
            write_text(self.ref, commit)
        return folder

    def _cached(self) -> Path | None:
        """The cached snapshot, if all of it is there and sound."""
        commit = self.address.commit or (self.ref.read_text().strip() if self.ref.is_file() else None)
        if commit is None:
            return None
        folder = self.folder / "snapshots" / commit
        try:
            records = _plain_files(read_spec(folder), self.address)
        except (ModelError, HubError):
            return None
        sound = _intact(folder / SPEC_FILE) and all(
            _intact(folder / name, content) for name, (content, _) in records.items()
        )
        return folder if sound else None

    def _ask(self) -> tuple[dict[str, int], str]:
        """The size of every file of the repository, and the commit that the revision stands for now."""
        from huggingface_hub import HfApi
        from huggingface_hub.errors import RevisionNotFoundError

        api = HfApi(token=self.token)
        repo, revision = self.address.repo, self.address.revision
        try:
            info = first_answer(lambda s: api.model_info(repo, revision=revision, files_metadata=True, timeout=s))
        except RevisionNotFoundError as error:
            refs = api.list_repo_refs(repo)
            names = ", ".join(ref.name for ref in [*refs.branches, *refs.tags])
            raise HubError(f"{repo} has no revision {revision!r}; it has {names}, or give a commit") from error
        return {file.rfilename: file.size or 0 for file in info.siblings or ()}, info.sha or ""

    def _download(self, commit: str, sizes: dict[str, int], *, force: bool) -> Path:
        """Fetch the spec, then what it names; sizes are compared with the Hub's before anything is fetched."""
        if SPEC_FILE not in sizes:
            raise ModelError(f"{self.address} holds no {SPEC_FILE}, so it is not a fakeimg detector")
        if sizes[SPEC_FILE] > MAX_SPEC_BYTES:
            raise ModelError(
                f"{self.address}: {SPEC_FILE} has {sizes[SPEC_FILE]:,} bytes; a real one has under {MAX_SPEC_BYTES:,}"
            )
        folder = self._fetch(SPEC_FILE, commit, force=force).parent
        records = _plain_files(read_spec(folder), self.address)
        for name, (_, size) in records.items():
            if name not in sizes:
                raise HubError(f"{self.address} lacks {name}, which its {SPEC_FILE} lists; take another revision")
            if sizes[name] != size:
                raise HubError(
                    f"{self.address}: {name} has {sizes[name]:,} bytes, not the {size:,} of {SPEC_FILE}; "
                    "it was not downloaded: take another revision"
                )
        for name, (content, _) in records.items():
            self._fetch(name, commit, content, force=force)
        if CARD_FILE in sizes and CARD_FILE not in records and sizes[CARD_FILE] <= MAX_SPEC_BYTES:
            self._fetch(CARD_FILE, commit, force=force)
        return folder

    def _fetch(self, name: str, commit: str, content: str | None = None, *, force: bool) -> Path:
        """One file, from the cache or the Hub; a bad copy is thrown away, so as to harm nobody, and asked for anew."""
        from huggingface_hub import hf_hub_download

        for _ in range(2):
            path = Path(
                hf_hub_download(
                    self.address.repo,
                    name,
                    revision=commit,
                    token=self.token,
                    cache_dir=self.cache,
                    force_download=force,
                )
            )
            if _intact(path, content):
                return path
            path.resolve().unlink(missing_ok=True)
            path.unlink(missing_ok=True)
        raise HubError(
            f"{self.address}: what was received as {name} is not the file that was published (its hash differs); "
            "it was thrown away: try again, and tell the author if it stays so"
        )


def _plain_files(spec: DetectorSpec, address: Address) -> dict[str, tuple[str, int]]:
    """SHA-256 and size by file name."""
    records = {name: (record.sha256, record.bytes) for name, record in spec.files.items()}
    for name in records:
        if not re.fullmatch(r"\w[\w.-]{0,99}", name, re.ASCII) or name == SPEC_FILE:
            raise HubError(
                f"{address}: {SPEC_FILE} lists {name!r}, which is no plain file name; it is not to be trusted"
            )
    if len(records) > MAX_FILES or sum(size for _, size in records.values()) > MAX_BYTES:
        raise HubError(
            f"{address}: {SPEC_FILE} lists more than {MAX_FILES} files or {MAX_BYTES:,} bytes; no detector has that"
        )
    return records


def _intact(path: Path, content: str | None = None) -> bool:
    """Whether a cached file has the SHA-256 `content`, and the hash that is its blob's name in the cache."""
    import hashlib

    if not path.is_file():
        return False
    name = path.resolve().name
    if re.fullmatch(r"[0-9a-f]{40}", name):
        blob = path.read_bytes()
        if hashlib.sha1(b"blob %d\0" % len(blob) + blob, usedforsecurity=False).hexdigest() != name:
            return False
    found = sha256(path)
    return (found == content or content is None) and (found == name or not re.fullmatch(r"[0-9a-f]{64}", name))


def _export(folder: Path, address: Address, out: Path) -> Path:
    """Copy a snapshot out of the cache, its spec last: a folder that has one is whole."""
    origin = _origin(address.at(folder.name))
    spec = read_spec(folder)
    if (out / SPEC_FILE).exists():
        if read_spec(out).hub == origin:
            return out
        raise HubError(f"{out} holds another detector; give a new folder")
    for name in [*spec.files, CARD_FILE]:
        if (folder / name).is_file():
            with replacing(out / name) as temporary:
                shutil.copyfile(folder / name, temporary)
    write_json(out / SPEC_FILE, spec.model_copy(update={"hub": origin}).model_dump(mode="json"))
    return out


def _origin(pinned: Address) -> dict[str, str]:
    """What a spec keeps of where its detector came from."""
    return {"repository": pinned.repo, "commit": pinned.revision or ""}
