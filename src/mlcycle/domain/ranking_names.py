"""Names of the metrics of a ranking: a project file is read without importing numbers."""

from typing import Final

MEASURES: Final = ("ndcg", "map", "recall", "mrr")
AT: Final = (5, 10, 20, 100)  # first rows of a list that a metric by name looks at
#: Metric name -> measure and cut-off.
PARTS: Final = {f"{measure}_at_{k}": (measure, k) for measure in MEASURES for k in AT}
METRICS: Final = tuple(PARTS)
