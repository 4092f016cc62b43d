"""How the site is built: `make docs`, without a network."""

from __future__ import annotations

import sys
from pathlib import Path

import hetero_mmer

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / 'extensions'))

project = 'hetero_mmer'
author = 'the hetero_mmer authors'
copyright = author
version = release = hetero_mmer.__version__

extensions = [
    'myst_parser',
    'sphinx.ext.autodoc',
    'sphinx.ext.napoleon',
    'sphinx.ext.viewcode',
    'mathml',
    'reference',
    'tests',
]
exclude_patterns = ['_build']
myst_enable_extensions = ['colon_fence', 'dollarmath']
myst_heading_anchors = 3

nitpicky = True
nitpick_ignore_regex = [
    ('py:.*', r'(?!hetero_mmer\.).*'),  # Links to other sites would need a network.
    # What signatures name, and docstrings tell, but packages do not offer.
    ('py:.*', r'hetero_mmer\.(?!functional\.|nn\.)\w+\.[a-z_]+\.\w+'),
    ('py:class', r'hetero_mmer\.nn\.\w+\.[a-z_]+\.[A-Z]\w+'),
    ('py:class', r'hetero_mmer\.[\w.]+\.T'),  # Any type.
]

autodoc_typehints = 'description'
autodoc_typehints_description_target = 'documented_params'
autodoc_member_order = 'bysource'
napoleon_numpy_docstring = False
napoleon_custom_sections = ['Shapes', 'Deviations']

html_theme = 'furo'
html_title = f'hetero_mmer {release}'
html_static_path = ['static']
html_css_files = ['site.css']
html_copy_source = False
html_show_sphinx = False
