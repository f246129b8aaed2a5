"""Widgets at rest, as pages show them that no kernel serves."""

from base64 import b64decode
from io import BytesIO

import ipywidgets as ipw
import numpy as np
import plotly.graph_objects as go
from bs4 import BeautifulSoup
from PIL import Image

from xrlab.drawing.plots import describe
from xrlab.drawing.png import picture
from xrlab.widgets.explorer import Explorer
from xrlab.widgets.panel import Panel, captioned_pictures
from xrlab.widgets.still import still


def pictures(html: str) -> dict[str, Image.Image]:
    """Pictures of a page by their text alternative."""
    return {
        each["alt"]: Image.open(BytesIO(b64decode(each["src"].partition(",")[2])))
        for each in BeautifulSoup(html, "html.parser").select("img")
    }


def test_words_and_controls():
    """HTML stays as it is; a control is its name and where it stands; buttons are of no use."""
    chosen = ipw.Dropdown(options=[("one <lot>", 1), ("two", 2)], value=1, description="M")
    text = still(ipw.VBox([ipw.HTML("<b>here</b>"), ipw.HBox([chosen]), ipw.Button()]))
    assert BeautifulSoup(text, "html.parser").get_text(" ") == "here M  one <lot>"


def test_pictures_have_the_name_that_stands_above_them():
    """Their pixels are unchanged; what has not been drawn yet leaves nothing."""
    drawn, row = captioned_pictures({"image": "one lot", "empty": "not yet"}, 40)
    drawn["image"].value = picture(np.eye(4))
    (name, image), = pictures(still(row)).items()  # fmt: skip
    assert name == "image"
    assert np.array_equal(
        image.convert("RGB"), Image.open(BytesIO(drawn["image"].value)).convert("RGB")
    )


def test_figures_are_drawn_with_their_text():
    """By the plotly.js of the page."""
    figure = describe(go.FigureWidget(go.Scatter(y=[1, 2])), "It rises.")
    text = still(ipw.VBox([figure]))
    assert "Plotly.newPlot" in text
    assert "It rises." in text


def test_explorer_shows_its_five_pictures():
    """Drawn from the cells that the browser would draw: the lattice has two colours."""
    explorer = Explorer()
    bundle = explorer._repr_mimebundle_()
    assert "mathjax_ignore" in bundle["text/html"]  # two amounts in dollars are no formula
    shown = pictures(bundle["text/html"])
    assert [each["description"] for each in explorer.pictures.panels] == list(shown)
    (lattice,) = (each for name, each in shown.items() if name.startswith("Lattice"))
    assert len(lattice.convert("RGB").getcolors()) == 2
    assert "c(0, 1) = " in bundle["text/html"]


def test_a_panel_is_shown_live_where_it_can_be():
    """Beside the still stands what JupyterLab shows."""
    bundle = Panel(ipw.HTML("words"))._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert "words" in bundle["text/html"]


def test_words_of_buttons_are_not_cut():
    """A button is as wide as its words."""
    button = Panel()._button("a button with many words in it", "why", print)
    assert button.layout.width == "max-content"
