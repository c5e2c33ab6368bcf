"""The page and the card of a model, out of documents of every kind of rows."""

from html.parser import HTMLParser

import pytest

from mlcycle.adapters.pages.evaluation import model_card, model_page
from mlcycle.domain.evaluation import parts
from mlcycle.domain.evaluation.document import Document, parse
from tests.snapshots import flights_project
from tests.unit.domain.evaluation.made import Wishes, classes
from tests.unit.domain.evaluation.test_document import HEAD
from tests.unit.domain.evaluation.test_parts import SUBJECTS


def document_of(name: str) -> Document:
    subject = SUBJECTS[name]()
    found = parts.run(subject, list(parts.PARTS), 1e9, lambda: 0.0)
    head = {**HEAD, "task": subject.task.name, "rows": len(subject.predictions)}
    return parse(Document(**head, parts=found).model_dump_json().encode())  # type: ignore[arg-type]


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def handle_data(self, data: str) -> None:
        self.said.append(data)


def text_of(page: bytes) -> str:
    parser = _Text()
    parser.feed(page.decode())
    return " ".join(parser.said)


@pytest.mark.parametrize("name", ["usual classes", "usual numbers", "one class"])
def test_a_page_shows_every_part_that_found_something(name: str) -> None:
    document = document_of(name)
    text = text_of(model_page.render(document))
    assert "nan" not in text.lower().split()
    assert "None" not in text
    for part in document.parts:
        assert part.replace("_", " ") in text
    assert "Beside others" in text
    assert "does not apply" in text  # a class has no residuals, a number no threshold


def test_what_people_must_know_stands_at_the_top() -> None:
    subject = classes(wishes=Wishes(must_not_matter=["shop"], directions={"x": "down"}))
    found = parts.run(subject, list(parts.PARTS), 1e9, lambda: 0.0)
    document = Document(**HEAD, parts=found)  # type: ignore[arg-type]
    said = " ".join(model_page.summary(document))
    assert "log loss 0." in said.lower()
    assert "Against the zero rule: surely better by" in said
    assert "Acting from 0." in said
    assert "Not as declared: shop must not matter, and" in said
    assert "more of x must mean less, and 100.0% of rows answer the other way" in said


def test_texts_of_data_are_no_markup() -> None:
    subject = classes()
    frame = subject.holdout.frame.assign(shop="<script>alert(1)</script>")
    subject.holdout.frame["shop"] = frame["shop"]
    found = parts.run(subject, ["figures", "slices", "errors", "fairness"], 1e9, lambda: 0.0)
    page = model_page.render(Document(**HEAD, parts=found))  # type: ignore[arg-type]
    assert b"<script>" not in page
    assert b"&lt;script&gt;" in page


def test_a_card_says_what_the_model_is_for_and_where_it_is_weak() -> None:
    project = flights_project("card")
    card = model_card.render(project, document_of("usual classes"))
    assert card.startswith("# card: c\n")
    assert project.scope.goal in card
    for words in (*project.scope.constraints, *project.scope.success):
        assert words.split(".")[0] in card
    assert "| ROC-AUC | 0." in card
    assert "## Where it is weak" in card
    assert "- fit seconds: 1.5" in card


def test_a_card_keeps_texts_from_being_markup() -> None:
    project = flights_project("card")
    scope = project.scope.model_copy(update={"goal": "[x](http://a) <b>"})
    card = model_card.render(project.model_copy(update={"scope": scope}), document_of("20 rows"))
    assert "\\[x\\](http://a) \\<b\\>" in card
