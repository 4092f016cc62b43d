import numpy as np

from hetero_mmer.run import evaluate, load_run, predict

run = load_run('runs/five')
found = run.predict({'text': np.zeros((7, 32))})  # visual and audio are missing
print(found.label_names, found.probs.shape, found.pred.shape)

print(f'{evaluate(run, split="valid")["metrics"]["f1_micro"]:.3f}')
print(predict(run, 'synthetic', 'predictions.csv', root='data'))
