from functools import partial

from hetero_mmer.models import HHMPN
from hetero_mmer.training import train

model = partial(HHMPN, hidden_channels=64)
result = train(
    model, 'synthetic', 'runs/five', root='data', epochs=5, learning_rate=2e-3
)
print(f'{result["metrics"]["f1_micro"]:.3f}')
