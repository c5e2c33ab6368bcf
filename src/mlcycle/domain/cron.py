"""Whether a text is a cron expression."""

from mlcycle.errors import ConfigError


def check_cron(expression: str) -> str:
    """The expression. Raises ConfigError where it is none.

    Airflow would find a wrong one when it stores the DAG, and drop every project's DAGs with it.
    """
    from croniter import croniter  # type: ignore[import-untyped]

    if not croniter.is_valid(expression):
        raise ConfigError(
            f"retrain.schedule: {expression!r} is not a cron expression: write it like '0 6 * * 1'"
        )
    return expression
