"""Reports as one HTML file each: tables and plots inside it, nothing fetched from anywhere."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field

TEMPLATE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{{ title }}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
 body { font: 15px/1.5 system-ui, sans-serif; color: #1f2933; margin: 2rem auto; max-width: 62rem;
        padding: 0 1rem; background: #fff }
 h1 { font-size: 1.5rem; margin-bottom: .2rem } h2 { font-size: 1.1rem; margin-top: 2rem }
 .lead { font-size: 1.05rem } .muted { color: #616e7c }
 .verdict { display: inline-block; padding: .15rem .7rem; border-radius: 1rem; font-weight: 600;
            background: #e4e7eb }
 .good { background: #d6f0e0; color: #11663a } .bad { background: #fde2d4; color: #8a3510 }
 table { border-collapse: collapse; margin: .5rem 0 } th, td { text-align: right; padding: .25rem .8rem;
         border-bottom: 1px solid #e4e7eb; font-variant-numeric: tabular-nums }
 th:first-child, td:first-child { text-align: left } th { font-weight: 600 }
 .plots { display: flex; flex-wrap: wrap; gap: 1rem; align-items: flex-start }
 .plots img { max-width: 100%; height: auto }
 .wide { overflow-x: auto }
</style></head><body>
<h1>{{ title }}</h1>
<p class="muted">{{ subtitle }}</p>
{% if verdict %}<p><span class="verdict {{ 'good' if good else 'bad' }}">{{ verdict }}</span></p>{% endif %}
{% if points %}<ul class="lead">{% for point in points %}<li>{{ point }}</li>{% endfor %}</ul>{% endif %}
{% for section in sections %}
<h2>{{ section.title }}</h2>
{% if section.text %}<p>{{ section.text }}</p>{% endif %}
{% if section.images %}<div class="plots">{% for image in section.images %}
<img alt="{{ image[0] }}" src="data:image/png;base64,{{ image[1] }}">{% endfor %}</div>{% endif %}
{% if section.rows %}<div class="wide"><table><thead><tr>
{% for cell in section.head %}<th>{{ cell }}</th>{% endfor %}</tr></thead><tbody>
{% for row in section.rows %}<tr>{% for cell in row %}<td>{{ cell }}</td>{% endfor %}</tr>{% endfor %}
</tbody></table></div>{% endif %}
{% endfor %}
</body></html>
"""


@dataclass
class Section:
    """A heading with plots (what each shows, PNG bytes) and a table under it."""

    title: str
    text: str = ""
    plots: Sequence[tuple[str, bytes]] = ()
    head: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = field(default_factory=list)

    @property
    def images(self) -> list[tuple[str, str]]:
        """The plots as base64."""
        return [(name, base64.b64encode(data).decode()) for name, data in self.plots]


def render(
    title: str,
    subtitle: str,
    sections: Sequence[Section],
    *,
    verdict: str = "",
    good: bool = True,
    points: Sequence[str] = (),
) -> bytes:
    """One page. Every text is escaped: names come from project files and data."""
    import jinja2

    template = jinja2.Environment(autoescape=True).from_string(TEMPLATE)
    return template.render(
        title=title, subtitle=subtitle, sections=sections, verdict=verdict, good=good, points=points
    ).encode()
