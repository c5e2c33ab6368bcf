"""Who competes, with what, and how they are measured."""

from typing import Annotated, Literal, Self, get_args

from pydantic import Field, JsonValue, model_validator

from mlcycle.domain.durations import Span
from mlcycle.project.export import Export
from mlcycle.project.learning import ClassName
from mlcycle.project.limits import Cpu, Memory
from mlcycle.project.misfit import Misfit
from mlcycle.project.part import Name, NameOrReference, ParameterName, Part, Reference, written_as
from mlcycle.project.sampling import Sample
from mlcycle.project.search import Search


class Resources(Part):
    """What one training of a candidate may use; what is not given is as ``steps.train`` says.

    ``gpu``, ``cpu`` and ``memory`` are those of each of its ``nodes``. ``gpu_kind`` is a name that whoever
    runs the platform gave to a pool of GPUs; ``spot`` allows nodes that may be taken away.
    """

    cpu: Cpu | None = None
    memory: Memory | None = None
    gpu: Annotated[int, Field(ge=0, le=64)] = 0
    gpu_kind: Annotated[
        str,
        written_as(
            r"^([a-z0-9][a-z0-9-]{0,39})?$", "the name of a kind of GPU: small letters, digits and hyphens"
        ),
    ] = ""
    nodes: Annotated[int, Field(ge=1, le=64)] = 1
    spot: bool = False

    @model_validator(mode="after")
    def _parts_agree(self) -> Self:
        if self.nodes > 1 and not self.gpu:
            raise Misfit(
                f"nodes: {self.nodes} is for training on GPUs: say gpu, how many each node has", "nodes"
            )
        if self.gpu_kind and not self.gpu:
            raise Misfit(f"gpu_kind: {self.gpu_kind} asks for no GPU: say gpu, how many", "gpu_kind")
        return self

    @property
    def processes(self) -> int:
        """How many processes train together: one a GPU."""
        return max(1, self.gpu) * self.nodes


class Candidate(Part):
    """A model family with its parameters.

    ``start: champion`` goes on from the champion's model where the family can, on the rows of the newest
    ``window`` if one is given; else, and where it does not fit, each training begins anew on all rows.

    ``calibrate``: a curve that its probabilities go through wherever they are used, fitted on out-of-fold
    predictions where ``split.cross_validation`` makes them, else on the earlier half of the validation rows;
    kept only where the rest of validation says that it is surely better. Of quantiles
    it is ``conformal``: shifts, kept where quantiles hold their shares better with them.
    """

    family: NameOrReference  # ours, an installed package's, or the project's own
    params: dict[ParameterName, JsonValue] = {}
    calibrate: Literal["platt", "isotonic", "auto", "conformal"] | None = None
    resources: Resources = Resources()
    search: Search | None = None
    export: Export = Export()
    start: Literal["stateless", "champion"] = "stateless"
    window: Span | None = None

    @model_validator(mode="after")
    def _window_is_of_a_start(self) -> Self:
        if self.window is not None and self.start != "champion":
            raise Misfit(
                "window is for start: champion; split.history says how far back training reaches", "window"
            )
        return self


Weight = Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)]


class Training(Part):
    """Which rows a fit learns from and how they weigh; nothing that is measured is sampled or weighted so.

    ``class_weight``: ``balanced``, or a weight for classes by name (``1`` and ``0`` of two classes), one for
    those that are not named. ``weight``: a numeric column of the entity table or of a view, nought or more.
    """

    class_weight: Literal["balanced"] | dict[ClassName, Weight] = {}
    weight: Name | None = None
    sample: Sample | None = None


#: What an evaluation can tell; ``domain.evaluation.parts`` has each in a file of its own.
PartName = Literal[
    "figures",
    "baselines",
    "threshold",
    "calibration",
    "quantiles",
    "abstention",
    "residuals",
    "slices",
    "errors",
    "fairness",
    "cost",
    "coverage",
    "behaviour",
    "importance",
    "dependence",
    "morris",
    "shapley",
    "learning_curve",
]
#: Those that ask for no further training.
USUAL_PARTS: list[PartName] = [part for part in get_args(PartName) if part != "learning_curve"]


class Evaluation(Part):
    """How candidates are measured on the holdout, and what is told of the best one.

    ``parts`` are told of within ``budget`` seconds, those that cost most last. ``k``: rows of precision at k.
    ``groups``: columns whose values fairness is told of. ``must_not_matter``: inputs that answers must not
    change with. ``directions``: numeric inputs of which more must mean a higher answer (up), or a lower one.
    ``human``: a numeric column with what people, or the system of today, answered: probabilities or decisions
    (0 and 1) of a class, else numbers; rows without one are left out of that comparison.
    """

    metric: NameOrReference  # what a candidate is chosen by; another package or the project may bring it
    also: list[Reference] = []  # further metrics of the project's own that are told of
    heuristic: Name  # the candidate that stands for what people do without learning
    human: Name | None = None
    slices: list[Name] = []
    parts: list[PartName] = USUAL_PARTS
    budget: Annotated[float, Field(gt=0, le=86_400)] = 20
    k: Annotated[int, Field(ge=1, le=1_000_000)] = 100
    groups: list[Name] = []
    must_not_matter: list[Name] = []
    directions: dict[Name, Literal["up", "down"]] = {}

    @model_validator(mode="after")
    def _figures_are_there(self) -> Self:
        if "figures" not in self.parts:
            raise Misfit("parts leaves out figures: gates and the other parts rest on them", "parts")
        return self
