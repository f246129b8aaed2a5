"""A drawing of the experiment: beam, crystal and detector (notebook 0)."""

from __future__ import annotations

from IPython.display import HTML

WORDS = (
    "An X-ray beam from the left meets a small crystal. Scattered rays reach a flat detector on "
    "the right, with sharp Bragg spots and broad diffuse clouds between them."
)
DRAWING = f"""\
<svg viewBox="0 0 580 170" width="580" role="img" aria-label="{WORDS}"
 style="max-width: 100%; background: #fff; font: 14px sans-serif">
<g fill="none" stroke="#1b3a4b" stroke-width="2">
<path d="M20 85H168" stroke-width="4"/>
<path d="M200 85L430 40M200 85L430 85M200 85L430 130" stroke-dasharray="5 4"/>
<path d="M430 15l70 -10v160l-70 -10z" fill="#f2efe6"/></g>
<path d="M160 77l16 8 -16 8z" fill="#1b3a4b"/>
<path d="M185 72l16 -6 14 8 -2 18 -16 6 -14 -8z" fill="#0072b2"/>
<g fill="#d55e00" fill-opacity=".4"><ellipse cx="467" cy="61" rx="14" ry="10"/>
<ellipse cx="467" cy="108" rx="14" ry="10"/></g>
<g fill="#1b3a4b"><circle cx="448" cy="38" r="3"/><circle cx="448" cy="85" r="3"/>
<circle cx="448" cy="132" r="3"/><circle cx="485" cy="32" r="3"/><circle cx="485" cy="84" r="3"/>
<circle cx="485" cy="136" r="3"/></g>
<g fill="#1b2a33"><text x="40" y="72">X-ray beam</text><text x="172" y="122">crystal</text>
<text x="285" y="160">scattered photons</text><text x="510" y="88">detector</text></g></svg>
"""


def experiment_figure() -> HTML:
    """Draw the experiment as SVG with a text alternative."""
    return HTML(DRAWING)
