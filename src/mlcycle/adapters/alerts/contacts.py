"""Whose an alert is, and what to do about it: by what people said, its monitor's entry, the project's."""

from mlcycle.project import Project


def contact(project: Project, matter: str, assigned: str = "") -> tuple[str, str]:
    """Owner and runbook of a matter's alerts, empty where nobody said; ``assigned`` goes above the file."""
    watched = project.monitors.watch.get(matter.removeprefix("error:"))
    alerts = project.alerts
    owner = assigned or (watched.owner if watched else "") or alerts.owner
    return owner, (watched.runbook if watched else "") or alerts.runbook
