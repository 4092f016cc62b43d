import numpy as np

from hetero_mmer.store import ModalitySpec, Store, StoreWriter

rng = np.random.default_rng(0)
modalities = {'text': ModalitySpec(8), 'audio': ModalitySpec(4, kind='set')}
with StoreWriter('written.h5', modalities, ['joy', 'anger']) as writer:
    for i in range(100):
        y = rng.integers(0, 2, 2)
        items = {
            'text': y[0] + rng.normal(size=(rng.integers(3, 9), 8)),
            'audio': y[1] + rng.normal(size=(5, 4)) if i % 10 else None,
        }
        split = 'train' if i < 60 else 'valid' if i < 80 else 'test'
        writer.add(f'clip{i:03}', items, y, group=f'video{i // 5}', split=split)

print(Store('written.h5'))
