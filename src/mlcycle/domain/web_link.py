"""Links that people click: http or https and nothing that a page or a message could take for more."""

import re

_LINK = re.compile(r"""^https?://[^\s/?#@\\<>"'|]+(?:[/?#][^\s\\<>"'|]*)?$""")


def check_link(text: str) -> str:
    """The link, or nothing. Raises ValueError for what is neither."""
    if text and not _LINK.match(text):
        raise ValueError(f"{text!r} is not a link: write it like https://wiki.example/runbook")
    return text
