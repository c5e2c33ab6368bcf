"""What a project says of a deep and cross network."""

from pydantic import Field

from mlcycle.models.torch.params import TrainingParams


class DeepCrossParams(TrainingParams):
    """Size of the network; its gradients are clipped only where ``clip`` says so."""

    clip: float | None = Field(None, gt=0)
    dropout: float = Field(0.1, ge=0, lt=1)
    embedding: int = Field(8, ge=1, le=512)
    cross_layers: int = Field(2, ge=0, le=16)
    layers: list[int] = Field([64, 32], max_length=16)
