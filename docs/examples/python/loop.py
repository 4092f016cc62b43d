import torch

from hetero_mmer.datasets import resolve_data
from hetero_mmer.loader import StoreDataset, StoreLoader
from hetero_mmer.metrics import multilabel_metrics
from hetero_mmer.models import HHMPN
from hetero_mmer.store import Store

torch.manual_seed(0)
store = Store(resolve_data('synthetic', root='data'))
train, test = (StoreDataset(store, store.rows(split)) for split in ('train', 'test'))
model = HHMPN(train.in_channels, train.num_labels, hidden_channels=64)
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
for _ in range(5):
    for batch in StoreLoader(train, batch_size=64, shuffle=True):
        y = batch['label'].y.view(batch.num_graphs, -1)
        optimizer.zero_grad()
        model.loss(model(batch), y)['total'].backward()
        optimizer.step()
model.eval()
with torch.no_grad():
    probs = torch.cat([model(batch).probs for batch in StoreLoader(test, 64)])
print(f'{multilabel_metrics(probs, test.y)["f1_micro"]:.3f}')
