"""Gradient-boosted trees by LightGBM, kept in its own text format.

G. Ke et al., "LightGBM: A Highly Efficient Gradient Boosting Decision Tree", NeurIPS 2017. Needs the extra
``lightgbm`` where a model is trained, and where it predicts. A ranking is learnt by lists: C. Burges, "From
RankNet to LambdaRank to LambdaMART: An Overview", MSR-TR-2010-82, or by XE-NDCG (S. Bruch, 2021).
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Literal, Self

import numpy as np
from pydantic import Field

from mlcycle.domain.examples import Rows
from mlcycle.domain.listed import together
from mlcycle.domain.metrics import Array
from mlcycle.domain.quantiles import word
from mlcycle.errors import ConfigError, InputError, IntegrityError
from mlcycle.models.base import Card, Job, Model, Params
from mlcycle.models.boosting_rounds import Together
from mlcycle.models.encoder import Encoder
from mlcycle.models.kept import Kept
from mlcycle.models.matrix import columns_of, in_chunks, matrix
from mlcycle.models.quantile_models import QuantileModel
from mlcycle.models.text_column import FACTORS

WEIGHTS: Final = "model.txt"
#: Trained in stretches of so many rounds, each from the model that the last one left: what a retry reads off
#: a checkpoint is then what an undisturbed fit goes on from, to the last digit.
ROUNDS: Final = 50
LONGEST: Final = 10_000  # LightGBM's own limit on a list
ONE_THREAD: Final = 4096  # rows up to which more threads only wait for each other


class LightgbmParams(Params):
    """Parameters of LightGBM under their own names.

    ``early_stopping`` stops once the loss on the later validation rows has not improved for ``patience``
    rounds, and keeps the trees up to the best. ``objective`` is of a ranking alone: by lists, or
    ``regression`` of each row's grade.
    """

    learning_rate: float = Field(0.1, gt=0, le=1)
    num_iterations: int = Field(100, ge=1, le=100_000)
    num_leaves: int = Field(31, ge=2, le=10_000)
    max_depth: int = Field(-1, ge=-1, le=100)
    min_data_in_leaf: int = Field(20, ge=1)
    lambda_l1: float = Field(0.0, ge=0)
    lambda_l2: float = Field(0.0, ge=0)
    feature_fraction: float = Field(1.0, gt=0, le=1)
    bagging_fraction: float = Field(1.0, gt=0, le=1)
    bagging_freq: int = Field(0, ge=0)
    max_bin: int = Field(255, ge=2, le=65_535)
    cat_smooth: float = Field(10.0, ge=0)
    cat_l2: float = Field(10.0, ge=0)
    objective: Literal["lambdarank", "rank_xendcg", "regression"] = "lambdarank"  # of a ranking alone
    early_stopping: bool = False
    patience: int = Field(20, ge=1)


class Lightgbm(QuantileModel):
    """LightGBM's booster, or one for each quantile; missing numbers are a branch of their own."""

    Parameters = LightgbmParams
    libraries = ("numpy", "pandas", "lightgbm")
    many_classes = True

    def __init__(self, card: Card, text: str, *more: str) -> None:
        super().__init__(card)
        self._text, self._texts = text, (text, *more)
        self._boosters = [_library().Booster(model_str=each) for each in self._texts]
        self._booster = self._boosters[0]

    @classmethod
    def fit(cls, job: Job, params: LightgbmParams, name: str) -> Self:
        """Fit in stretches; the losses of each round are reported as they come."""
        train, validation = job.train.whole(), job.validation.whole()
        start = job.start if isinstance(job.start, cls) else None
        if start is None:
            encoder = Encoder.fit(
                train.frame, job.categorical, job.numeric, job.text, limit=10_000, factors=FACTORS
            )
        else:  # its trees know categories by these codes
            encoder = start.card.encoder
        before = "" if start is None else start._text
        if job.quantiles:
            return cls._of_levels(job, params, encoder, (train, validation), name)
        state = _train(job, params, encoder, (train, validation), before)
        rounds = state.best if params.early_stopping and job.rounds is None else state.done
        grown = 0 if start is None else start._booster.current_iteration()
        text = _library().Booster(model_str=state.text).model_to_string(num_iteration=grown + rounds)
        return cls(Card.of(job, name, params, encoder, cls.libraries, rounds), text)

    @classmethod
    def _of_levels(
        cls, job: Job, params: LightgbmParams, encoder: Encoder, rows: tuple[Rows, Rows], name: str
    ) -> Self:
        """A booster for each quantile, each a fit of its own; rounds are reported once all have ended."""
        together, texts, rounds = Together(job.report), list[str](), dict[str, int]()
        for at, level in enumerate(job.quantiles):
            own = replace(
                job,
                report=together.of(at, len(job.quantiles)),
                rounds=job.member_rounds.get(word(level)) or job.rounds,
            )
            state = _train(own, params, encoder, rows, "", level)
            rounds[word(level)] = state.best if params.early_stopping and job.rounds is None else state.done
            booster = _library().Booster(model_str=state.text)
            texts.append(booster.model_to_string(num_iteration=rounds[word(level)]))
        together.tell()
        card = Card.of(job, name, params, encoder, cls.libraries, max(rounds.values()), rounds)
        return cls(card, *texts)

    @classmethod
    def start_problem(cls, job: Job, params: LightgbmParams, start: Model) -> str:
        """Nothing: more trees are grown below the model's, by its codes of categories."""
        if job.quantiles or start.card.quantiles:
            return "of quantiles each level is a booster of its own: it has no way to go on from them"
        return "" if isinstance(start, cls) else f"it is a {type(start).__name__}"

    def predict(self, frame: Any) -> Array:
        """Probability of the positive class, those of all classes, or the value."""
        if not len(frame):
            return self.nothing
        if self.card.quantiles:
            return self.median(frame)
        return in_chunks(frame, self._predict)

    def _predict(self, frame: Any) -> Array:
        threads = 1 if len(frame) <= ONE_THREAD else 0
        found = self._booster.predict(matrix(self.card.encoder, frame), num_threads=threads)
        return np.asarray(found, dtype=np.float64)

    def raw(self, frame: Any) -> Array:
        """(n, q), a booster a level."""
        if not len(frame):
            return np.empty((0, len(self.card.quantiles)))
        return in_chunks(frame, self._raw)

    def _raw(self, frame: Any) -> Array:
        rows, threads = matrix(self.card.encoder, frame), 1 if len(frame) <= ONE_THREAD else 0
        said = [each.predict(rows, num_threads=threads) for each in self._boosters]
        return np.stack([np.asarray(each, dtype=np.float64) for each in said], axis=1)

    def write(self, folder: Path) -> None:
        """Write the trees as text; of quantiles a file for each level."""
        for file, text in zip(_files(self.card), self._texts, strict=True):
            (folder / file).write_text(text, encoding="utf-8")

    @classmethod
    def read(cls, folder: Path, card: Card) -> Self:
        """Read the trees."""
        path, texts = folder / WEIGHTS, list[str]()
        try:
            for file in _files(card):
                path = folder / file
                texts.append(text := path.read_text(encoding="utf-8"))
                # LightGBM 4.7 reads a text that was cut off as a model with fewer trees, or dies of it.
                if (
                    not text.startswith("tree\n")
                    or "\nend of trees\n" not in text
                    or "\nend of parameters\n" not in text
                ):
                    raise ValueError("the text is not whole")
            model = cls(card, *texts)
            columns = columns_of(card.encoder)
            for booster in model._boosters:
                if booster.num_feature() != columns:
                    raise ValueError(f"it takes {booster.num_feature()} columns, the card has {columns}")
        except ConfigError:
            raise
        except Exception as error:  # noqa: BLE001 - LightGBM has a kind of its own
            raise IntegrityError(f"{path} is not a LightGBM model: {error}") from None
        return model


def _files(card: Card) -> list[str]:
    return [f"quantile_{word(level)}.txt" for level in card.quantiles] or [WEIGHTS]


class _State:
    """How far a fit has come: the model's text, and the losses on validation by round."""

    def __init__(self, text: str = "", later: list[float] | None = None) -> None:
        self.text = text
        self.later = later or []
        self.stopped = False

    @property
    def done(self) -> int:
        return len(self.later)

    @property
    def best(self) -> int:
        return int(np.argmin(self.later)) + 1

    @classmethod
    def resumed(cls, kept: Kept) -> Self:
        """What a dead attempt left; nothing where that cannot be read."""
        if kept.file is None:
            return cls()
        try:
            found = json.loads(kept.file.read_text(encoding="utf-8"))
            return cls(str(found["text"]), [float(loss) for loss in found["later"]])
        except (OSError, ValueError, KeyError, TypeError):
            return cls()

    def write(self, path: Path) -> None:
        path.write_text(json.dumps({"text": self.text, "later": self.later}), encoding="utf-8")


def _train(
    job: Job,
    params: LightgbmParams,
    encoder: Encoder,
    rows: tuple[Rows, Rows],
    before: str,
    level: float = 0,
) -> _State:
    """The rounds of a fit, grown on the trees of a model's text ``before``, if there are any.

    ``level`` is of the quantile that it is to say; 0: none.
    """
    lightgbm = _library()
    train, validation = rows
    classifies = job.kind.classifies
    many = {"objective": "multiclass", "metric": "multi_logloss", "num_class": len(job.classes)}
    two = {"objective": "binary", "metric": "binary_logloss"}
    number: dict[str, Any] = {"objective": "regression", "metric": "l2"}
    if level:
        number = {"objective": "quantile", "metric": "quantile", "alpha": level}
    by_lists = job.kind.lists and params.objective != "regression"
    own = {"seed", "num_iterations", "early_stopping", "patience", "objective"}
    options = {
        **params.model_dump(exclude=own),
        **(many if job.kind.many else two if classifies else number),
        **(_of_lists(params.objective, rows) if by_lists else {}),
        "num_threads": job.threads,
        "deterministic": True,
        "force_row_wise": True,
        "verbosity": -1,
    }
    codes = list(range(len(job.categorical)))

    def data(given: Rows, reference: Any = None) -> Any:
        values, sizes = matrix(encoder, given.frame), None
        labels, weights = np.asarray(given.labels), given.weights
        if by_lists:  # the rows of a list must lie together
            order, sizes = together(given.labels)
            if sizes.max() > LONGEST:
                raise InputError(
                    f"a list has {sizes.max()} rows, and LightGBM learns lists of {LONGEST} at the most: let "
                    "label.group make shorter ones, or say objective: regression"
                )
            values, labels = values[order], labels[order]
            weights = None if weights is None else weights[order]
        return lightgbm.Dataset(
            values,
            labels,
            weight=weights,
            group=sizes,
            categorical_feature=codes,
            reference=reference,
            free_raw_data=False,
        )

    learnt = data(train)
    watched = data(validation, learnt)
    last = job.rounds or params.num_iterations
    stops = params.early_stopping and job.rounds is None
    facts = f"{params.model_dump_json()} {train.count} {job.rounds}" + (
        f" {job.started_from}" if before else ""
    )
    kept = Kept(job.checkpoints, "lightgbm", f"{facts} {level}" if level else facts)
    state = _State.resumed(kept)

    def told(env: Any) -> None:
        # NDCG is the better the higher, a loss the lower.
        losses = {part: 1 - value if by_lists else value for part, _, value, _ in env.evaluation_result_list}
        state.later.append(losses["validation"])
        named = {f"{part}_loss": value for part, value in losses.items()}
        ended = stops and state.done - state.best >= params.patience
        if job.report(state.done, state.done if ended else last, named):
            state.stopped = True
        if state.stopped or ended:
            state.stopped = True
            raise lightgbm.callback.EarlyStopException(env.iteration, env.evaluation_result_list)

    while state.done < last and not state.stopped:
        booster = lightgbm.train(
            {**options, "seed": params.seed + state.done},
            learnt,
            min(ROUNDS, last - state.done),
            valid_sets=[learnt, watched],
            valid_names=["train", "validation"],
            init_model=lightgbm.Booster(model_str=grown) if (grown := state.text or before) else None,
            callbacks=[told],
        )
        state.text = booster.model_to_string(num_iteration=-1)
        if not state.stopped:
            kept.keep(state.write)
    return state


def _of_lists(objective: str, rows: tuple[Rows, Rows]) -> dict[str, Any]:
    """A list-wise objective that gains what our NDCG gains: a row's grade, not a power of it."""
    grades = int(max(given.labels.max() for given in rows)) + 1
    return {
        "objective": objective,
        "metric": "ndcg",
        "eval_at": [10],
        "label_gain": list(range(grades)),
    }


def _library() -> Any:
    try:
        import lightgbm
    except (ImportError, OSError) as error:
        raise ConfigError(
            f"family lightgbm cannot load its library ({error}): install mlcycle[lightgbm], and libgomp1 "
            "where the system has none"
        ) from None
    return lightgbm
