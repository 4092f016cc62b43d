import numpy as np

from hetero_mmer.run import load_run

run = load_run('runs/mine', trust=True)
found = run.predict({'text': np.zeros((7, 32)), 'audio': np.zeros((40, 24))})
for name, prob, pred in zip(found.label_names, found.probs[0], found.pred[0]):
    print(name, f'{prob:.2f}', pred)
