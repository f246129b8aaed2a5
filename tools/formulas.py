"""Formulas as MathML, which browsers draw without a network and screen readers read."""

from __future__ import annotations

import re

from docutils.utils.math.latex2mathml import tex2mathml


def with_mathml(markdown: str) -> str:
    """Replace the displayed formulas, $$...$$ in LaTeX, of a Markdown text.

    Raises
    ------
    docutils.utils.math.MathError
        If a formula has a command that is not known.

    Examples
    --------
    >>> print(with_mathml("So $$E = m$$."))
    So <div class="formula" tabindex="0"><math ...><mi>E</mi><mo>=</mo><mi>m</mi></math></div>.
    """

    def drawn(formula: re.Match) -> str:
        lines = tex2mathml(formula[1].strip(), as_block=True).splitlines()
        # One line, because a blank one would end the HTML; it scrolls where it is too wide.
        return f'<div class="formula" tabindex="0">{"".join(map(str.strip, lines))}</div>'

    return re.sub(r"\$\$(.+?)\$\$", drawn, markdown, flags=re.DOTALL)
