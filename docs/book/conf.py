"""Settings of the book, for Sphinx; tools/write_book.py adds the address of the repository."""

import re

from docutils.nodes import SkipNode
from docutils.utils.math.latex2mathml import tex2mathml

project = "xrlab"
author = copyright = "The xrlab developers"
language = "en"

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.napoleon"]
autodoc_preserve_defaults = True
autodoc_typehints = "none"  # the docstrings have the types, with shapes and units
default_role = "literal"
nb_execution_mode = "off"  # the notebooks come executed
nb_render_markdown_format = "myst"  # tables, too
nb_merge_streams = True
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

html_title = "xrlab"
html_theme = "sphinx_book_theme"
html_theme_options = {
    "use_repository_button": True,
    "launch_buttons": {"binderhub_url": "https://mybinder.org", "notebook_interface": "jupyterlab"},
    "home_page_in_toc": True,
    "navbar_persistent": [],  # the sidebar has a search field
    "secondary_sidebar_items": [],  # figures need the width
}
html_context = {"default_mode": "auto"}
html_static_path = ["_static"]
html_css_files = ["book.css", "figures.css"]
html_js_files = [("plotly.min.js", {"priority": 100})]
html_show_sourcelink = False
html_math_renderer = "mathml"  # no network, and screen readers read it


def prepare_docstring(app, what, name, thing, options, lines):
    """Escape "|", a substitution in reStructuredText, outside of ``code`` and examples.

    Napoleon takes the first line of a property, up to a colon, for its type: give it a comment.
    """
    kept = re.compile(r"(^ *>>>.*?(?:\n *\n|\Z)|``.*?``)", re.DOTALL | re.MULTILINE)
    parts = kept.split("\n".join(lines))
    parts[::2] = [part.replace("|", r"\|") for part in parts[::2]]
    lines[:] = (["..", ""] if what == "property" else []) + "".join(parts).split("\n")


def formula(display):
    """Return the visitor that writes formulas as MathML, displayed or among words."""

    def visit(translator, node):
        drawn = tex2mathml(node.astext(), as_block=display)
        scrolls = '<div class="formula" tabindex="0">', "</div>"
        translator.body.append(drawn.join(scrolls) if display else drawn)
        raise SkipNode

    return visit, None


def setup(app):
    """Register formulas, and the change of docstrings, before Napoleon's; Sphinx calls this."""
    app.add_html_math_renderer("mathml", formula(display=False), formula(display=True))
    app.connect("autodoc-process-docstring", prepare_docstring, priority=400)
