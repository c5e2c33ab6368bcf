"""What a project says of a training, whatever the network."""

from typing import Literal

from pydantic import Field, model_validator

from mlcycle.models.base import Params


class TrainingParams(Params):
    """How a network is trained. The weights of the round with the least validation loss are kept.

    ``batch_size`` is of one step of the optimizer, over all processes and over the ``accumulate`` pieces
    that it is computed in.
    """

    epochs: int = Field(4, ge=1, le=1000)
    batch_size: int = Field(2048, ge=1)
    accumulate: int = Field(1, ge=1, le=1024)
    learning_rate: float = Field(0.003, gt=0, le=1)
    warmup: float = Field(0.3, ge=0, lt=1)  # share of the steps until learning_rate is reached; then a cosine
    weight_decay: float = Field(1e-4, ge=0)
    clip: float | None = Field(1.0, gt=0)  # the most that the norm of a gradient may be
    patience: int | None = Field(None, ge=1)  # rounds without a better validation loss that end the fit
    precision: Literal["auto", "fp32", "bf16"] = "auto"  # auto: bf16 on a GPU
    compile: bool = False  # by torch.compile: pays for long trainings, needs a C++ compiler
    stream: bool | None = (
        None  # rows from the disk in every round; left out: where memory has no room for them
    )
    checkpoint_minutes: float | None = Field(None, gt=0)  # left out: half a minute
    shares: bool = False  # several processes hold a share of the network each (FSDP2) instead of all of it
    rare: int = Field(100, ge=1)  # categories of fewer training rows share one embedding

    @model_validator(mode="after")
    def _pieces_hold_rows(self) -> "TrainingParams":
        if self.accumulate > self.batch_size:
            raise ValueError(
                f"accumulate: {self.accumulate} pieces of a batch of {self.batch_size} rows: say fewer"
            )
        return self
