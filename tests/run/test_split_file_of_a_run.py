"""A run whose rows come from a split file, from training to evaluation."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from hetero_mmer.cli import main
from hetero_mmer.datasets import synthesize
from hetero_mmer.errors import InputError
from hetero_mmer.run import evaluate, load_run
from hetero_mmer.run.options import TrainOptions
from hetero_mmer.store import Store
from hetero_mmer.store.moments import moments_of
from hetero_mmer.training import MultilabelModule, resume, train

pytestmark = pytest.mark.filterwarnings('ignore::hetero_mmer.errors.InputWarning')


@pytest.fixture
def folds(tmp_path, data):
    path = tmp_path / 'folds.csv'
    assert (
        main(['data', 'split', str(data), '--folds', '4', '--output', str(path)]) == 0
    )
    return path


def ids_of(path, fold):
    with path.open(newline='') as file:
        rows = list(csv.DictReader(file))
    return {
        part: [row['id'] for row in rows if row[f'fold_{fold}'] == part]
        for part in ('train', 'valid', 'test')
    }


def predicted(folder):
    with (folder / 'predictions_test.csv').open(newline='') as file:
        return [row['sample_id'] for row in csv.DictReader(file)]


def test_each_fold_is_a_run_of_its_own(folds, tmp_path, data, model, options):
    tested = []
    for fold in range(4):
        out = tmp_path / str(fold)
        result = train(
            *(model, data, out),
            epochs=1,
            split_file=folds,
            fold=fold,
            standardize=True,
            **options,
        )
        assert predicted(out) == ids_of(folds, fold)['test']
        tested += predicted(out)
        again = evaluate(out)
        assert again['metrics'] == pytest.approx(result['metrics'], nan_ok=True)
        valid = evaluate(out, split='valid')
        assert valid['num_samples'] == len(ids_of(folds, fold)['valid'])
    with Store(data) as store:
        assert sorted(tested) == sorted(store.ids.tolist())


def test_scales_are_those_of_the_fold(folds, tmp_path, data, model, options):
    out = tmp_path / 'run'
    more = {'split_file': folds, 'fold': 2, 'standardize': True}
    train(model, data, out, epochs=1, **more, **options)
    train_ids = set(ids_of(folds, 2)['train'])
    scale = load_run(out).reading.scale
    with Store(data) as store:
        rows = [i for i, name in enumerate(store.ids) if name in train_ids]
        for m in store.modalities:
            items = np.concatenate([store.read(m, i) for i in rows]).astype(float)
            assert scale[m][0] == pytest.approx(items.mean(axis=0), abs=1e-6)
            assert scale[m][1] == pytest.approx(items.std(axis=0), rel=1e-5)


def test_what_was_cleaned_takes_no_part(tmp_path):
    path = tmp_path / 'a.h5'
    synthesize(path, num_samples=20, modalities={'text': 3}, num_labels=2).close()
    with Store(path) as store:
        arrays = [store.read('text', i).copy() for i in range(20)]
        labels, names = store.labels, list(store.label_names)
    arrays[3][0, 1] = np.nan
    from hetero_mmer.store import ModalitySpec, StoreWriter

    with StoreWriter(
        tmp_path / 'b.h5', {'text': ModalitySpec(3)}, names, clean='zero'
    ) as writer:
        for i, array in enumerate(arrays):
            writer.add(str(i), {'text': array}, labels=labels[i], split='train')
    with Store(tmp_path / 'b.h5') as store:
        rows = np.array([1, 3, 4])
        found = moments_of(store, 'text', rows)
        items = np.concatenate([arrays[i] for i in rows]).astype(float)
    assert found.mean == pytest.approx(np.nanmean(items, axis=0))
    assert found.std == pytest.approx(np.nanstd(items, axis=0))
    assert not len(found.unseen)


def test_a_file_that_changed_is_refused(
    folds, tmp_path, data, model, options, monkeypatch
):
    out = tmp_path / 'run'
    original = MultilabelModule.training_step

    def step(self, batch, batch_idx):
        if self.current_epoch == 1:
            raise KeyboardInterrupt
        return original(self, batch, batch_idx)

    more = {'split_file': folds, 'fold': 0, **options}
    with monkeypatch.context() as patch:
        patch.setattr(MultilabelModule, 'training_step', step)
        with pytest.raises(KeyboardInterrupt):
            train(model, data, out, epochs=2, **more)
    text = folds.read_bytes()
    folds.write_bytes(text.replace(b'train', b'valid', 1))
    with pytest.raises(InputError, match=r'split file .* has changed since it started'):
        resume(out)
    folds.write_bytes(text)
    resume(out)
    folds.write_bytes(text.replace(b'train', b'valid', 1))
    with pytest.raises(InputError, match='has changed since the run started'):
        evaluate(out)


def test_a_file_that_changes_meanwhile_is_not_taken_for_the_one_of_the_start(
    folds, tmp_path, data, model, options, monkeypatch
):
    original, text = MultilabelModule.training_step, folds.read_bytes()

    def step(self, batch, batch_idx):
        folds.write_bytes(text.replace(b'train', b'valid', 1))
        return original(self, batch, batch_idx)

    monkeypatch.setattr(MultilabelModule, 'training_step', step)
    out = tmp_path / 'run'
    train(model, data, out, epochs=1, split_file=folds, fold=0, **options)
    with pytest.raises(InputError, match='has changed since the run started'):
        evaluate(out)
    folds.write_bytes(text)
    evaluate(out)


def test_a_fold_needs_a_file(tmp_path, data, model, folds, capsys):
    with pytest.raises(InputError, match="'fold' is one of a 'split_file'"):
        TrainOptions(fold=1)
    words = ['train', '--model', 'HHMPN', '--data', str(data), '--epochs', '1']
    words += ['--out', str(tmp_path / 'run'), '--split_file', str(folds)]
    assert main([*words, '--fold', '9']) == 2
    assert 'fold' in capsys.readouterr().err
    assert main(words) == 2
    assert not (tmp_path / 'run').exists()
