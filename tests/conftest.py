"""Settings that every test runs under, and the fixtures that several rooms share."""

import os
from pathlib import Path

# Before any library reads them: no GPU, no window, no chatter.
os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ["MPLBACKEND"] = "Agg"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import pytest

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def _cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _cache_of_the_tests(_cache_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests neither read nor fill the user's own cache."""
    monkeypatch.setenv("FAKEIMG_CACHE", str(_cache_folder))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real photographs and generated faces, where they are at hand; they are not part of the project."""
    if not (SHARED_DATA / "faces" / "manifest.csv").is_file():
        pytest.skip("needs the development images in ../shared/data, which are not part of the project")
    return SHARED_DATA
