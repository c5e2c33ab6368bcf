"""A network as torch's exported program: written right after its training, read back, without pickle."""

import io
import pickletools
import zipfile
from pathlib import Path

import numpy as np
import pytest

from mlcycle import models
from mlcycle.models.base import Model
from mlcycle.models.export import made
from mlcycle.models.export.forms import network_of
from mlcycle.models.export.graphs import NotConverted
from mlcycle.models.export.program import program, said
from mlcycle.project.export import Export
from tests.table_job import fit, job, rows


@pytest.fixture(scope="module", params=["mlp", "deep_cross"])
def network(request: pytest.FixtureRequest) -> Model:
    return fit(request.param, job())


def test_an_exported_program_says_the_same_and_holds_no_pickle(network: Model) -> None:
    data = program(network)
    for count in (1, 3, 1000):
        frame = rows(count, 8).frame
        found = said(data, **network_of(network).inputs(frame))
        assert np.allclose(found, network.predict(frame), rtol=0, atol=1e-5)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for info in archive.infolist():
            assert not pickled(archive.read(info)), info.filename


def pickled(data: bytes) -> bool:
    """Whether these bytes, or a file of an archive in them, begin as pickle does."""
    if zipfile.is_zipfile(io.BytesIO(data)):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return any(pickled(archive.read(info)) for info in archive.infolist())
    if data[:1] != b"\x80":
        return False
    try:
        return bool(list(pickletools.genops(data)))
    except ValueError:
        return False


def test_a_network_that_was_loaded_has_no_program_any_more(network: Model, tmp_path: Path) -> None:
    models.save(network, tmp_path)
    with pytest.raises(NotConverted, match="right after its training alone"):
        program(models.load(tmp_path))


def test_it_is_written_with_how_near_it_is(network: Model, tmp_path: Path) -> None:
    later = job().validation.whole()
    (one,) = made.write(network, Export(exported_program=True), later.frame, lambda said: {}, tmp_path)
    assert (one.reason, one.facts["file"]) == ("", "export/model.pt2")
    assert one.facts["worst"] <= 1e-5
    data = (tmp_path / "export" / "model.pt2").read_bytes()
    own = network.predict(later.frame)
    assert np.allclose(said(data, **network_of(network).inputs(later.frame)), own, rtol=0, atol=1e-5)
