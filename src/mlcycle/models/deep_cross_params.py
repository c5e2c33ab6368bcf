"""What a project says of a deep and cross network."""

from pydantic import Field

from mlcycle.models.base import Params


class DeepCrossParams(Params):
    """Size of the network and of its training. The weights of the best epoch on validation are kept."""

    epochs: int = Field(4, ge=1, le=1000)
    batch_size: int = Field(2048, ge=1)
    learning_rate: float = Field(0.003, gt=0, le=1)
    weight_decay: float = Field(1e-4, ge=0)
    dropout: float = Field(0.1, ge=0, lt=1)
    embedding: int = Field(8, ge=1, le=512)
    cross_layers: int = Field(2, ge=0, le=16)
    layers: list[int] = Field([64, 32], max_length=16)
    rare: int = Field(100, ge=1)  # categories of fewer training rows share one embedding
