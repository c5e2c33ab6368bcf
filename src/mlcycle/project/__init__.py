"""The project file: one use case as data.

``projects/<name>/project.yaml`` says what is predicted, from which source, by which candidates,
behind which gate, under which monitors. It holds data; the SELECT statements of its feature views lie beside
it, which the warehouse runs under a role that cannot write elsewhere, and so does Python of the project's
own, which steps run (:mod:`mlcycle.project_code`). Unknown keys are errors. :func:`mlcycle.project.file.load`
reads it from disk.
"""

from mlcycle.project.guardrails import Guardrails
from mlcycle.project.learning import Entity, FeatureView, Inputs, Label, Split
from mlcycle.project.limits import Limits, StepLimits
from mlcycle.project.operation import Alerts, Channel, Monitors, Retrain, Watched
from mlcycle.project.part import Fraction, Name, Part, Severity, Text
from mlcycle.project.project import Project
from mlcycle.project.promotion import Approval, Gate
from mlcycle.project.scope import Scope, Value
from mlcycle.project.source import ColumnType, Expectation, OwnCheck, Source, Table
from mlcycle.project.training import Candidate, Evaluation, Resources

__all__ = [
    "Alerts",
    "Approval",
    "Candidate",
    "Channel",
    "ColumnType",
    "Entity",
    "Evaluation",
    "Expectation",
    "FeatureView",
    "Fraction",
    "Gate",
    "Guardrails",
    "Inputs",
    "Label",
    "Limits",
    "Monitors",
    "Name",
    "OwnCheck",
    "Part",
    "Project",
    "Resources",
    "Retrain",
    "Scope",
    "Severity",
    "Source",
    "Split",
    "StepLimits",
    "Table",
    "Text",
    "Value",
    "Watched",
]
