"""What is predicted, from which columns, on which rows."""

from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from mlcycle.domain.durations import Duration, Span
from mlcycle.domain.fitted import COMPONENTS, Wish
from mlcycle.domain.quantile_levels import problem
from mlcycle.domain.tasks import task_of
from mlcycle.project.cross_validation import CrossValidation
from mlcycle.project.fitted import Fitted
from mlcycle.project.making import Make
from mlcycle.project.misfit import Misfit
from mlcycle.project.part import Name, Part, Reference


def _as_text(value: object) -> object:
    """An integer of the file is the class of that name; nothing else is turned into text."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


#: A class as the label's column has it; an integer in the file is its text.
ClassName = Annotated[str, Field(min_length=1, max_length=200), BeforeValidator(_as_text)]


def is_integer(text: str) -> bool:
    """Whether this is how the warehouse writes an integer."""
    digits = text.removeprefix("-")
    return digits.isascii() and digits.isdecimal() and str(int(text)) == text


class Entity(Part):
    """The table whose rows are predicted."""

    table: Name


class Label(Part):
    """What is predicted, and when it becomes known.

    The label of a row of the entity table is ``column`` of ``table`` for the same key, at the
    event time plus ``ahead``. It is known ``delay`` after the end of the event's partition.
    Classes are 1 and 0: of a number ``at_least`` makes 1 from it upwards, of a text ``positive`` names
    the class that is 1, a boolean is one already. A row without a value, or with NaN, has no label and
    is left out, counted. Of many classes ``classes`` names them all, texts or integers; their order is that
    of predictions, so that a new class is written at the end. ``quantiles`` of a number are levels, .5 among
    them, that are predicted together; the median is the point forecast then.

    Of a ranking ``group`` names columns: rows that agree in all of them are one list (a query's, a
    session's). Its labels are grades of relevance, integers from 0 on.

    ``source: people``: the table is no delivery, it holds what people answer in the console; each row is
    given to ``labellers`` of them.
    """

    name: Name
    task: Literal["classification", "multiclass", "ranking", "regression"]
    table: Name
    column: Name
    at_least: Annotated[float, Field(allow_inf_nan=False)] | None = None
    positive: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    classes: Annotated[list[ClassName], Field(max_length=200)] = []
    quantiles: list[Annotated[float, Field(allow_inf_nan=False)]] = []
    group: list[Name] = []
    source: Literal["table", "people"] = "table"
    labellers: Annotated[int, Field(ge=1, le=20)] = 1
    ahead: Duration = timedelta(0)
    delay: Duration

    @model_validator(mode="after")
    def _classes_fit_task(self) -> Self:
        if not task_of(self.task).many:
            if self.classes:
                raise Misfit(f"classes are those of a multiclass label; this one is a {self.task}", "classes")
            return self
        if len(self.classes) < 3:
            raise Misfit("a multiclass label needs classes, three at the least: list them all", "classes")
        if twice := sorted({each for each in self.classes if self.classes.count(each) > 1}):
            raise Misfit(f"classes names {twice[0]!r} twice", "classes")
        return self

    @model_validator(mode="after")
    def _group_fits_task(self) -> Self:
        ranks = task_of(self.task).lists
        if ranks and not self.group:
            raise Misfit("a ranking needs label.group: the columns whose values make rows one list", "group")
        if self.group and not ranks:
            raise Misfit(f"group is of a ranking; this label is a {self.task}: remove it", "group")
        return self

    @model_validator(mode="after")
    def _threshold_fits_task(self) -> Self:
        if task_of(self.task).probabilities:
            return self
        for name, does in (("at_least", "makes"), ("positive", "names")):
            if getattr(self, name) is not None:
                has = "has all of classes" if task_of(self.task).many else "has none"
                raise Misfit(f"{name} {does} a class; a {self.task} label {has}", name)
        return self

    @model_validator(mode="after")
    def _quantiles_are_of_a_number(self) -> Self:
        if not self.quantiles:
            return self
        if self.task != "regression":
            raise Misfit(f"quantiles are those of a number; a {self.task} label has none", "quantiles")
        if why := problem(self.quantiles):
            raise Misfit(why, "quantiles")
        return self

    @property
    def watched(self) -> str:
        """The task as which what was served is watched: of many classes, whether the chosen one came true."""
        return task_of(self.task).watched

    @property
    def definition(self) -> str:
        """What a label is made of, its name apart, as JSON; where this changes, labels are made anew.

        What only many classes have is left out elsewhere, so that labels of before it was there stay; which
        quantiles of it are predicted makes no other label, nor do the lists of a ranking.
        """
        apart = {"name", "quantiles", "group", "source", "labellers"}
        return self.model_dump_json(exclude=apart if self.classes else {*apart, "classes"})

    def choices(self, kind: str) -> list[str]:
        """What a labeller may choose from, as the label's column of this type has it; none: a number."""
        if self.classes:
            return self.classes
        if kind == "boolean":
            return ["true", "false"]
        if self.positive is not None:
            return [self.positive, f"not {self.positive}"]
        if self.task == "classification" and self.at_least is None:
            return ["1", "0"]
        return []

    def check_type(self, kind: str) -> None:
        """Raise ValueError where a column of this type cannot be this label."""
        where = f"label.column {self.column!r} is {kind}"
        if kind == "timestamp":
            raise Misfit(f"{where}: a label is a number, a boolean or a class of text", "column")
        if kind not in task_of(self.task).label_types:
            needs = "texts or integers" if task_of(self.task).many else "a number"
            raise Misfit(f"{where}: a {self.task} needs {needs}", "column")
        if task_of(self.task).many:
            self._check_classes(kind, where)
            return
        if kind == "text" and self.positive is None:
            raise Misfit(f"{where}: a {self.task} needs label.positive, the class that is 1", "column")
        if kind != "text" and self.positive is not None:
            raise Misfit(f"{where}: label.positive names a class of a text column", "positive")
        if kind in ("boolean", "text") and self.at_least is not None:
            raise Misfit(f"{where}: label.at_least is for numbers", "at_least")

    def _check_classes(self, kind: str, where: str) -> None:
        odd = [each for each in self.classes if kind == "integer" and not is_integer(each)]
        if odd:
            raise Misfit(f"{where}: label.classes names {odd[0]!r}, which is no integer", "classes")


class FeatureView(Part):
    """A SELECT over raw tables whose rows are feature values, or a function of one's own that returns them.

    It returns the entity columns, ``event_timestamp`` (when the value was known) and ``columns``,
    for ``%(start)s < event_timestamp <= %(end)s``. Raw tables are written ``{table}``.
    ``lookback`` is how far a change in a raw partition reaches into later values.

    ``python`` is called with a frame for each table that is read, by its name, then with start and end; it is
    given rows no older than ``lookback`` before start.

    ``make`` says what the features are; ``known`` is how long after its event time a row's values are known.
    """

    entities: list[Name] = Field(min_length=1)
    columns: dict[Name, Literal["double", "integer", "text"]] = Field(min_length=1)
    reads: list[Name] = Field(min_length=1)
    ttl: Span
    lookback: Duration
    sql: Annotated[str, Field(max_length=20_000)] = ""  # a file's name on disk, inlined by load
    python: Reference | None = None
    make: dict[Name, Make] = {}  # said instead of written: its SQL, columns and lookback are made of it
    known: Duration | None = None

    @model_validator(mode="after")
    def _made_one_way(self) -> Self:
        if bool(self.sql.strip()) is (self.python is not None):
            raise ValueError("say sql, the name of a file, python, a function, or make: one of them")
        return self


class Inputs(Part):
    """The model's columns: of the entity table as known at the event time, and of feature views.

    ``fitted`` are features learnt from training rows, beside what they are made of.

    ``known`` names those of them that tell far more of the label than all the others and yet are known when a
    prediction is due (a vendor's score): what they tell is no reason to refuse a dataset. ``text`` is read by
    its words, a category by its whole value.
    """

    categorical: list[Name] = []
    numeric: list[Name] = []
    text: list[Name] = []
    known: list[Name] = []
    fitted: dict[Name, Fitted] = {}

    @model_validator(mode="after")
    def _fitted_are_of_inputs(self) -> Self:
        for name, feature in self.fitted.items():
            kind = "numeric" if feature.kind in COMPONENTS else "categorical"
            if odd := [column for column in feature.columns if column not in getattr(self, kind)]:
                said = f"{name} is made of {odd[0]!r}, which is not among inputs.{kind}: list it there"
                raise Misfit(said, "fitted", name, feature.kind)
            if taken := [each for each in self.all if each == name or each.startswith(f"{name}_")]:
                said = f"{name} would be mistaken for the input {taken[0]!r}: name it otherwise"
                raise Misfit(said, "fitted", name)
        return self

    @property
    def wishes(self) -> tuple[Wish, ...]:
        """Features that a fit learns from its training rows."""
        return tuple(feature.wish(name) for name, feature in self.fitted.items())

    @model_validator(mode="after")
    def _texts_are_no_categories(self) -> Self:
        if both := sorted(set(self.text) & {*self.categorical, *self.numeric}):
            kind = "categorical" if both[0] in self.categorical else "numeric"
            raise ValueError(f"text names {both[0]!r}, which is {kind} as well: name it in one")
        return self

    @model_validator(mode="after")
    def _known_are_inputs(self) -> Self:
        if unknown := sorted(set(self.known) - set(self.all)):
            raise Misfit(
                f"known names {unknown[0]!r}, which is no input: list it as one, or remove it", "known"
            )
        return self

    @property
    def all(self) -> list[str]:
        """Every input, categorical ones first, texts last."""
        return [*self.categorical, *self.numeric, *self.text]


class Split(Part):
    """Temporal split, counted back from the last labelled partition: holdout, validation, training."""

    holdout: Span
    validation: Span
    history: Span  # how far back training reaches at most
    min_rows: Annotated[int, Field(ge=10)] = 1000
    groups: list[Name] = []  # columns whose values may have rows in one split only: patients, households
    cross_validation: CrossValidation | None = None  # folds of the training rows, beside the validation
