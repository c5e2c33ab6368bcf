from pathlib import Path

import numpy as np
import pytest

from mlcycle import models
from mlcycle.domain.evaluation.calibrator import Method, fit
from mlcycle.errors import IntegrityError
from mlcycle.models.calibrated import FILE, Calibrated, calibrator_of
from mlcycle.models.linear import Linear
from tests.table_job import job


def made(method: Method) -> Calibrated:
    on = job(count=300)
    model = Linear.fit(on, models.parse_params("linear", {}), "linear")
    later = on.validation.whole()
    return Calibrated(model, fit(method, later.labels, model.predict(later.frame)))


@pytest.mark.parametrize("method", ["platt", "isotonic"])
def test_a_calibrated_model_comes_back_as_it_was(method: Method, tmp_path: Path) -> None:
    model, frame = made(method), job().validation.whole().frame
    models.save(model, tmp_path)
    found = models.load(tmp_path)
    assert calibrator_of(found) == model.calibrator
    np.testing.assert_array_equal(found.predict(frame), model.predict(frame))
    assert not np.allclose(found.predict(frame), model.model.predict(frame))
    assert found.requires == model.model.requires
    assert np.isfinite(np.log(found.predict(frame))).all()  # no probability is nought


def test_a_model_without_a_curve_has_none(tmp_path: Path) -> None:
    model = made("platt").model
    models.save(model, tmp_path)
    assert not (tmp_path / FILE).exists()
    assert calibrator_of(models.load(tmp_path)) is None


@pytest.mark.parametrize(
    "text", ["{", '{"method": "platt", "slope": -2}', "\udcff"], ids=["cut", "falls", "bytes"]
)
def test_a_curve_that_was_changed_is_refused(text: str, tmp_path: Path) -> None:
    models.save(made("platt"), tmp_path)
    (tmp_path / FILE).write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(IntegrityError, match="calibration curve"):
        models.load(tmp_path)


def test_a_link_for_a_curve_is_refused(tmp_path: Path) -> None:
    models.save(made("platt"), tmp_path / "model")
    (tmp_path / "model" / FILE).rename(tmp_path / "elsewhere")
    (tmp_path / "model" / FILE).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(IntegrityError, match="link"):
        models.load(tmp_path / "model")
