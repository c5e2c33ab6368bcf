# mypy: allow-subclassing-any
"""Feast's registry, of which a store reads its own project alone.

Feast 0.67 keeps every project's objects in the memory of each store, and reads them all again after
each object that it writes: ten queries a project, some twenty times for one ``apply``. With fifty
projects that was 3 s of CPU for each, and it grew with their number.
"""

from functools import cache
from typing import TYPE_CHECKING, Any

from mlcycle.adapters.features.library import load_feast

if TYPE_CHECKING:
    import feast
    from feast.repo_config import RepoConfig


def open_store(config: "RepoConfig") -> "feast.FeatureStore":
    """A feature store that reads its own project."""
    found: feast.FeatureStore = _kind()(config=config)
    return found


@cache
def _kind() -> type[Any]:
    """The store's class; made here because Feast is imported only where it is used."""
    load_feast()
    import feast
    from feast.errors import ProjectObjectNotFoundException
    from feast.infra.registry.sql import SqlRegistry

    class ProjectRegistry(SqlRegistry):
        """The registry in PostgreSQL, as one project sees it."""

        def __init__(self, config: "RepoConfig") -> None:
            self._project = config.project
            super().__init__(config.registry, config.project, None)

        def list_projects(
            self, allow_cache: bool = False, tags: dict[str, str] | None = None
        ) -> list[feast.Project]:
            """The project, once it was applied: what Feast fills its memory from."""
            try:
                found = self.get_project(self._project, allow_cache=allow_cache)
            except ProjectObjectNotFoundException:
                return []
            return [found] if (tags or {}).items() <= found.tags.items() else []

    class ProjectStore(feast.FeatureStore):
        """A feature store with that registry."""

        def _create_registry(self) -> ProjectRegistry:
            return ProjectRegistry(self.config)

    return ProjectStore
