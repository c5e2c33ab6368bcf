"""Networks for tables: each learns, is kept as a graph, and says something sensible of what it has not seen."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from mlcycle import models
from mlcycle.domain.examples import Rows
from mlcycle.domain.metrics import rmse, roc_auc
from mlcycle.errors import ConfigError
from mlcycle.models.base import Job, Model
from mlcycle.models.encoder import Encoder
from mlcycle.models.torch.blocks import Dropout, Embeddings, embedding_widths
from mlcycle.models.torch.columns import Columns
from tests.table_job import CATEGORICAL, NUMERIC, fit, job, said

CASES = [(f, t) for f in ("mlp", "wide_and_deep", "dlrm") for t in ("classification", "regression")]
Case = tuple[str, Job, Model]


@pytest.fixture(scope="module", params=CASES, ids=["-".join(case) for case in CASES])
def case(request: pytest.FixtureRequest) -> Case:
    family, task = request.param
    return family, job(task), fit(family, job(task))


def test_it_predicts_later_rows_better_than_the_mean(case: Case) -> None:
    _, of, model = case
    labels, predictions = of.validation.labels, said(model, of)
    if of.task == "classification":
        assert roc_auc(labels, predictions) > 0.77
    else:
        assert rmse(labels, predictions) < 0.85 * labels.std()


def test_it_is_kept_without_pickle_and_predicts_the_very_same(case: Case, tmp_path: Path) -> None:
    _, of, model = case
    models.save(model, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"model.json", "model.onnx"}
    assert np.array_equal(said(models.load(tmp_path), of), said(model, of))


def test_the_same_seed_gives_the_very_same_model(case: Case) -> None:
    family, of, model = case
    assert np.array_equal(said(fit(family, of), of), said(model, of))
    assert (said(fit(family, of, seed=18, epochs=1), of) != said(fit(family, of, epochs=1), of)).any()


def test_missing_and_never_seen_values_are_predicted_alone_as_among_others(case: Case) -> None:
    _, of, model = case
    frame = of.validation.frame.head(6).astype({"city": object, "shop": object})
    frame.iloc[0, :] = None
    frame.loc[frame.index[1], CATEGORICAL] = "never seen"
    frame.loc[frame.index[2], NUMERIC] = np.inf
    together = model.predict(frame)
    assert np.isfinite(together).all()
    alone = np.concatenate([model.predict(frame.iloc[i : i + 1]) for i in range(6)])
    np.testing.assert_allclose(alone, together, rtol=1e-5)
    assert model.predict(frame.iloc[:0]).shape == (0,)


def test_that_a_shop_is_missing_is_learnt_apart_from_that_it_is_new(case: Case) -> None:
    family, of, model = case
    frame = of.validation.frame
    missing, new = (model.predict(frame.assign(shop=shop)).mean() for shop in (None, "never seen"))
    scale = 1.0 if of.task == "classification" else of.train.labels.std()
    assert new - missing > 0.05 * scale, family  # an unknown shop costs 1.5


def test_weights_count(case: Case) -> None:
    family, of, _ = case
    stands = np.where(of.train.labels > of.train.labels.mean(), 3.0, 1.0)
    weighted = replace(of, train=replace(of.train, weights=stands / stands.mean()))
    mean = np.average(of.train.labels, weights=stands)
    learnt = fit(family, weighted).predict(of.train.frame)
    assert np.average(learnt, weights=stands) == pytest.approx(mean, abs=0.1 * of.train.labels.std())
    assert mean - of.train.labels.mean() > 0.3 * of.train.labels.std()


@pytest.mark.parametrize("columns", [(CATEGORICAL, []), ([], NUMERIC)], ids=["categories", "numbers"])
@pytest.mark.parametrize("family", ["mlp", "wide_and_deep", "dlrm", "deep_cross"])
def test_inputs_of_one_kind_alone_do(family: str, columns: tuple[list[str], list[str]]) -> None:
    of = job(categorical=columns[0], numeric=columns[1], count=600)
    model = fit(family, of, epochs=1)
    assert roc_auc(of.validation.labels, said(model, of)) > 0.55


def test_rows_of_nobody_begin_at_nought_and_stay_there() -> None:
    table = Embeddings([7, 4], [3, 2])
    assert table(torch.tensor([[0, 0], [6, 3]])).eq(0).all()
    assert table(torch.tensor([[1, 1]])).ne(0).all()
    used = table(torch.tensor([[2, 1]] * 8)).sum()
    used.backward()
    torch.optim.AdamW(table.parameters(), lr=0.1, fused=True).step()
    assert table(torch.tensor([[0, 0], [6, 3]])).eq(0).all()


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_dropout_keeps_the_mean_and_the_share(share: float) -> None:
    torch.manual_seed(3)
    dropout, ones = Dropout(share), torch.ones(1001, 201)
    left = dropout(ones)
    assert sorted(left.unique().tolist()) == pytest.approx([0.0, 1 / (1 - share)], rel=1e-3)
    spread = (share * (1 - share) / ones.numel()) ** 0.5
    assert float((left == 0).float().mean()) == pytest.approx(share, abs=4 * spread)
    columns = (left == 0).float().mean(dim=0)
    assert float((columns - share).abs().max()) < 5 * (share * (1 - share) / 1001) ** 0.5
    assert not torch.equal(dropout(ones), left)
    assert torch.equal(dropout.eval()(ones), ones)


def test_a_column_s_vectors_are_as_wide_as_its_cardinality_asks() -> None:
    assert embedding_widths([2, 5, 30, 1000, 100_000], 32) == [2, 4, 11, 32, 32]


@pytest.mark.parametrize("buckets", [10, 10_000], ids=["hashed", "exact"])
def test_the_wide_part_remembers_what_only_a_pair_says(buckets: int) -> None:
    """An exclusive or of two categories: no sum of both can say it, a weight for each pair can."""
    draw = np.random.default_rng(7)
    left, right = draw.integers(0, 2, 2000), draw.integers(0, 2, 2000)
    frame = pd.DataFrame({"city": left.astype(str), "shop": right.astype(str)})
    rows = Rows(frame, (left ^ right).astype(float))
    of = job(categorical=["city", "shop"], numeric=[], train=rows, validation=rows)
    given: dict[str, Any] = {"layers": [], "epochs": 8, "learning_rate": 0.05, "buckets": buckets}
    crossed = fit("wide_and_deep", of, **given)
    plain = fit("wide_and_deep", of, **given, crosses=[])
    assert roc_auc(rows.labels, crossed.predict(frame)) > 0.99
    assert roc_auc(rows.labels, plain.predict(frame)) < 0.8


def test_a_cross_with_an_unknown_column_is_refused() -> None:
    with pytest.raises(
        ConfigError, match="crosses names 'street', which is no categorical input: there are city"
    ):
        fit("wide_and_deep", job(count=100), crosses=[["city", "street"]])


def test_dlrm_s_products_are_those_of_the_paper() -> None:
    """Every pair once, the numbers' vector among them, none with itself."""
    encoder = Encoder.fit(job().train.frame, CATEGORICAL, NUMERIC, rare=5)
    columns = Columns(encoder)
    params = models.parse_params("dlrm", {"embedding": 4, "layers": [], "bottom": []})
    network = models.family("dlrm").network(columns, params).eval()  # type: ignore[attr-defined]
    codes, numbers = torch.tensor([[1, 2], [3, 4]]), torch.randn(2, columns.numeric)
    dense = network.bottom(numbers)
    a, b = (network.embeddings.tables[i](codes[:, i]) for i in (0, 1))
    products = torch.stack([(dense * a).sum(1), (dense * b).sum(1), (a * b).sum(1)], dim=1)
    expected = network.head(torch.cat([dense, products], dim=1))[:, 0]
    torch.testing.assert_close(network(codes, numbers), expected)
