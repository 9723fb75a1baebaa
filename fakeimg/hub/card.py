"""The model card: what a stranger must know of a detector before using it, written from its `fakeimg.json` alone.

Source: Mitchell et al. 2019, "Model cards for model reporting", FAT* 2019, for what belongs in it.
"""

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from fakeimg.errors import HubError
from fakeimg.hub.card_tables import (
    NOT_MEASURED,
    audit,
    by_attribute,
    by_source,
    overall,
    percent,
    stress,
    training_data,
)
from fakeimg.models.artifact import DetectorSpec

if TYPE_CHECKING:
    from huggingface_hub import ModelCardData

# The Hub refuses other licence names; these are the ones that models and their training data commonly have.
LICENCES = (
    *("apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "gpl-3.0", "lgpl-3.0", "agpl-3.0", "mpl-2.0", "unlicense"),
    *("cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "cc-by-nc-sa-4.0", "cc-by-nc-nd-4.0", "cc-by-nd-4.0"),
    *("openrail", "other", "unknown"),
)
MODEL_INDEX = {"accuracy": "Accuracy", "auc": "ROC AUC", "precision": "Precision", "recall": "Recall", "f1": "F1"}
TAGS = ["fakeimg", "keras", "deepfake-detection", "synthetic-image-detection", "image-forensics", "face"]


def has_metadata(card: str) -> bool:
    """Whether a card opens with a block of metadata, as one that was written for the Hub does."""
    return re.match(r"---\s*\n.*?\n---\s*(\n|$)", card, re.DOTALL) is not None


def check_metadata(card: str) -> None:
    """Check a card's metadata as far as that goes without the network.

    Raises:
        HubError: not a mapping, a licence that the Hub does not know, or results that are not a model index.
    """
    from huggingface_hub import ModelCard

    try:
        data = vars(ModelCard(card).data)
    except Exception as error:  # YAML's own errors have no common base with the client's
        reason = " ".join(str(error).split())
        raise HubError(f"the metadata of README.md cannot be read: {reason[:200]}") from error
    stated = data.get("license") or []
    for licence in [stated] if isinstance(stated, str) else stated:
        if licence not in LICENCES:
            raise HubError(f"README.md states the licence {licence!r}; the Hub knows {', '.join(LICENCES)}")
    if not all(isinstance(tag, str) for tag in data.get("tags") or []):
        raise HubError("README.md lists tags that are not words; quote them")


def render_card(spec: DetectorSpec, repo: str) -> str:
    """The model card of a detector: metadata for the Hub, then text for people.

    What was not measured is named as such; nothing is left out for want of a number.

    Args:
        spec: the content of `fakeimg.json`.
        repo: `owner/name`, for the lines that load it.
    """
    sections = (_opening(spec, repo), *_sections(spec, repo))
    body = "\n\n".join(section.strip() for section in sections)
    return f"---\n{metadata(spec, repo).to_yaml()}\n---\n\n{body}\n"


def metadata(spec: DetectorSpec, repo: str) -> "ModelCardData":
    """What the Hub reads: licence, library, task, tags, and the results as a model index."""
    from huggingface_hub import EvalResult, ModelCardData

    licence = spec.licence.strip().lower()
    stated = licence != DetectorSpec.model_fields["licence"].default
    known = licence in LICENCES
    results = []
    for name, title in MODEL_INDEX.items():
        rate = spec.metrics.get(name, {})
        if rate.get("value") is None:
            continue
        results.append(
            EvalResult(
                task_type="image-classification",
                task_name="Detection of AI-generated faces",
                dataset_type="custom",
                dataset_name=f"{spec.metrics.get('n', 0):,} labelled faces",
                dataset_args={"fingerprint": spec.metrics.get("data", {}).get("fingerprint", "")},
                metric_type="roc_auc" if name == "auc" else name,
                metric_name=f"{title} (95 % interval {rate['low']:.3f} to {rate['high']:.3f})",
                metric_value=round(rate["value"], 4),
            )
        )
    return ModelCardData(
        license=licence if known else "other" if stated else "unknown",
        license_name=re.sub(r"[^a-z0-9.]+", "-", licence).strip("-") if stated and not known else None,
        library_name="keras",
        pipeline_tag="image-classification",
        language="en",
        tags=[*TAGS, spec.architecture.backbone],
        metrics=["accuracy", "roc_auc"],
        model_name=repo.partition("/")[2] if results else None,
        eval_results=results or None,
    )


def _opening(spec: DetectorSpec, repo: str) -> str:
    height, width = spec.architecture.image_size
    photographs, *others = spec.architecture.class_names
    version = [spec.versions["fakeimg"]] if "fakeimg" in spec.versions else []
    return f"""
# {repo.partition("/")[2]}

Says of a picture of a face whether it is a photograph ("{photographs}") or was made by a generator
("{'", "'.join(others)}"). The network is {spec.architecture.backbone}, which sees {height} x {width} pixels and started
from {spec.started_from}. Made with {" ".join(["fakeimg", *version])} (`pip install fakeimg`).
"""


def _sections(spec: DetectorSpec, repo: str) -> Iterator[str]:
    yield f"""
## How to use it

```python
import fakeimg
detector = fakeimg.load("hf://{repo}")
print(detector.predict(["face.jpg"]).frame)
```

The same on the command line: `fakeimg detect face.jpg --model hf://{repo}`. Add `@` and a commit to the address to get
this very version for ever. Stock Keras opens it as well, `keras.saving.load_model("hf://{repo}")`: RGB from 0 to 255
in, the log-odds of "{spec.positive_class}" out; fakeimg adds the thresholds below, and checks every file first.
"""
    yield f"## When it says what\n\n{_operating_point(spec)}"
    yield f"## How right it is\n\n{overall(spec.metrics)}"
    yield f"### By source\n\n{by_source(spec.metrics)}"
    yield f"### By attribute\n\n{by_attribute(spec.metrics)}"
    yield f"## What a shortcut would score\n\n{audit(spec)}"
    yield f"## Under stress\n\n{stress(spec.stress)}"
    yield f"## What it was trained on\n\n{training_data(spec)}"
    yield """
## What it is for, and what not

For sorting many pictures so that a person looks at the right ones first, and for research on detection. It knows the
kinds of photographs and the generators named above. On others it can be wrong most of the time, with high confidence:
newer generators, other cameras, heavy compression, screenshots, edited photographs, pictures without a face.

A verdict is no proof. Never accuse, refuse or publish on its word alone. Before you rely on it, evaluate it on pictures
like yours (`fakeimg evaluate`), by group of people where it may matter (`fakeimg breakdown`), and under the compression
of your own channel (`fakeimg stress`).
"""
    licence = spec.licence if spec.licence != "not stated" else "Not stated: ask the author before you use it"
    yield f"## Licence\n\n{licence}. The pictures it was trained on have licences of their own."
    yield f"""
## Citation

```bibtex
@misc{{{re.sub(r"[^a-z0-9]+", "_", repo.lower())},
  title = {{{repo}: a detector of AI-generated faces}},
  year = {{{spec.created[:4] or "n.d."}}},
  howpublished = {{https://huggingface.co/{repo}}},
  note = {{made with fakeimg}}
}}
```
"""


def _operating_point(spec: DetectorSpec) -> str:
    point = spec.decision
    if point.threshold_real < point.threshold_fake:
        between = f"**inconclusive** between, and **real** below {point.threshold_real:.3f}"
    else:
        between = "**real** below"
    lines = [f"It says **fake** from a probability of {point.threshold_fake:.3f} on, {between}."]
    if point.threshold_fake > 1:
        lines = ["It never says **fake**: too few photographs were at hand to promise few enough false alarms."]
    if point.n_real or point.n_fake:
        images = f"{point.n_real:,} photographs and {point.n_fake:,} fakes"
        lines.append(f"These thresholds were chosen on {point.chosen_on}: {images}.")
    else:
        lines.append(f"These thresholds were {point.chosen_on}.")
    if point.max_false_alarms is not None:
        lines.append(f"The aim was that at most {100 * point.max_false_alarms:g} % of photographs are called fake.")
    measured: Mapping[str, Any] = spec.metrics.get("operating_point", {})
    if "false_alarms" in measured:
        lines.append(
            f"On the images of the next section it called {percent(measured['false_alarms'])} of photographs fake and "
            f"{percent(measured['misses'])} of fakes real; {percent(measured['inconclusive'])} stayed inconclusive."
        )
    for row in spec.metrics.get("prevalence", []):
        if row["prevalence"] == 0.01:
            lines.append(f'Where one picture in 100 is fake, its "fake" is right in {percent(row["ppv"])} of cases.')
    return " ".join(lines) if spec.operating_point else f"{NOT_MEASURED} The convention of one half is used."
