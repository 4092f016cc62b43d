"""The role ``test``: names a test by its file and function, which must be there."""

from __future__ import annotations

import re
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxRole

TESTS = Path(__file__).parents[2] / 'tests'


class Test(SphinxRole):
    """Shows ``models/test_hhmpn.py::test_one_label``, below ``tests``."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """Makes the node, and an error where there is no such test."""
        name, _, function = self.text.partition('::')
        path = TESTS / name
        if not path.is_file() or not (
            not function or re.search(rf'^def {function}\(', path.read_text(), re.M)
        ):
            error = f"there is no test '{self.text}'"
            return [], [self.inliner.reporter.error(error, line=self.lineno)]
        return [nodes.literal(self.rawtext, self.text, classes=['test'])], []


def setup(app: Sphinx) -> dict[str, bool]:
    """Adds the role."""
    app.add_role('test', Test())
    return {'parallel_read_safe': True, 'parallel_write_safe': True}
