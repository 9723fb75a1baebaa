"""The model card."""

from fakeimg.models.artifact import DetectorSpec


def has_metadata(card: str) -> bool:
    """Whether a card opens with a block of metadata, so that somebody has written it with care."""
    return card.startswith("---\n") and "\n---\n" in card[4:]


def render_card(spec: DetectorSpec, repo: str) -> str:
    """The card."""
    return f"---\nlicense: apache-2.0\nlibrary_name: keras\n---\n# {repo}\n"
