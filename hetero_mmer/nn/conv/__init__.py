"""Message-passing layers and the stages they make up."""

from hetero_mmer.nn.conv.attention_conv import AttentionConv
from hetero_mmer.nn.conv.label_attention_conv import LabelAttentionConv
from hetero_mmer.nn.conv.readout_conv import ReadoutConv
from hetero_mmer.nn.conv.stage import Stage

__all__ = ['AttentionConv', 'LabelAttentionConv', 'ReadoutConv', 'Stage']
