"""The types of a model's inputs as MLflow's signature says them: out of what the project declares alone.

What training happened to hold says nothing: a column of integers is one of doubles to pandas once a value is
missing. MLflow takes no missing value for a ``long``, and no integers for a ``double``; so an integer that
may be missing is ``any``, and rows go through with and without gaps.
"""

from mlcycle.project.project import Project

_TYPES = {"text": "string", "double": "double", "boolean": "boolean"}


def signature_types(project: Project) -> dict[str, str]:
    """MLflow's word for the type of each input, in the inputs' order.

    An integer of the entity table is never missing, and a ``long``, where it is of the key or is critically
    expected to be there; one of a view may have no value yet.
    """
    entity = project.entity_table
    there = {*entity.key} | {
        str(each.args.get("column"))
        for each in entity.expectations
        if each.expect == "expect_column_values_to_not_be_null"
        and each.severity == "critical"
        and each.args.get("mostly") is None
    }
    kinds: dict[str, str] = {**entity.columns}
    for view in project.features.values():
        kinds |= view.columns
    return {
        name: "long" if kinds[name] == "integer" and name in there else _TYPES.get(kinds[name], "any")
        for name in project.inputs.all
    }
