import torch
from my_layer import CosineConv

from hetero_mmer import schema
from hetero_mmer.graph import build_graph
from hetero_mmer.models import HHMPN
from hetero_mmer.nn.conv import Stage

graph = build_graph({'text': torch.randn(5, 8), 'audio': torch.randn(9, 4)}, [1, 0])

# In a stage of a model of ours: what makes a layer from two widths.
model = HHMPN({'text': 8, 'audio': 4}, num_labels=2, f2l=CosineConv)
print(model(graph).probs.shape)

# In a stage of one's own: a layer for each relation.
stage = Stage({schema.f2l('text'): CosineConv(8, 8)})
x_dict = {'text': graph['text'].x, schema.MODALITY: torch.randn(4, 8)}
print(stage(x_dict, graph.edge_index_dict)[schema.MODALITY].shape)
