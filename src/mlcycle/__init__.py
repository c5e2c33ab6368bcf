"""mlcycle: the production cycle of machine learning on Apache Airflow.

In a notebook or a script: ``mlcycle.dataset("bike")``, ``mlcycle.model("bike@champion")``,
``mlcycle.features("bike", rows)`` (docs/notebook.md). Nothing is loaded before it is used.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlcycle.notebook import dataset, features, model

__all__ = ["dataset", "features", "model"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from mlcycle import notebook

        return getattr(notebook, name)
    raise AttributeError(f"module 'mlcycle' has no attribute {name!r}")
