from __future__ import annotations

import csv
import hashlib
import json
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from hetero_mmer.datasets import synthesize
from hetero_mmer.errors import InputError
from hetero_mmer.run import evaluate, load_run, predict
from hetero_mmer.store import ModalitySpec, Store, StoreWriter


def rows(path):
    with open(path, newline='') as file:
        return list(csv.DictReader(file))


@pytest.fixture
def make_input(data, tmp_path):
    """Writes a store of a few samples without labels, by default as trained on."""
    with Store(data) as store:
        names, kinds = store.label_names, store.kinds

    def make(widths=None, *, labels=names, kind=None, lengths=(2, 1)) -> Path:
        widths = {'text': 5, 'audio': 4} if widths is None else widths
        rng = np.random.default_rng(0)
        specs = {
            m: ModalitySpec(width, kind or kinds.get(m, 'set'))
            for m, width in widths.items()
        }
        path = tmp_path / 'input.h5'
        with StoreWriter(path, specs, labels, labelled=False) as writer:
            for i, length in enumerate(lengths):
                present = list(widths)[: 1 + (i > 0)]  # The first lacks a modality.
                x = {m: rng.normal(size=(length, widths[m])) for m in present}
                writer.add(f'new-{i}', x)
        return path

    return make


def test_weights_and_model_are_all_that_predict_needs(finished, data, tmp_path):
    (tmp_path / 'slim').mkdir()
    for name in ('model.json', 'model.safetensors'):
        shutil.copy(finished / name, tmp_path / 'slim')
    for run, output in ((finished, 'a.csv'), (tmp_path / 'slim', 'b.csv')):
        predict(run, data, tmp_path / output)
    assert (tmp_path / 'a.csv').read_bytes() == (tmp_path / 'b.csv').read_bytes()


def test_a_flipped_bit_of_the_weights_is_found(finished, data, tmp_path):
    slim = tmp_path / 'slim'
    slim.mkdir()
    for name in ('model.json', 'model.safetensors'):
        shutil.copy(finished / name, slim)
    weights = (slim / 'model.safetensors').read_bytes()
    about = json.loads((slim / 'model.json').read_text())
    assert about['weights_sha256'] == hashlib.sha256(weights).hexdigest()
    head = 8 + int.from_bytes(weights[:8], 'little')
    for place in np.linspace(head, len(weights) - 1, 12, dtype=int):
        changed = bytearray(weights)
        changed[place] ^= 1 << int(place) % 8
        (slim / 'model.safetensors').write_bytes(changed)
        with pytest.raises(InputError, match='not those that the run ended with'):
            load_run(slim)
    with pytest.raises(InputError, match=r"slim/model\.safetensors'.* SHA-256"):
        predict(slim, data, tmp_path / 'a.csv')
    assert not (tmp_path / 'a.csv').exists()
    del about['weights_sha256']  # As release 0.1 wrote it.
    (slim / 'model.json').write_text(json.dumps(about))
    assert load_run(slim).label_names == about['label_names']


@pytest.mark.parametrize('size', [0, -3])
def test_batches_have_samples(size, finished, data, tmp_path):
    with pytest.raises(InputError, match="'batch_size' is at least 1"):
        evaluate(finished, batch_size=size)
    with pytest.raises(InputError, match="'batch_size' is at least 1"):
        predict(finished, data, tmp_path / 'a.csv', batch_size=size)


def test_evaluate_agrees_with_the_run(finished):
    before = json.loads((finished / 'metrics.json').read_text())
    result = evaluate(finished)
    del before['seconds'], before['notes']
    assert result.keys() == before.keys()
    assert result['metrics'] == pytest.approx(before.pop('metrics'), nan_ok=True)
    assert all(result[name] == value for name, value in before.items())
    assert evaluate(load_run(finished), batch_size=1)['metrics'] == pytest.approx(
        result['metrics'], nan_ok=True
    )


def test_evaluate_takes_any_split_and_threshold(finished):
    everything = evaluate(finished, split='train', threshold=0.0)
    assert everything['split'] == 'train'
    assert everything['metrics']['recall_micro'] == 1
    tuned = evaluate(finished, threshold='per-label')['threshold']
    assert list(tuned) == load_run(finished).label_names
    with pytest.raises(InputError, match="'tuned' or 'per-label'"):
        evaluate(finished, threshold='best')


def test_evaluate_tells_that_data_have_changed(finished, tmp_path, data):
    run, changed = tmp_path / 'run', tmp_path / 'changed.h5'
    shutil.copytree(finished, run)
    shutil.copy(data, changed)
    config = (run / 'config.yaml').read_text()
    (run / 'config.yaml').write_text(config.replace(str(data), str(changed)))
    before = evaluate(run)['metrics']
    with h5py.File(changed, 'r+') as file:
        file['labels'][...] = 1 - file['labels'][()]
    with pytest.raises(InputError, match=r'has changed.*`data=`'):
        evaluate(run)
    after = evaluate(run, data=changed)['metrics']
    wrong = before['hamming_loss']
    assert after['hamming_loss'] == pytest.approx(1 - wrong, abs=1e-6)


def test_predict_agrees_with_the_test_of_the_run(finished, data, tmp_path):
    path = predict(finished, data, tmp_path / 'new' / 'all.csv', batch_size=7)
    table = {row['sample_id']: row for row in rows(path)}
    assert len(table) == 80
    names = load_run(finished).label_names
    for row in rows(finished / 'predictions_test.csv'):
        for name in names:
            ours = table[row['sample_id']]
            p = float(ours[name])
            assert p == pytest.approx(float(row[name]), abs=1e-5)
            assert ours[f'{name}_predicted'] == str(int(p > 0.5))


def test_predict_needs_no_labels_and_no_other_modality(finished, make_input, tmp_path):
    path = predict(finished, make_input(), tmp_path / 'out.csv', threshold=0.0)
    table = rows(path)
    assert [row['sample_id'] for row in table] == ['new-0', 'new-1']
    names = load_run(finished).label_names
    assert all(row[f'{name}_predicted'] == '1' for row in table for name in names)
    assert list(table[0]) == ['sample_id', *names, *(f'{n}_predicted' for n in names)]


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'widths': {'text': 5}}, "needs modality 'audio'"),
        ({'widths': {'text': 5, 'audio': 4, 'smell': 2}}, "does not know .*'smell'"),
        ({'widths': {'text': 6, 'audio': 4}}, "width 5 for modality 'text' .got 6"),
        ({'kind': 'set'}, "'text' to be a sequence .got a set"),
        ({'labels': ['a', 'b', 'c']}, r"has the labels .* .got \['a', 'b', 'c'\]"),
        ({'labels': ['a']}, 'has the labels'),
    ],
)
def test_predict_refuses_other_data(change, message, finished, make_input, tmp_path):
    output = tmp_path / 'out.csv'
    with pytest.raises(InputError, match=message):
        predict(finished, make_input(**change), output)
    assert not output.exists()


def test_order_of_modalities_does_not_matter(finished, make_input, tmp_path):
    one = predict(finished, make_input(), tmp_path / 'one.csv')
    store = make_input()
    with h5py.File(store, 'r+') as file:
        about = json.loads(file['about'][()])
        about['modalities'] = dict(reversed(about['modalities'].items()))
        del file['about']
        file['about'] = json.dumps(about)
    with Store(store) as opened:
        assert opened.modalities == ('audio', 'text')
    other = predict(finished, store, tmp_path / 'other.csv')
    assert one.read_text() == other.read_text()


def test_evaluate_needs_labels(finished, make_input):
    with pytest.raises(InputError, match='split'):
        evaluate(finished, data=make_input())


def test_run_of_some_modalities_takes_data_with_all(tmp_path, model, options):
    from hetero_mmer.training import train

    data = tmp_path / 'data.h5'
    widths = {'text': 5, 'audio': 4}
    synthesize(data, num_samples=60, modalities=widths, num_labels=3, missing=0).close()
    folder = tmp_path / 'run'
    train(model, data, folder, modalities=['audio'], epochs=1, **options)
    assert len(rows(predict(folder, data, tmp_path / 'out.csv'))) == 60


def test_damaged_runs_are_refused(finished, tmp_path):
    with pytest.raises(InputError, match='no run'):
        load_run(tmp_path)
    for name in ('model.json', 'model.safetensors'):
        run = tmp_path / name
        shutil.copytree(finished, run)
        (run / name).write_bytes((run / name).read_bytes()[:30])
        with pytest.raises(InputError, match=name):
            load_run(run)
    about = json.loads((finished / 'model.json').read_text())
    run = tmp_path / 'newer'
    shutil.copytree(finished, run)
    (run / 'model.json').write_text(json.dumps(about | {'format_version': 2}))
    with pytest.raises(InputError, match='format version'):
        load_run(run)
