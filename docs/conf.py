"""How the site is built: `make site`. Every warning is an error there."""

from pygments.lexers.special import TextLexer
from sphinx.application import Sphinx

project = "Lotkeeper"
copyright = "the authors of Lotkeeper"  # noqa: A001 - Sphinx' name for it
extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
root_doc = "index"

# The ids that GitHub gives to headings, so that a link to one is good in both places.
myst_heading_anchors = 4
nitpicky = True

html_theme = "furo"
html_title = "Lotkeeper"
html_copy_source = False
html_theme_options = {"top_of_page_buttons": []}


def setup(app: Sphinx) -> None:
    """Show CSV as it is: Pygments has no colours for it."""
    app.add_lexer("csv", TextLexer)
