"""Features of a trained model's encoders, and of others."""

from __future__ import annotations

import csv
import json
import shutil
import warnings

import h5py
import numpy as np
import pytest

from hetero_mmer.cli import main
from hetero_mmer.datasets import FORMATS
from hetero_mmer.errors import InputError, InputWarning
from hetero_mmer.features.fitted import Fitted
from hetero_mmer.run import evaluate, predict
from hetero_mmer.store import ModalitySpec, Store, StoreWriter, read_like
from hetero_mmer.store.fitted import read_encoders, write_encoders
from hetero_mmer.training import train

FIT = Fitted('toy-1', ('a',), {'mean': np.array([1.0])})
OTHER = Fitted('toy-1', ('a',), {'mean': np.array([2.0])})


def meld(sources, output, **options):
    FORMATS['meld'](sources, output, **options).close()
    return output


@pytest.fixture(scope='module')
def run(tmp_path_factory, write_meld, model, options):
    """A folder with MELD's files, their store, and a run; not to be changed."""
    root = tmp_path_factory.mktemp('meld')
    (root / 'raw').mkdir()
    for seed, (part, size) in enumerate({'train': 40, 'dev': 8, 'test': 9}.items()):
        write_meld(root / 'raw' / f'{part}_sent_emo.csv', size, seed=seed)
    data = meld([root / 'raw'], root / 'meld.h5', text_channels=6, num_speakers=3)
    train(model, data, root / 'run', epochs=8, **options)
    return root


@pytest.fixture
def fit_again(run, tmp_path):
    """The test dialogues in a store whose encoders have learned from others."""
    (tmp_path / 'again').mkdir()
    for source, part in (('dev', 'train'), ('test', 'test')):
        shutil.copy(
            run / 'raw' / f'{source}_sent_emo.csv',
            tmp_path / 'again' / f'{part}_sent_emo.csv',
        )
    return meld(
        [tmp_path / 'again'], tmp_path / 'again.h5', text_channels=6, num_speakers=3
    )


def answers(path, names):
    with open(path, newline='') as file:
        rows = [row for row in csv.DictReader(file) if '-dia' in row['sample_id']]
    return {
        row['sample_id'].partition('-')[2]: [float(row[name]) for name in names]
        for row in rows
    }


def test_new_dialogues_get_the_answers_of_the_test(run, tmp_path):
    mine = tmp_path / 'mine.csv'
    mine.write_bytes((run / 'raw' / 'test_sent_emo.csv').read_bytes())
    store = meld([mine], tmp_path / 'new.h5', like=run / 'run')
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        output = predict(run / 'run', store, tmp_path / 'new.csv')
        result = evaluate(run / 'run', data=store)
    names = read_like(run / 'run').label_names
    expected = answers(run / 'run' / 'predictions_test.csv', names)
    found = answers(output, names)
    assert len(found) == 9
    assert found.keys() == expected.keys()
    for name, values in found.items():
        assert values == pytest.approx(expected[name], abs=1e-6)
    before = json.loads((run / 'run' / 'metrics.json').read_text())['metrics']
    for name, value in before.items():
        if value is not None:  # A label that no dialogue has.
            assert result['metrics'][name] == pytest.approx(value, abs=1e-6)


def test_features_of_another_fit_are_refused(run, fit_again, tmp_path):
    with Store(run / 'meld.h5') as ours, Store(fit_again) as theirs:
        assert ours.in_channels == theirs.in_channels
        pair = [store.fitted_sha256['text'][:12] for store in (ours, theirs)]
    output = tmp_path / 'out.csv'
    mend = rf"`convert\(\.\.\., like='{run / 'run'}'\)`"
    message = rf"'text' from .* {pair[0]}, and '{fit_again}' has it from .* {pair[1]}: "
    with pytest.raises(InputError, match=message + f'.*{mend}') as error:
        predict(run / 'run', fit_again, output)
    assert '\n' not in str(error.value)
    assert not output.exists()
    with pytest.raises(InputError, match=message):
        evaluate(run / 'run', data=fit_again)


def test_answers_would_flip(run, fit_again, tmp_path):
    """What the refusal is for: the same words, another fit, other decisions."""
    names = read_like(run / 'run').label_names
    with h5py.File(fit_again, 'r+') as file:
        del file['fitted']
    with pytest.warns(InputWarning):
        output = predict(run / 'run', fit_again, tmp_path / 'out.csv')
    found = answers(output, names)
    expected = answers(run / 'run' / 'predictions_test.csv', names)
    pairs = [(found[name], expected[name]) for name in expected]
    assert max(np.abs(np.subtract(*pair)).max() for pair in pairs) > 0.01


def test_the_run_keeps_encoders_in_one_file(run, tmp_path):
    like = read_like(run / 'run')
    with Store(run / 'meld.h5') as store:
        assert {m: f.sha256 for m, f in like.fitted.items()} == store.fitted_sha256
    # Two files are enough to predict, three to convert.
    slim = tmp_path / 'slim'
    slim.mkdir()
    for name in ('model.json', 'model.safetensors'):
        shutil.copy(run / 'run' / name, slim)
    predict(slim, run / 'meld.h5', tmp_path / 'out.csv')
    mine = tmp_path / 'mine.csv'
    mine.write_bytes((run / 'raw' / 'dev_sent_emo.csv').read_bytes())
    with pytest.raises(InputError, match=r"'encoders\.h5' there has none"):
        meld([mine], tmp_path / 'new.h5', like=slim)
    shutil.copy(run / 'run' / 'encoders.h5', slim)
    meld([mine], tmp_path / 'new.h5', like=slim)


def test_a_run_on_data_that_were_like_others(run, model, options, tmp_path):
    again = meld([run / 'raw'], tmp_path / 'again.h5', like=run / 'run')
    train(model, again, tmp_path / 'second', epochs=1, **options)
    one, two = (read_like(path) for path in (run / 'run', tmp_path / 'second'))
    for modality, fitted in one.fitted.items():
        assert two.fitted[modality].sha256 == fitted.sha256
    predict(tmp_path / 'second', run / 'meld.h5', tmp_path / 'out.csv')


def test_a_modality_that_the_model_does_not_use(
    run, fit_again, model, options, tmp_path
):
    """Its encoder is kept, and another one for it is nothing to refuse."""
    data = run / 'meld.h5'
    train(model, data, tmp_path / 'r', epochs=1, modalities=['speaker'], **options)
    mine = tmp_path / 'mine.csv'
    mine.write_bytes((run / 'raw' / 'test_sent_emo.csv').read_bytes())
    new = meld([mine], tmp_path / 'new.h5', like=tmp_path / 'r')
    predict(tmp_path / 'r', new, tmp_path / 'out.csv')
    with Store(new) as store:
        assert store.modalities == ('text', 'speaker', 'timing')
    with Store(data) as ours, Store(fit_again) as theirs:
        cast = [store.fitted_sha256['speaker'] for store in (ours, theirs)]
    if cast[0] == cast[1]:
        predict(tmp_path / 'r', fit_again, tmp_path / 'out.csv')
    else:
        with pytest.raises(InputError, match="learned 'speaker'"):
            predict(tmp_path / 'r', fit_again, tmp_path / 'out.csv')


def write(path, *, fitted=None, extractor='', num_samples=30, seed=0):
    rng = np.random.default_rng(seed)
    specs = {'text': ModalitySpec(3, extractor=extractor), 'audio': ModalitySpec(2)}
    fitted = {} if fitted is None else {'text': fitted}
    with StoreWriter(path, specs, ['joy', 'fear'], fitted=fitted) as writer:
        for i in range(num_samples):
            features = {'text': rng.normal(size=(2, 3)), 'audio': [[i, 1.0]]}
            split = ('train', 'valid', 'test')[i % 3]
            writer.add(f's{i}', features, [i % 2, i // 2 % 2], split=split)
    return path


def refused(run, data, output):
    with pytest.raises(InputError, match=r"learned 'text' from .*`convert\(.*like="):
        predict(run, data, output)


def warned(run, data, output):
    with pytest.warns(InputWarning) as caught:
        predict(run, data, output)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert str(data) in str(caught[0].message)


def silent(run, data, output):
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        predict(run, data, output)


@pytest.mark.parametrize(
    ('ours', 'theirs', 'expect'),
    [
        ({'fitted': FIT}, {'fitted': FIT}, silent),
        ({'fitted': FIT}, {'fitted': OTHER}, refused),
        ({'fitted': FIT}, {}, warned),
        ({}, {'fitted': FIT}, warned),
        ({}, {}, silent),
        ({'extractor': 'a/b'}, {'extractor': 'a/b'}, silent),
        ({'extractor': 'a/b'}, {'extractor': 'a/c'}, warned),
        ({'extractor': 'a/b'}, {}, silent),
        ({'fitted': FIT, 'extractor': 'a/b'}, {'extractor': 'a/b'}, warned),
        ({'fitted': FIT, 'extractor': 'a/b'}, {'extractor': 'a/c'}, refused),
        ({'extractor': 'a/b'}, {'fitted': FIT, 'extractor': 'a/c'}, refused),
        ({'fitted': FIT, 'extractor': 'a'}, {'fitted': FIT, 'extractor': 'b'}, warned),
        (
            {'extractor': 'hashed n-grams, tf-idf, SVD'},
            {'extractor': 'hashed n-grams, tf-idf, SVD'},
            warned,
        ),
    ],
)
def test_what_both_sides_know(ours, theirs, expect, model, options, tmp_path):
    one = write(tmp_path / 'a.h5', **ours)
    two = write(tmp_path / 'b.h5', num_samples=9, seed=1, **theirs)
    folder = tmp_path / 'run'
    train(model, one, folder, epochs=1, **options)
    silent(folder, one, tmp_path / 'own.csv')
    silent_evaluate = evaluate(folder)
    assert silent_evaluate['num_samples'] == 10
    expect(folder, two, tmp_path / 'out.csv')
    assert (folder / 'encoders.h5').exists() == ('fitted' in ours)


def test_runs_and_stores_of_before(run, fit_again, tmp_path):
    """Neither says what was fitted: told once, and predicted all the same."""
    old, data = tmp_path / 'run', tmp_path / 'old.h5'
    shutil.copytree(run / 'run', old)
    (old / 'encoders.h5').unlink()
    about = json.loads((old / 'model.json').read_text())
    for modality in about['modalities'].values():
        del modality['fitted']
    (old / 'model.json').write_text(json.dumps(about))
    shutil.copy(run / 'meld.h5', data)
    with h5py.File(data, 'r+') as file:
        del file['fitted']
    for folder, store in ((old, data), (old, fit_again), (run / 'run', data)):
        warned(folder, store, tmp_path / 'out.csv')
    silent(old, run / 'meld.h5', tmp_path / 'out.csv')  # What it was trained on.
    with pytest.raises(InputError, match=r'no fitted encoder .* of version 0\.1'):
        meld([run / 'raw'], tmp_path / 'b.h5', like=old)


def test_the_command_line_prints_warnings(run, tmp_path, capsys):
    data = tmp_path / 'old.h5'
    shutil.copy(run / 'meld.h5', data)
    with h5py.File(data, 'r+') as file:
        del file['fitted']
    words = ['predict', run / 'run', data, '--output', tmp_path / 'out.csv']
    for _ in range(2):  # Each time, not once in a process.
        assert main([str(word) for word in words]) == 0
        err = capsys.readouterr().err
        assert err.startswith("hetero-mmer: warning: whether ['text', 'speaker',")
        assert err.count('\n') == 1


def test_a_flipped_bit_of_the_encoders_is_found(tmp_path):
    """Of what replaces missing values as well, which has no hash of its own."""
    path = tmp_path / 'encoders.h5'
    fitted = {'text': Fitted('toy-1', ('a',), {'mean': np.arange(5.0)})}
    write_encoders(path, fitted, {'text': np.arange(1.0, 6.0)})
    data = path.read_bytes()
    with h5py.File(path) as file:
        parts = {n: file[n] for n in ('fill/text', 'fitted/text/arrays/mean')}
        places = {n: (part.id.get_offset(), part.nbytes) for n, part in parts.items()}
    assert read_encoders(path)[1]['text'].tolist() == [1, 2, 3, 4, 5]
    for name, (start, size) in places.items():
        for place in range(start, start + size, 3):
            changed = bytearray(data)
            changed[place] ^= 1 << place % 8
            path.write_bytes(changed)
            with pytest.raises(InputError, match=rf"encoders\.h5'.*'{name}' is not"):
                read_encoders(path)


def test_encoders_of_release_1_are_read(tmp_path):
    path = tmp_path / 'encoders.h5'
    write_encoders(path, {'text': Fitted('toy-1', ('a',))}, {'text': np.ones(2)})
    with h5py.File(path, 'r+') as file:
        del file['checksums']
        about = file['fitted/text/about'][()].decode()
        del file['fitted/text/about']
        file['fitted/text/about'] = about
        file.attrs['format'] = file.attrs['format'].decode()
    fitted, fill = read_encoders(path)
    assert (fitted['text'].names, fill['text'].tolist()) == (('a',), [1, 1])


def test_a_damaged_encoder_is_told_before_training(run, model, options, tmp_path):
    data = tmp_path / 'data.h5'
    shutil.copy(run / 'meld.h5', data)
    with h5py.File(data, 'r+') as file:
        file['fitted/timing/arrays/mean'][0] = 7
    with pytest.raises(InputError, match="encoder of 'timing' is damaged"):
        train(model, data, tmp_path / 'run', epochs=1, **options)
    assert not (tmp_path / 'run').exists()


def test_like_an_unfinished_run(run, tmp_path):
    folder = tmp_path / 'run'
    shutil.copytree(run / 'run', folder)
    (folder / 'model.json').unlink()
    with pytest.raises(InputError, match=r'finished run, but .* has no model\.json'):
        meld([run / 'raw'], tmp_path / 'b.h5', like=folder)


def test_the_mean_that_cleans_goes_with_the_run(model, options, tmp_path):
    def cells(path, rows, **more):
        specs = {'audio': ModalitySpec(2)}
        with StoreWriter(path, specs, ['joy', 'fear'], clean='mean', **more) as writer:
            for i, row in enumerate(rows):
                split = ('train', 'valid', 'test')[i % 3]
                writer.add(f's{i}', {'audio': [row]}, [i % 2, i // 2 % 2], split=split)
        return path

    rows = [[i, 10.0 if i % 2 else np.nan] for i in range(12)]
    data = cells(tmp_path / 'a.h5', rows)
    train(model, data, tmp_path / 'run', epochs=1, **options)
    new = cells(tmp_path / 'b.h5', [[np.nan, np.nan]], like=read_like(tmp_path / 'run'))
    with Store(new) as store:
        assert store.read('audio', 0).tolist() == [[np.mean([0, 3, 6, 9]), 10]]
