"""What a challenger must keep however much it gains: a file a guardrail, judged so that luck refuses none.

Each takes figures of the challenger (and of the champion on the same rows) and its limits, and answers with a
:class:`finding.Finding`.
"""
