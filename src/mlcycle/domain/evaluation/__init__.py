"""What is known of one model: a file a part, each a pure function of rows, predictions and the project.

A part takes a :class:`subject.Subject` and returns figures as JSON; the page and the model card show that and
nothing else. :mod:`parts` names them all and runs those that a project asks for, within its budget.
"""
