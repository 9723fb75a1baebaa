"""Publishing a detector: one commit, made only if nobody else changed the repository meanwhile."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fakeimg.errors import HubError
from fakeimg.hub.card import check_metadata, has_metadata, render_card
from fakeimg.hub.client import Address, first_answer, translated
from fakeimg.hub.evidence import own_evaluation, record_evidence
from fakeimg.models.artifact import CARD_FILE, SPEC_FILE, read_spec, verify

if TYPE_CHECKING:
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import ModelInfo


@dataclass(frozen=True)
class PushResult:
    """Where a detector was published.

    Attributes:
        url: page of the commit, or of the pull request.
        commit: full id; `hf://owner/name@commit` opens these very files for ever.
    """

    url: str
    commit: str


def push(
    model_dir: Path | str,
    repo: str,
    *,
    public: bool = False,
    commit_message: str | None = None,
    token: str | None = None,
    tag: str | None = None,
    parent_commit: str | None = None,
    create_pr: bool = False,
    evaluation: Path | str | None = None,
    audit: Path | str | None = None,
    stress: Path | str | None = None,
) -> PushResult:
    """Publish the detector in a folder on the Hugging Face Hub.

    What was measured of it is recorded in its `fakeimg.json` first, and the model card is written from that; a
    README.md that opens with metadata of its own (a `---` block) is published as it is. Pushing the same files again
    makes no commit.

    Args:
        model_dir: a folder that `Detector.save` wrote.
        repo: `owner/name`; made when it does not exist.
        public: let everybody see it. A new repository is private otherwise; an existing one stays as it is.
        commit_message: what this version is.
        token: of a Hugging Face account that may write; HF_TOKEN or the stored one when None.
        tag: a name for this version, such as "v1.0", that is not taken yet.
        parent_commit: push only if this is still the newest commit; what is newest when the push starts when None.
        create_pr: propose the commit as a pull request instead.
        evaluation: the folder that `fakeimg evaluate` wrote; the newest one inside `model_dir` when None.
        audit: the file or folder that `fakeimg audit` wrote about the training data.
        stress: the folder that `fakeimg stress` wrote.
    Raises:
        ModelError: no detector in the folder, or a damaged one.
        HubError: not allowed, not reachable, or the repository changed meanwhile; nothing was published then.
    """
    from huggingface_hub import CommitOperationAdd, HfApi

    address = Address.parse(repo)
    if address.revision is not None:
        raise HubError(
            f"a push makes a new commit, so {repo!r} cannot name one; give {address.repo}, and a tag if you like"
        )
    if tag is not None:
        Address.parse(repo, tag)  # refuses what cannot be one
    if parent_commit is not None and address.at(parent_commit).commit is None:
        raise HubError(f"{parent_commit!r} is no commit of {address.repo}; give its full id of 40 digits")
    folder = Path(model_dir)
    spec = read_spec(folder)
    verify(folder, spec)
    evaluation = evaluation or own_evaluation(folder)
    if evaluation or audit or stress:
        spec = record_evidence(folder, evaluation=evaluation, audit=audit, stress=stress)
    card = (folder / CARD_FILE).read_text(encoding="utf-8") if (folder / CARD_FILE).is_file() else ""
    if not has_metadata(card):
        card = render_card(spec, address.repo)
    check_metadata(card)
    operations = [CommitOperationAdd(name, folder / name) for name in [*spec.files, SPEC_FILE]]
    operations.append(CommitOperationAdd(CARD_FILE, card.encode()))
    with translated(address):
        api = HfApi(token=token)
        info = _prepare(api, address, tag, public=public, create=not create_pr)
        commit = api.create_commit(
            address.repo,
            operations,
            commit_message=commit_message or f"Publish a {spec.architecture.backbone} detector",
            parent_commit=parent_commit or info.sha,
            create_pr=create_pr,
        )
        if tag is not None:
            api.create_tag(address.repo, tag=tag, revision=commit.oid)
        if public and info.private:
            api.update_repo_settings(address.repo, private=False)
    return PushResult(commit.pr_url or commit.commit_url, commit.oid)


def _prepare(api: "HfApi", address: Address, tag: str | None, *, public: bool, create: bool) -> "ModelInfo":
    """The repository as it is now, made if need be; everything that can fail before the upload fails here."""
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    try:
        info = first_answer(lambda seconds: api.model_info(address.repo, timeout=seconds))
    except RepositoryNotFoundError as error:
        if isinstance(error, GatedRepoError) or not create:
            raise
        api.create_repo(address.repo, private=not public)
        return api.model_info(address.repo)
    if tag is not None:
        taken = {ref.name for ref in api.list_repo_refs(address.repo).tags}
        if tag in taken:
            raise HubError(
                f"{address.repo} has a tag {tag!r} already (its tags: {', '.join(sorted(taken))}); give another"
            )
    return info
