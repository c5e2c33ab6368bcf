"""Great Expectations on rows in memory: the suite in code, an ephemeral context, no calls home.

Expectations about single rows run once over many partitions and name the rows that fail. Those
about a whole batch (a mean, a row count, uniqueness) run for each partition.
"""

import os
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from mlcycle.adapters.delivery.expectation_table import unknown
from mlcycle.adapters.lean_import import lean_import
from mlcycle.errors import ConfigError
from mlcycle.project import Expectation, Severity

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


@dataclass
class Finding:
    """What one expectation found in a frame of several partitions."""

    rule: str  # the expectation as people read it
    severity: Severity
    rows: dict[int, list[int]] = field(default_factory=dict)  # partition -> positions of rows that fail
    batches: dict[int, str] = field(default_factory=dict)  # partition -> why the batch as a whole fails
    nothing: set[int] = field(default_factory=set)  # partitions in which there was no value to look at


class Suite:
    """The expectations of one table, ready to run."""

    def __init__(self, table: str, expectations: list[Expectation]) -> None:
        """Raises ConfigError that names an expectation or argument that does not exist."""
        load_great_expectations()
        self._table = table
        self._built = [(given, _build(table, given, at)) for at, given in enumerate(expectations)]

    def run(self, frame: "pd.DataFrame", partition: "np.ndarray[Any, Any]") -> list[Finding]:
        """Check typed rows.

        Args:
            frame: n rows; its columns are the table's.
            partition: n numbers, which partition each row belongs to.
        """
        import numpy as np

        frame = frame.reset_index(drop=True)
        findings = [Finding(describe(given), given.severity) for given, _ in self._built]
        by_row = [at for at, (_, built) in enumerate(self._built) if _is_by_row(built)]
        if by_row and len(frame):
            for at, result in zip(by_row, self._validate(frame, by_row), strict=True):
                self._attribute(self._built[at][0], result, frame, partition, findings[at])
        whole = [at for at in range(len(self._built)) if at not in by_row]
        for number in np.unique(partition) if whole else []:
            part = frame[partition == number]
            for at, result in zip(whole, self._validate(part, whole), strict=True):
                if not result["success"]:
                    findings[at].batches[int(number)] = _observed(findings[at].rule, result)
        return findings

    def _validate(self, frame: "pd.DataFrame", which: list[int]) -> list[dict[str, Any]]:
        """Results in the order of ``which``; Great Expectations answers in an order of its own."""
        from great_expectations import ExpectationSuite

        rows = _rows()  # a suite looks for the context when it is made
        suite = ExpectationSuite(name=self._table)
        for at in which:
            suite.add_expectation(self._built[at][1])
        batch = rows.get_batch(batch_parameters={"dataframe": frame})
        report = batch.validate(
            suite, result_format={"result_format": "COMPLETE", "return_unexpected_index_query": False}
        )
        results: dict[int, dict[str, Any]] = {}
        for entry in report.results:
            at = entry.expectation_config.meta["at"]
            if reason := _raised(entry.exception_info):
                rule = describe(self._built[at][0])
                raise ConfigError(f"table {self._table!r}: {rule} cannot be computed: {reason}")
            results[at] = {"success": entry.success, "result": entry.result}
        return [results[at] for at in which]

    def _attribute(
        self,
        given: Expectation,
        answer: dict[str, Any],
        frame: "pd.DataFrame",
        partition: "np.ndarray[Any, Any]",
        finding: Finding,
    ) -> None:
        import numpy as np

        count = int(partition.max()) + 1
        failed = np.asarray(answer["result"].get("unexpected_index_list") or [], dtype=int)
        column = given.args.get("column")
        looked_at = np.ones(len(frame), dtype=bool)
        if isinstance(column, str) and given.expect != "expect_column_values_to_not_be_null":
            looked_at = frame[column].notna().to_numpy()
        present = np.bincount(partition, minlength=count)
        evaluated = np.bincount(partition[looked_at], minlength=count)
        bad = np.bincount(partition[failed], minlength=count)
        finding.nothing.update(int(n) for n in np.flatnonzero((present > 0) & (evaluated == 0)))
        tolerated = 1 - float(given.args.get("mostly") or 1.0)  # type: ignore[arg-type]
        for number in np.flatnonzero(bad > tolerated * np.maximum(evaluated, 1)):
            finding.rows[int(number)] = failed[partition[failed] == number].tolist()


@cache
def load_great_expectations() -> None:
    """Import Great Expectations without what it draws with, and tests distributions and reads clouds with."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"  # read when it is imported
    with lean_import(later=["altair", "scipy.stats"], absent=["boto3", "botocore", "sqlalchemy"]):
        import great_expectations  # noqa: F401


@cache
def _rows() -> Any:
    """Great Expectations' door for frames, one for all suites: to make it takes 20 ms."""
    import great_expectations as gx
    import tqdm  # type: ignore[import-untyped]
    from great_expectations.data_context.types.base import ProgressBarsConfig

    tqdm.tqdm.monitor_interval = 0  # else its first bar, shown or not, starts a thread
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    asset = context.data_sources.add_pandas("delivery").add_dataframe_asset("rows")
    return asset.add_batch_definition_whole_dataframe("rows")


def warm_up() -> None:
    """Run one small suite, so that Great Expectations has loaded what it loads at first use."""
    import numpy as np
    import pandas as pd

    given: list[dict[str, Any]] = [
        {"expect": "expect_column_values_to_not_be_null", "args": {"column": "x"}},
        {"expect": "expect_column_values_to_be_between", "args": {"column": "x", "min_value": 0}},
        {"expect": "expect_column_values_to_be_in_set", "args": {"column": "y", "value_set": ["a"]}},
    ]
    suite = Suite("warm_up", [Expectation.model_validate(item) for item in given])
    frame = pd.DataFrame({"x": [0.0, 1.0, None], "y": ["a", "b", "a"]})
    suite.run(frame, np.zeros(len(frame), dtype=int))


def describe(given: Expectation) -> str:
    """An expectation on one line: its name and arguments."""
    args = ", ".join(f"{name}={value!r}" for name, value in given.args.items())
    return f"{given.expect}({args})"


def _build(table: str, given: Expectation, at: int) -> Any:
    from great_expectations.exceptions import ExpectationNotFoundError
    from great_expectations.expectations.registry import get_expectation_impl

    try:
        return get_expectation_impl(given.expect)(**given.args, severity=given.severity, meta={"at": at})
    except ExpectationNotFoundError:
        raise ConfigError(f"table {table!r}: {unknown(given.expect)}") from None
    except (ValueError, TypeError) as error:  # pydantic's errors among them
        reason = " ".join(str(error).split())
        raise ConfigError(f"table {table!r}: {describe(given)}: {reason}") from None


def _is_by_row(built: Any) -> bool:
    from great_expectations.expectations import expectation as base

    kinds = (base.ColumnMapExpectation, base.ColumnPairMapExpectation, base.MulticolumnMapExpectation)
    return isinstance(built, kinds) and "unique" not in built.expectation_type


def _observed(rule: str, answer: dict[str, Any]) -> str:
    found = answer["result"].get("observed_value", answer["result"].get("unexpected_count"))
    return f"{rule} fails for the batch" + (f": found {found}" if found is not None else "")


def _raised(info: dict[str, Any] | None) -> str:
    """The message of an exception inside Great Expectations; it reports them in two shapes."""
    entries = [info or {}, *(value for value in (info or {}).values() if isinstance(value, dict))]
    for entry in entries:
        if entry.get("raised_exception"):
            return " ".join(str(entry.get("exception_message")).split())[:300]
    return ""
