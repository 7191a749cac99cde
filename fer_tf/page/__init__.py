"""Pages: one self-contained HTML file each, in one style, with nothing to fetch."""

import base64
from pathlib import Path
from typing import Any

import jinja2

SHARED = Path(__file__).parent


def render(template: Path, **values: Any) -> str:
    """Return the page that a template makes of `values`.

    It may extend `base.html` and import `macros.html` and `data.html`, which lie here.
    A name that has no value is an error.
    """
    jinja = jinja2.Environment(
        loader=jinja2.FileSystemLoader([template.parent, SHARED]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return jinja.get_template(template.name).render(**values) + "\n"


def data_uri(content: bytes, kind: str) -> str:
    """Return bytes of a MIME type as an address that holds them."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
