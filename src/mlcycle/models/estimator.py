"""Any estimator as scikit-learn has them: fitted on encoded rows or on the frame itself, kept with skops.

``models.brought`` makes a class of this for what a project names: ``sklearn.svm.SVC``, or a function of its
own that returns a pipeline.
"""

import inspect
from collections.abc import Callable, Iterable
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any, ClassVar, Final, Literal, Self

import numpy as np

from mlcycle.domain.metrics import Array
from mlcycle.domain.tasks import task_of
from mlcycle.errors import ConfigError, InputError, IntegrityError
from mlcycle.models import skops_file
from mlcycle.models.base import Card, Job, Model, Params, curve_loss
from mlcycle.models.classes import of_estimator
from mlcycle.models.encoder import Encoder
from mlcycle.models.matrix import matrix
from mlcycle.models.one_hot import one_hot
from mlcycle.models.text_column import FACTORS
from mlcycle.project_code import PREFIX, current, said

WEIGHTS: Final = "model.skops"
DENSE_CELLS: Final = 50_000_000  # one-hot rows of more are sparse, which not every estimator takes
CURVE_ROWS: Final = 20_000
#: Packages whose types every file may hold; an estimator's own come on top.
USUAL: Final = frozenset({"builtins", "collections", "numpy", "scipy", "sklearn"})


class EstimatorParams(Params):
    """``encode``: what the estimator is given. ``one_hot``: numbers standardised, missing 0 beside a flag,
    and a column for each category; ``codes``: a number for each category, missing numbers NaN; ``frame``: the
    pandas frame of the inputs. ``auto`` is the frame for a function's pipeline, codes for what takes NaN,
    else one-hot.
    """

    encode: Literal["auto", "one_hot", "codes", "frame"] = "auto"


class Estimator(Model):
    """An estimator that ``make`` makes of the parameters."""

    Parameters = EstimatorParams
    libraries = ("numpy", "pandas", "scikit-learn", "skops")
    many_classes = True
    make: ClassVar[Callable[..., Any]]

    def __init__(self, card: Card, estimator: Any, encode: str) -> None:
        super().__init__(card)
        self._estimator, self._encode = estimator, encode

    @classmethod
    def needs(cls, make: Callable[..., Any]) -> tuple[str, ...]:
        """Distributions of the package that ``make`` is of, beside our own."""
        package = (make.__module__ or "").partition(".")[0]
        found = () if package.startswith(PREFIX) else packages_distributions().get(package, ())
        return tuple(dict.fromkeys([*Estimator.libraries, *found]))

    @classmethod
    def fit(cls, job: Job, params: EstimatorParams, name: str) -> Self:
        """Fit in one call; there is one round. Raises ConfigError for what the estimator refuses."""
        from threadpoolctl import threadpool_limits

        train, validation = job.train.whole(), job.validation.whole()
        estimator = cls._made(params, job)
        _check_able(name, estimator, job)
        encode = params.encode if params.encode != "auto" else _usual(cls.make, estimator)
        factors = FACTORS if encode == "codes" else 0
        encoder = Encoder.fit(train.frame, job.categorical, job.numeric, job.text, factors=factors)
        weights = _weights(name, estimator, train.weights)
        target = train.labels.astype(np.int64) if job.kind.classifies else train.labels
        with threadpool_limits(limits=job.threads):
            try:
                estimator.fit(_given(encode, encoder, train.frame), target, **weights)
            except (MemoryError, KeyboardInterrupt):
                raise
            except Exception as error:  # noqa: BLE001 - whatever somebody's estimator raises
                raise ConfigError(
                    f"model family {name!r}, given {encode}, cannot be fitted: {said(error)}"
                ) from None
        card = Card.of(job, name, params, encoder, cls.libraries)
        model = cls(card, estimator, encode)
        model._check_kept(job.checkpoints)
        told = {}
        for part, rows in (("train", train), ("validation", validation)):
            shown = np.linspace(0, rows.count - 1, min(rows.count, CURVE_ROWS)).astype(int)
            predicted = model.predict(rows.frame.iloc[shown])
            told[f"{part}_loss"] = curve_loss(job.task, rows.labels[shown], predicted)
        job.report(1, 1, told)
        return model

    @classmethod
    def _made(cls, params: EstimatorParams, job: Job) -> Any:
        given = {key: getattr(params, key) for key in type(params).model_fields if key != "encode"}
        seed = given.pop("seed")
        takes = inspect.signature(cls.make).parameters
        for name in ("random_state", "seed"):
            if name in takes and given.get(name) is None:
                given[name] = seed
        if "n_jobs" in takes and given.get("n_jobs") is None:
            given["n_jobs"] = job.threads
        try:
            return cls.make(**given)
        except Exception as error:  # noqa: BLE001 - whatever somebody's code raises
            raise ConfigError(f"the estimator cannot be made of its parameters: {said(error)}") from None

    def predict(self, frame: Any) -> Array:
        """Probability of the positive class, those of all, or the value."""
        if not len(frame):  # scikit-learn refuses to predict nothing
            return self.nothing
        kind, rows = task_of(self.card.task), _given(self._encode, self.card.encoder, frame)
        if not kind.classifies:
            return np.asarray(self._estimator.predict(rows), dtype=np.float64).reshape(len(frame))
        found = np.asarray(self._estimator.predict_proba(rows))
        return of_estimator(kind.many, found, self._estimator.classes_, len(self.card.classes))

    def write(self, folder: Path) -> None:
        """Write the estimator, and how it is given rows."""
        skops_file.write(self._estimator, folder / WEIGHTS)
        (folder / "encode.txt").write_text(self._encode, encoding="utf-8")

    @classmethod
    def read(cls, folder: Path, card: Card) -> Self:
        """Read the estimator; a file that holds types of other packages is refused."""
        path = folder / WEIGHTS
        allowed = USUAL | {_package(cls.make), *([current().package] if current().files else [])}
        foreign = [name for name in skops_file.types(path) if name.partition(".")[0] not in allowed]
        if foreign:
            raise IntegrityError(f"{path} holds {', '.join(sorted(foreign))}, which its estimator has not")
        try:
            encode = (folder / "encode.txt").read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise IntegrityError(f"{folder} does not say how rows are encoded: {error}") from None
        if encode not in ("one_hot", "codes", "frame"):
            raise IntegrityError(f"{folder / 'encode.txt'} says {encode[:40]!r}: no way to encode rows")
        found = skops_file.read(path, tuple(skops_file.types(path)), "scikit-learn")
        return cls(card, found, encode)

    def _check_kept(self, folder: Path | None) -> None:
        """Raise ConfigError where the estimator cannot be kept without pickle: better now than at its end."""
        import tempfile

        with tempfile.TemporaryDirectory(dir=folder) as place:
            try:
                self.write(Path(place))
                type(self).read(Path(place), self.card)
            except Exception as error:  # noqa: BLE001 - skops has a kind for each thing it cannot keep
                raise ConfigError(
                    f"model family {self.card.family!r} cannot be kept without pickle: {said(error)}: "
                    "write a mlcycle Model that writes its own file"
                ) from None


def _package(make: Callable[..., Any]) -> str:
    return (make.__module__ or "").partition(".")[0]


def _usual(make: Callable[..., Any], estimator: Any) -> str:
    if not isinstance(make, type):
        return "frame"
    from sklearn.utils import get_tags

    try:
        takes_nan = bool(get_tags(estimator).input_tags.allow_nan)
    except Exception:  # noqa: BLE001 - an estimator of a version without tags
        takes_nan = False
    return "codes" if takes_nan else "one_hot"


def _given(encode: str, encoder: Encoder, frame: Any) -> Any:
    if encode == "codes":
        return matrix(encoder, frame)
    if encode == "one_hot":
        rows = one_hot(encoder, frame)
        return rows.toarray() if rows.shape[0] * rows.shape[1] <= DENSE_CELLS else rows
    columns = [*encoder.categories, *encoder.numeric, *encoder.texts]
    if missing := [name for name in columns if name not in frame.columns]:
        raise InputError(f"input column {missing[0]!r} is missing: the rows have {', '.join(frame.columns)}")
    return frame[columns].reset_index(drop=True)


def _check_able(name: str, estimator: Any, job: Job) -> None:
    wanted: Iterable[str] = ("fit", "predict_proba") if job.kind.classifies else ("fit", "predict")
    if missing := [each for each in wanted if not hasattr(estimator, each)]:
        advice = ": give it probability=true, or wrap it in CalibratedClassifierCV"
        raise ConfigError(
            f"model family {name!r} makes {type(estimator).__name__}, which has no {missing[0]}"
            f"{advice if missing[0] == 'predict_proba' else ''}"
        )


def _weights(name: str, estimator: Any, weights: Array | None) -> dict[str, Array]:
    if weights is None:
        return {}
    from sklearn.utils.validation import has_fit_parameter

    if has_fit_parameter(estimator, "sample_weight"):
        return {"sample_weight": weights}
    if np.all(weights == weights[0]):
        return {}
    raise ConfigError(
        f"model family {name!r} knows no sample_weight, and rows weigh differently here (training.weight, "
        "class_weight, counts): choose another family, or take the weights out"
    )
