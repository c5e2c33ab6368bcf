"""A text column: its words as numbers, and each family that learns from them."""

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mlcycle.domain.metrics import roc_auc
from mlcycle.errors import ConfigError, InputError
from mlcycle.models import text
from mlcycle.models.base import Job
from mlcycle.models.encoder import Encoder
from mlcycle.models.export.forms import onnx_of
from mlcycle.models.export.trees import NotConverted
from mlcycle.models.store import load, save
from mlcycle.models.text_column import BUCKETS, TextColumn
from tests import spoken

SAID = ["The cat sat, the CAT sat.", "", "a b c", "naïve Über-Straße 42", "cat"]


def test_words_are_those_that_scikit_learn_hashes() -> None:
    from sklearn.feature_extraction.text import HashingVectorizer

    own = text.counted(SAID, 1 << 20)
    peer = HashingVectorizer(n_features=1 << 20, ngram_range=(1, 2), norm=None).transform(SAID)
    for row in (0, 3, 4):  # their hashes differ, not how often which is there
        assert sorted(np.abs(own[row].data)) == sorted(np.abs(peer[row].data))
    for row in (1, 2):  # no word of two letters
        assert own[row].indices.tolist() == [text.WORDLESS]
        assert own[row].data.tolist() == [1.0]


def test_rarity_weighs_as_in_scikit_learn() -> None:
    from sklearn.feature_extraction.text import TfidfTransformer

    codes = np.array([0, 1, 2, 0, -1, 4, 3])
    learnt = TextColumn.fit(codes, SAID)
    rows = [SAID[code] if code >= 0 else "" for code in codes]
    counts = text.counted(rows, BUCKETS)
    peer = TfidfTransformer().fit(counts).transform(counts)
    assert abs(learnt.bags(rows) - peer).max() < 1e-6


def test_signs_and_buckets_are_spread_evenly() -> None:
    words = [f"word{i}" for i in range(20_000)]
    found = text.counted(words, BUCKETS)
    assert abs(found.data.mean()) < 0.03
    held = np.bincount(found.indices, minlength=BUCKETS)[text.FIRST :]
    assert held.var() == pytest.approx(held.mean(), rel=0.1)  # as of a Poisson draw


def test_pairs_know_their_order() -> None:
    one, other = (set(text.counted([said], BUCKETS).indices) for said in ("dog bites man", "man bites dog"))
    assert len(one & other) == 3


def test_ids_are_of_the_first_words_and_say_where_there_is_none() -> None:
    found = text.ids(["one two three", "", "two"], 1000, 2)
    assert found.shape == (3, 2)
    assert found[0, 1] == found[2, 0] >= text.FIRST
    assert found[1].tolist() == [text.WORDLESS, text.NOWHERE]
    assert found[2, 1] == text.NOWHERE


def test_long_texts_are_cut() -> None:
    found = text.read(["word " * 100_000, "x" * 10**6])
    assert found.counts.tolist() == [text.MOST, 1]


def test_directions_are_those_of_the_svd_and_missing_texts_are_known_ones() -> None:
    frame = spoken.rows(80, 1).frame
    encoder = Encoder.fit(frame, [], [], ["said"], factors=4)
    bags = encoder.bags(frame)
    _, sizes, vectors = np.linalg.svd(bags.toarray(), full_matrices=False)
    found = encoder.projections(frame)
    assert found.shape == (80, 4)
    np.testing.assert_allclose(np.linalg.norm(found, axis=0), sizes[:4], rtol=2e-2)
    own = encoder.texts["said"]._directions
    np.testing.assert_allclose(np.abs(np.sum(own[:, 0] * vectors[0])), 1, atol=1e-3)
    absent = encoder.projections(frame.assign(said=None))
    empty = encoder.projections(frame.assign(said="?!"))
    assert (absent == empty).all()
    assert encoder == Encoder.model_validate_json(encoder.model_dump_json())


def test_texts_of_one_value_or_none_have_directions_too() -> None:
    for said in ("the same", None):
        frame = pd.DataFrame({"said": [said] * 5})
        found = Encoder.fit(frame, [], [], ["said"], factors=3).projections(frame)
        assert np.isfinite(found).all()


def test_a_card_of_half_numbers_is_refused() -> None:
    learnt = TextColumn.fit(np.array([0]), ["word"]).model_dump()
    with pytest.raises(ValueError, match="rarity are not"):
        TextColumn.model_validate(learnt | {"rarity": learnt["rarity"][:400]})


def test_a_missing_column_is_said() -> None:
    encoder = Encoder.fit(spoken.rows(50, 1).frame, [], [], ["said"])
    for read in (encoder.bags, encoder.tokens, encoder.projections):
        with pytest.raises(InputError, match="'said' is missing"):
            read(pd.DataFrame({"price": [1.0]}))


SMALL: dict[str, dict[str, Any]] = {
    "linear": {},
    "hist_gradient_boosting": {"max_iter": 30},
    "lightgbm": {"num_iterations": 30},
    "random_forest": {"n_estimators": 20, "min_samples_leaf": 10},
    "mlp": {},
    "wide_and_deep": {},
    "dlrm": {"embedding": 8, "bottom": [8]},
    "deep_cross": {},
}
NETWORK = {"epochs": 6, "batch_size": 64, "learning_rate": 0.02, "rare": 5, "layers": [16]}


def fitted(family: str, job: Job) -> Any:
    from mlcycle import models

    network = family in ("mlp", "wide_and_deep", "dlrm", "deep_cross")
    params = models.parse_params(family, {**(NETWORK if network else {}), **SMALL[family]})
    return models.family(family).fit(job, params, family)


@cache
def learnt(family: str) -> Any:
    """The family on the rows of ``spoken``, fitted once for all tests."""
    return fitted(family, spoken.job())


def test_without_the_text_hardly_anything_is_known() -> None:
    rows = spoken.job().validation.whole()
    model = fitted("lightgbm", spoken.job(text=[]))
    assert roc_auc(rows.labels, model.predict(rows.frame)) < 0.6
    assert model.card.text == []


@pytest.mark.parametrize("family", SMALL)
def test_a_family_learns_from_words_and_reads_back_the_same(family: str, tmp_path: Any) -> None:
    model, rows = learnt(family), spoken.job().validation.whole()
    assert roc_auc(rows.labels, model.predict(rows.frame)) > 0.75
    assert model.card.inputs == ["city", "shop", "price", "age", "said"]
    save(model, tmp_path)
    odd = rows.frame.assign(said=[None, "", "unheard-of words", *rows.frame["said"][3:]])
    coded = odd.assign(said=odd["said"].astype("category"))
    again = load(tmp_path)
    assert np.array_equal(again.predict(odd), model.predict(coded))
    assert again.predict(odd.iloc[:0]).shape == (0,)
    with pytest.raises(InputError, match="'said' is missing"):
        again.predict(odd.drop(columns="said"))


@pytest.mark.parametrize("task", ["multiclass", "regression"])
@pytest.mark.parametrize("family", ["linear", "hist_gradient_boosting", "mlp"])
def test_other_tasks_read_words(family: str, task: str, tmp_path: Any) -> None:
    levels = {"quantiles": (0.1, 0.5, 0.9)} if task == "regression" else {}
    job = spoken.job(task, **levels)
    model = fitted(family, job)
    save(model, tmp_path)
    frame = job.validation.whole().frame
    assert np.array_equal(load(tmp_path).predict(frame), model.predict(frame))
    swapped = model.predict(frame.assign(said=frame["said"].to_numpy()[::-1]))
    assert np.abs(swapped - model.predict(frame)).mean() > 0.02


def test_ensembles_read_what_their_members_read() -> None:
    recipe = {"family": "linear", "params": {}}
    table = {"family": "rate_table", "params": {"by": ["city"]}}
    from mlcycle import models

    for family, more in (("voting", {}), ("stacking", {})):
        params = models.parse_params(family, {"members": {"line": recipe, "table": table}, **more})
        model = models.family(family).fit(spoken.job(), params, family)
        assert model.card.text == ["said"]
        assert model.members["table"].card.text == []
        rows = spoken.job().validation.whole()
        assert roc_auc(rows.labels, model.predict(rows.frame)) > 0.75


def test_the_rate_table_and_towers_leave_texts_out_and_refuse_them_by_name() -> None:
    from mlcycle import models

    table = models.family("rate_table")
    found = table.fit(spoken.job(), models.parse_params("rate_table", {"by": ["city"]}), "rate_table")
    assert found.card.text == []
    with pytest.raises(ConfigError, match="by names 'said', a text"):
        table.fit(spoken.job(), models.parse_params("rate_table", {"by": ["said"]}), "rate_table")
    towers = models.family("two_tower")
    params = models.parse_params("two_tower", {"query": ["city", "said"], "item": ["shop"]})
    with pytest.raises(ConfigError, match="'said' is a text, which towers do not read"):
        towers.fit(spoken.job(), params, "two_tower")


def test_trees_that_read_text_are_not_converted_and_networks_are() -> None:
    frame = spoken.job().validation.whole().frame
    with pytest.raises(NotConverted, match="directions of text"):
        onnx_of(learnt("hist_gradient_boosting"))
    network = learnt("mlp")
    form = onnx_of(network)
    assert "the last 64 ids of words" in form.reads
    np.testing.assert_allclose(form.predict(frame), network.predict(frame), atol=1e-6)


def test_a_warm_start_keeps_the_words_it_knows() -> None:
    job, rows = spoken.job(), spoken.job().train.whole()
    for family in ("lightgbm", "mlp"):
        start = learnt(family)
        other = replace(job, start=start, started_from=1, train=spoken.rows(600, 3))
        again = fitted(family, other)
        assert again.card.encoder == start.card.encoder
        assert roc_auc(rows.labels, again.predict(rows.frame)) > 0.75
