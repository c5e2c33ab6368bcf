"""A fit of several processes that torchrun has started: the first one announces it, the others take part."""

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from mlcycle.adapters.checkpoints import folder_of
from mlcycle.adapters.datasets.training_data import SplitExamples, examples_of
from mlcycle.domain.dataset import DatasetManifest
from mlcycle.errors import ConfigError
from mlcycle.project import Candidate
from mlcycle.steps.context import StepContext
from mlcycle.steps.fit_job import job_of, work_id

if TYPE_CHECKING:
    from mlcycle.domain.examples import Examples
    from mlcycle.models.base import Params


def tell_the_others(
    candidate: Candidate,
    params: "Params",
    manifest: DatasetManifest,
    examples: "tuple[Examples, Examples]",
    rounds: int | None,
) -> None:
    """Where torchrun has started several processes, let those that follow do the same fit."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return
    from mlcycle.models.torch.gang import announce

    splits = [list(part.splits) for part in examples if isinstance(part, SplitExamples)]
    if len(splits) < len(examples):
        raise ConfigError("only whole splits of a snapshot are learnt by several processes: ask for one GPU")
    announce(
        {
            "candidate": candidate.model_copy(update={"params": params.model_dump()}).model_dump(mode="json"),
            "manifest": manifest.model_dump(mode="json"),
            "splits": splits,
            "rounds": rounds,
        }
    )


def follow(context: StepContext) -> None:
    """Take part in the fits that the first process announces, until it has no more. Nothing is written."""
    from mlcycle.models import parse_params, prepared
    from mlcycle.models.torch.gang import heard

    while (said := heard()) is not None:
        candidate = Candidate.model_validate(said["candidate"])
        manifest = DatasetManifest.model_validate(said["manifest"])
        train, validation = (
            examples_of(context.project, context.artifacts, manifest, splits, context.scratch, learnt=learnt)
            for splits, learnt in zip(said["splits"], (True, False), strict=True)
        )
        folder = folder_of(context.settings, work_id(context))
        job = job_of(context, candidate, (train, validation), lambda *_: None, folder)
        params = parse_params(candidate.family, candidate.params)
        prepared.fit(replace(job, rounds=said["rounds"]), params, candidate.family)
