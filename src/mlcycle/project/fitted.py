"""Features learnt from training rows: means of the label, components of numbers, vectors of values."""

from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, model_validator

from mlcycle.domain.fitted import COMPONENTS, KINDS, SEQUENCES, Wish
from mlcycle.project.misfit import Misfit
from mlcycle.project.part import Name, Part


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Columns = Annotated[list[Name], BeforeValidator(_as_list), Field(max_length=500)]


class Fitted(Part):
    """One of ``target_mean``, ``hashing``, ``pca``, ``svd``, ``nmf``, ``ica``, ``lda``, ``pls``,
    ``skip_gram`` and ``cbow``, with the inputs that it is made of.

    ``components`` is how many numbers come of it. ``smoothing``: rows that the mean of all rows counts as in
    a ``target_mean``. ``by``: whose rows follow each other, of ``skip_gram`` and ``cbow``. ``replace``: the
    family is given what is made, and not what it is made of.
    """

    target_mean: Columns = []
    hashing: Columns = []
    pca: Columns = []
    svd: Columns = []
    nmf: Columns = []
    ica: Columns = []
    lda: Columns = []
    pls: Columns = []
    skip_gram: Name | None = None
    cbow: Name | None = None
    components: Annotated[int, Field(ge=1, le=256)] | None = None
    smoothing: Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)] | None = None
    by: Name | None = None
    replace: bool = False

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        said = [name for name in KINDS if getattr(self, name)]
        if len(said) != 1:
            raise ValueError(
                f"a fitted feature is one of {', '.join(KINDS)}; this one says {', '.join(said) or 'none'}"
            )
        kind = said[0]
        for beside, of in (("smoothing", ("target_mean",)), ("by", SEQUENCES)):
            if getattr(self, beside) is not None and kind not in of:
                raise Misfit(f"{kind} takes no {beside}", beside)
        if kind in SEQUENCES and self.by is None:
            raise Misfit(f"{kind} needs by: the column whose rows follow each other", kind)
        if kind == "target_mean" and self.components is not None:
            raise Misfit("target_mean takes no components: there is one for each class", "components")
        if kind in COMPONENTS and (self.components or 2) > len(getattr(self, kind)):
            raise Misfit(
                f"{kind} of {len(getattr(self, kind))} columns has no {self.components or 2} components",
                kind,
            )
        return self

    @property
    def kind(self) -> str:
        """Which one it is."""
        return next(name for name in KINDS if getattr(self, name))

    @property
    def columns(self) -> list[str]:
        """What it is made of."""
        given = getattr(self, self.kind)
        return [given] if isinstance(given, str) else list(given)

    def wish(self, name: str) -> Wish:
        """The same without what it leaves open."""
        usual = {"target_mean": 0, "hashing": 16, **dict.fromkeys(SEQUENCES, 8)}
        return Wish(
            name,
            self.kind,
            tuple(self.columns),
            self.components or usual.get(self.kind, 2),
            20.0 if self.smoothing is None else self.smoothing,
            self.by or "",
            self.replace,
        )
