"""Formulas as MathML, which browsers show without a script."""

from __future__ import annotations

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.writers.html5 import HTML5Translator

log = logging.getLogger(__name__)


def inline(writer: HTML5Translator, node: nodes.math) -> None:
    """Writes a formula in a line."""
    writer.body.append(_mathml(node, 'inline'))
    raise nodes.SkipNode


def block(writer: HTML5Translator, node: nodes.math_block) -> None:
    """Writes a formula of its own."""
    writer.body.append(f'<div class="math">{_mathml(node, "block")}</div>')
    raise nodes.SkipNode


def _mathml(node: nodes.Element, display: str) -> str:
    source = node.astext()
    found = convert(source, display=display)
    if '\\' in found:
        log.warning('a command of this formula is unknown: %s', source, location=node)
    return found


def setup(app: Sphinx) -> dict[str, bool]:
    """Adds the renderer."""
    app.add_html_math_renderer('mathml', (inline, None), (block, None))
    return {'parallel_read_safe': True, 'parallel_write_safe': True}
