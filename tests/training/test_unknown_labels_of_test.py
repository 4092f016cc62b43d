from __future__ import annotations

import csv
import json
import shutil
from functools import partial

import h5py
import numpy as np
import pytest
from sklearn.metrics import f1_score, hamming_loss

from hetero_mmer.cli import main
from hetero_mmer.errors import InputError, InputWarning
from hetero_mmer.run import evaluate, load_run, predict
from hetero_mmer.store import ModalitySpec, Store, StoreWriter
from hetero_mmer.training import resume, train


def hide(data, path, split='test', keep=0):
    """A copy of a store that does not tell the labels of a split, but of a few."""
    shutil.copy(data, path)
    with Store(data) as store:
        rows = store.rows(split)[keep:]
    with h5py.File(path, 'r+') as file:
        file.attrs['format_version'] = 3
        for row in rows.tolist():
            file['labels'][row] = 255
    return path


def quiet_train(model, data, out, options):
    with pytest.warns(InputWarning, match="samples of split 'test'"):
        return train(model, data, out, epochs=2, **options)


@pytest.fixture(scope='module')
def full(tmp_path_factory, data, model, options):
    """A run whose test samples have labels."""
    folder = tmp_path_factory.mktemp('full') / 'run'
    return train(model, data, folder, epochs=2, **options), folder


@pytest.fixture(scope='module', params=[0, 7])
def hidden(request, tmp_path_factory, data, model, options):
    """The number of test samples with labels, the result, folder and data of a run."""
    folder = tmp_path_factory.mktemp('hidden')
    path = hide(data, folder / 'a.h5', keep=request.param)
    result = quiet_train(model, path, folder / 'run', options)
    return request.param, result, folder / 'run', path


def read_csv(path):
    with path.open(newline='') as file:
        return list(csv.reader(file))


def judged(data, folder, threshold, keep):
    """Metrics by scikit-learn, of the labels that the whole store has."""
    with Store(data) as store:
        rows = store.rows('test')[:keep]
        y = store.labels[rows]
        ids = store.ids[rows].tolist()
    probs = {row[0]: row[1:4] for row in read_csv(folder / 'predictions_test.csv')[1:]}
    pred = np.array([probs[i] for i in ids], float) > threshold
    return {
        'f1_micro': f1_score(y, pred, average='micro', zero_division=0),
        'f1_macro': f1_score(y, pred, average='macro', zero_division=0),
        'hamming_loss': hamming_loss(y, pred),
    }


def test_a_run_is_what_it_is_with_labels(full, hidden):
    """Nothing but the test metrics depends on the labels of test."""
    (expected, whole), (keep, result, folder, _) = full, hidden
    for name in ('metrics.csv', 'model.safetensors'):
        ours, theirs = ((f / name).read_bytes() for f in (folder, whole))
        if name == 'metrics.csv':  # All but the time.
            ours, theirs = (
                [line.split(b',')[:1] + line.split(b',')[2:] for line in x.split()]
                for x in (ours, theirs)
            )
        assert ours == theirs
    assert result['best_epoch'] == expected['best_epoch']
    ours, theirs = (read_csv(f / 'predictions_test.csv') for f in (folder, whole))
    assert ours[0] == theirs[0]
    assert [row[:4] for row in ours] == [row[:4] for row in theirs]
    assert ours[: keep + 1] == theirs[: keep + 1]
    assert all(row[4:] == [''] * 3 for row in ours[keep + 1 :])


def test_metrics_are_of_the_known(hidden, data):
    keep, result, folder, _ = hidden
    assert (result['num_samples'], result['num_unknown']) == (keep, 20 - keep)
    assert json.loads((folder / 'metrics.json').read_text())['metrics'] == (
        pytest.approx(result['metrics'], nan_ok=True)
    )
    assert any(f'labels of {20 - keep} of 20 samples' in n for n in result['notes'])
    if not keep:
        assert result['metrics'] == {}
        return
    expected = judged(data, folder, result['threshold'], keep)
    for name, value in expected.items():
        assert result['metrics'][name] == pytest.approx(value, abs=1e-6)


def test_evaluate_scores_the_known(hidden, data):
    keep, result, folder, _ = hidden
    if not keep:
        with pytest.raises(InputError, match=r'`predict\(') as error:
            evaluate(folder)
        assert '\n' not in str(error.value)
        return
    with pytest.warns(InputWarning, match=r'labels of 13 of 20 .* of the other 7'):
        found = evaluate(folder)
    assert (found['num_samples'], found['num_unknown']) == (7, 13)
    assert found['metrics'] == pytest.approx(result['metrics'], nan_ok=True, abs=1e-6)
    with pytest.warns(InputWarning, match='of the other 7'):
        other = evaluate(folder, threshold=0.3)['metrics']
    for name, value in judged(data, folder, 0.3, keep).items():
        assert other[name] == pytest.approx(value, abs=1e-6)


@pytest.mark.filterwarnings('error')
def test_other_splits_are_evaluated_without_a_word(hidden):
    folder = hidden[2]
    found = evaluate(folder, split='valid')
    assert found['num_samples'] == 12
    assert 'num_unknown' not in found


@pytest.mark.filterwarnings('error')
def test_predict_predicts_all(hidden, full, data, tmp_path):
    _, _, folder, path = hidden
    ours = predict(folder, path, tmp_path / 'a.csv')
    theirs = predict(full[1], data, tmp_path / 'b.csv')
    assert read_csv(ours) == read_csv(theirs)
    assert len(read_csv(ours)) == 81


def test_the_command_says_that_nothing_is_scored(data, tmp_path, capsys):
    path, run = hide(data, tmp_path / 'a.h5'), tmp_path / 'run'
    words = ['train', '--model', 'HHMPN', '--model.hidden_channels', '4']
    words += ['--data', str(path), '--out', str(run), '--epochs', '1']
    assert main([*words, '--device', 'cpu']) == 0
    told = capsys.readouterr()
    assert 'not scored: labels are unknown' in told.out
    assert 'f1_micro │ 0' not in told.out
    assert 'predictions_test.csv, but not scored' in told.err
    assert main(['evaluate', str(run), '--device', 'cpu']) == 2
    told = capsys.readouterr()
    assert told.out == ''
    assert f'hetero-mmer predict {run} {path}' in told.err
    assert len(told.err.splitlines()) == 1
    assert main(['evaluate', str(run), '--split', 'valid', '--device', 'cpu']) == 0
    assert load_run(run).about['best_epoch'] == 1


@pytest.mark.parametrize('split', ['train', 'valid'])
@pytest.mark.parametrize('label_graph', ['complete', 'prior'])
def test_training_needs_labels(data, model, options, tmp_path, split, label_graph):
    path = hide(data, tmp_path / 'a.h5', split, keep=9)
    with Store(path) as store:
        first = store.ids[store.rows(split)[9]]
    with pytest.raises(InputError, match=f"split '{split}' .* first is '{first}'"):
        train(
            partial(model, label_graph=label_graph), path, tmp_path / 'run', **options
        )
    assert not (tmp_path / 'run').exists() or not list((tmp_path / 'run').iterdir())


def test_a_run_is_resumed(tmp_path, hidden):
    keep, result, folder, _ = hidden
    shutil.copytree(folder, tmp_path / 'run')
    (tmp_path / 'run' / 'metrics.json').unlink()
    with pytest.warns(InputWarning, match='not scored'):
        again = resume(tmp_path / 'run')
    assert again['metrics'] == pytest.approx(result['metrics'], nan_ok=True)
    assert again['num_unknown'] == 20 - keep


def test_another_store_is_evaluated(full, data, tmp_path):
    path = hide(data, tmp_path / 'a.h5', keep=5)
    with pytest.warns(InputWarning, match=r'labels of 15 of 20 .* the other 5'):
        found = evaluate(full[1], data=path)
    assert found['num_samples'] == 5
    for name, value in judged(data, full[1], found['threshold'], 5).items():
        assert found['metrics'][name] == pytest.approx(value, abs=1e-6)


@pytest.mark.filterwarnings('ignore::hetero_mmer.errors.InputWarning')
@pytest.mark.parametrize('text', ['all', 'hidden', 'none of valid'])
def test_no_sample_is_left(tmp_path, model, options, text):
    """Those with labels are left out, as they have no text, or all of a split are."""
    rng = np.random.default_rng(0)
    spec = {'text': ModalitySpec(3), 'audio': ModalitySpec(2)}
    with StoreWriter(tmp_path / 'a.h5', spec, ['joy', 'anger']) as writer:
        for i in range(24):
            split = ('train', 'valid', 'test')[i % 3]
            y = [255, 255] if split == 'test' and i > 9 else rng.integers(0, 2, 2)
            x = {'audio': rng.normal(size=(2, 2))}
            lacks = {'hidden': split == 'test' and y[0] != 255}
            lacks['none of valid'] = split == 'valid'
            if not lacks.get(text):
                x['text'] = rng.normal(size=(2, 3))
            writer.add(f's{i}', x, y, split=split)

    def run():
        return train(
            model,
            tmp_path / 'a.h5',
            tmp_path / 'run',
            modalities=['text'],
            skip_empty=True,
            epochs=1,
            **options,
        )

    if text == 'none of valid':
        with pytest.raises(InputError, match="no sample of split 'valid'"):
            run()
        return
    assert run()['num_samples'] == (3 if text == 'all' else 0)
    if text == 'hidden':
        with pytest.raises(InputError, match="no sample of split 'test'"):
            evaluate(tmp_path / 'run')
