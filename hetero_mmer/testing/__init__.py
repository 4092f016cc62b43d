"""Checks that any model or layer can be put to, and fake data to test it with.

A test of a model of one's own, in a file ``test_mine.py``:

>>> from functools import partial
>>> from hetero_mmer.models import HHMPN as Mine
>>> from hetero_mmer.testing import check_model
>>>
>>> def test_mine():
...     check_model(partial(Mine, hidden_channels=8, num_steps=1))
>>> test_mine()

:func:`check_model` makes the model anew for each of the :data:`MODEL_CHECKS`, on
generated batches of a few samples, and tells of all that fail at once, by name::

    CheckError: Mine fails 2 checks:
    - padding: a longer sample after them, by which they are padded, changes no others
      (they differ by up to 0.0132)
    - gradients: a gradient reaches every parameter (none reaches ['gate.weight'])

``MODEL_CHECKS['padding'].__doc__`` says what a check asks. What a system cannot
do is named where it is tested, and why in its docstring: ``except_for=['sets']`` for
one that reads all items in their order, ``untrained=['positions.*']`` for parameters
that learn elsewhere. A model without trainable parameters is tested
``except_for=['gradients', 'learns']``. The optional powers of a model (``fit``,
``step``, ``parameter_groups``, ``criterion``, ``return_attention``,
``num_embeddings``, ``reset_parameters``) are checked where it has them;
:func:`check_model` returns the names of the checks that it made.

:func:`check_layer` does the same for message-passing layers, by the
:data:`LAYER_CHECKS`; PyG's own will do:

>>> from torch_geometric.nn import GATv2Conv
>>> from hetero_mmer.testing import check_layer
>>> 'attention' in check_layer(GATv2Conv, except_for=['no_edges'])  # It has a bias.
True

That a model or layer computes what its paper says is left to tests of its own;
:func:`fake_batch` and :func:`fake_sample` draw what these need, without files.
"""

from hetero_mmer.testing.failure import CheckError
from hetero_mmer.testing.fake import fake_batch, fake_sample
from hetero_mmer.testing.layer import check_layer
from hetero_mmer.testing.layer_checks import LAYER_CHECKS
from hetero_mmer.testing.model import check_model
from hetero_mmer.testing.model_checks import MODEL_CHECKS

__all__ = [
    'LAYER_CHECKS',
    'MODEL_CHECKS',
    'CheckError',
    'check_layer',
    'check_model',
    'fake_batch',
    'fake_sample',
]
