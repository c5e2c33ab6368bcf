"""The page and the card of a model on all the rows that break such code."""

import pytest

from mlcycle.adapters.pages.evaluation import model_card, model_page
from tests.snapshots import flights_project
from tests.unit.adapters.pages.test_model_page import document_of, text_of
from tests.unit.domain.evaluation.test_parts import SUBJECTS


@pytest.mark.parametrize("name", SUBJECTS)
def test_a_page_and_a_card_are_made_of_any_rows(name: str) -> None:
    document = document_of(name)
    text = text_of(model_page.render(document))
    assert "None" not in text
    assert "nan" not in text.lower().split()
    for part, found in document.parts.items():
        assert found.status != "not measured", f"{part}: {found.why}"
    assert model_card.render(flights_project("card"), document).startswith("# card: c")
