"""Airflow's cluster policy."""

from mlcycle.orchestration.policy import dag_policy

__all__ = ["dag_policy"]
