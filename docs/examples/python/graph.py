import numpy as np
from torch_geometric.loader import DataLoader

from hetero_mmer.graph import build_graph

graph = build_graph(
    {'text': np.ones((5, 300)), 'audio': np.ones((9, 74))}, labels=[1, 0]
)
batch = next(iter(DataLoader([graph, graph], batch_size=2)))
print(batch.num_graphs, batch['text'].x.shape, batch['label'].y)

ids = build_graph({'lyrics': [5, 3]}, labels=[1, 0], num_embeddings={'lyrics': 90})
print(ids['lyrics'].x.shape)
