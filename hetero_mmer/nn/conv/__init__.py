"""Message-passing layers and the stages they make up."""

from hetero_mmer.nn.conv.attention_conv import AttentionConv
from hetero_mmer.nn.conv.cells import send_to_cells
from hetero_mmer.nn.conv.label_attention_conv import LabelAttentionConv
from hetero_mmer.nn.conv.readout_conv import ReadoutConv
from hetero_mmer.nn.conv.relations import Relations
from hetero_mmer.nn.conv.stage import Attention, Stage

__all__ = [
    'Attention',
    'AttentionConv',
    'LabelAttentionConv',
    'ReadoutConv',
    'Relations',
    'Stage',
    'send_to_cells',
]
