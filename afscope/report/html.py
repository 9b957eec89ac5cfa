"""The report as one HTML file that needs nothing else: it opens from mail, prints, and fetches nothing.

A Content-Security-Policy forbids every request and every script but the report's own, named by its hash; and every text
is escaped by the template. Text out of a capture therefore stays text, whatever is in it.
"""

import base64
import hashlib
from importlib import resources

from afscope.report.content import Content
from afscope.report.drawing import figures


def html(told: Content) -> str:
    """The whole file."""
    import jinja2

    folder = resources.files("afscope.report") / "templates"
    script = (folder / "report.js").read_text(encoding="utf-8")
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: (folder / name).read_text(encoding="utf-8")),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    return environment.get_template("report.html.j2").render(
        told=told,
        say=told.look.say,
        figures=figures(told),
        style=(folder / "report.css").read_text(encoding="utf-8"),
        script=script,
        script_hash=_hash(script),
    )


def _hash(script: str) -> str:
    """The hash by which the policy knows the script (CSP level 2)."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
