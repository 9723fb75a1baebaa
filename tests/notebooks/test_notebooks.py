"""The notebooks run from start to end, use public names alone, and stay small."""

import re
from pathlib import Path

import nbformat
import pytest

import fakeimg

NOTEBOOKS = sorted((Path(__file__).resolve().parents[2] / "notebooks").glob("*.ipynb"))
LARGEST = 900_000


def source(notebook: Path) -> str:
    cells = nbformat.read(notebook, as_version=4).cells
    return "\n".join(cell.source for cell in cells if cell.cell_type == "code")


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs_from_start_to_end(notebook: Path, tmp_path: Path) -> None:
    from nbclient import NotebookClient

    cells = nbformat.read(notebook, as_version=4)
    NotebookClient(cells, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_uses_public_names_alone_and_is_small(notebook: Path) -> None:
    code = source(notebook)
    used = set(re.findall(r"\bfakeimg\.(\w+)", code))
    assert used
    assert used <= set(fakeimg.__all__)
    assert not re.search(r"from fakeimg|import fakeimg\.", code)
    assert notebook.stat().st_size < LARGEST


def test_there_are_four() -> None:
    assert [path.stem[:2] for path in NOTEBOOKS] == ["01", "02", "03", "04"]
