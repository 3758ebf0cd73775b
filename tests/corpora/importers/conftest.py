"""A folder of recordings to which tests add what importers read."""

import shutil
from pathlib import Path

import importer_formats
import pytest
from importer_formats import FORMATS, SET, Format

from asr.corpora.importers.folder import Wishes, look


@pytest.fixture(scope="session")
def masters(tmp_path_factory):
    folder = tmp_path_factory.mktemp("masters")
    for i, said in enumerate(SET):
        importer_formats.record(folder / f"{said.stem}.wav", said.seconds, seed=i)
    return folder


@pytest.fixture
def mine(tmp_path, masters) -> Path:
    """A folder with the recordings and nothing else."""
    return Path(shutil.copytree(masters, tmp_path / "mine"))


@pytest.fixture(params=FORMATS.values(), ids=FORMATS)
def form(request) -> Format:
    """Each format in turn."""
    return request.param


@pytest.fixture
def formats():
    return FORMATS


@pytest.fixture
def tiny():
    return SET


@pytest.fixture
def record():
    return importer_formats.record


@pytest.fixture
def write():
    return importer_formats.write


@pytest.fixture
def write_json():
    return importer_formats.write_json


@pytest.fixture
def fill():
    """Write a recording for each name."""
    record = importer_formats.record
    return lambda root, *stems, seconds=0.4: [record(root / f"{stem}.wav", seconds, seed=7) for stem in stems]


@pytest.fixture
def read():
    """Return everything that a folder says, in one list, and the corpus."""

    def everything(root, **wishes):
        imported = look(root, Wishes(**wishes))
        found = [utterance for utterances in imported.sets.values() for utterance in utterances]
        return sorted(found, key=lambda u: u.id), imported

    return everything
