from __future__ import annotations

import json
import os
import pickle
from collections import OrderedDict

import numpy as np
import pytest

from hetero_mmer.cli import main
from hetero_mmer.datasets.catalog import find_data_set
from hetero_mmer.datasets.m3ed.annotation import seconds
from hetero_mmer.datasets.m3ed.m3ed import convert
from hetero_mmer.errors import InputError
from hetero_mmer.run import read_recipe
from hetero_mmer.store import Store

NUMBERS = {'Happy': 0, 'Neutral': 1, 'Sad': 2, 'Disgust': 3, 'Anger': 4, 'Fear': 5,
           'Surprise': 6}  # fmt: skip
NAMES = ('happy', 'neutral', 'sad', 'disgust', 'anger', 'fear', 'surprise')
WIDTHS = {'text': 768, 'audio': 1024, 'visual': 342}

#: For each dialogue what is felt in its utterances, the main emotion first.
STORY = {
    'anjia_1': ['Happy,Surprise', 'Neutral', 'Sad'],
    'anjia_2': ['Anger'],
    'doutinghao_1': ['Fear', 'Disgust,Anger'],
    'hehuan_1': ['Neutral', 'Sad', 'Happy', 'Sad,Fear'],
}
SPLITS = {'train': ['anjia'], 'val': ['hehuan'], 'test': ['doutinghao']}


class Evil:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f'touch {self.path}',)


def speaker(i):
    return 'AB'[i % 2]


def make_pickle(widths=WIDTHS, seed=0):
    """A list of ten parts, as the makers' script appends them: speech before face."""
    rng = np.random.default_rng(seed)
    ids, speakers, labels, sentences = (OrderedDict() for _ in range(4))
    features = {m: OrderedDict() for m in ('text', 'audio', 'visual')}
    for dialogue, told in STORY.items():
        ids[dialogue] = [f'{speaker(i)}_{dialogue}_{i + 1}' for i in range(len(told))]
        speakers[dialogue] = [speaker(i) for i in range(len(told))]
        labels[dialogue] = [NUMBERS[words.split(',')[0]] for words in told]
        sentences[dialogue] = np.array([f'sentence {i}' for i in range(len(told))])
        for m, x in features.items():
            x[dialogue] = rng.normal(size=(len(told), widths[m]))
    features['visual']['hehuan_1'][1] = 0  # No face was found.
    lists = [
        [d for d in STORY if d.split('_')[0] in shows] for shows in SPLITS.values()
    ]
    parts = [ids, speakers, labels, *features.values(), sentences, *lists]
    return parts, features


def make_annotation():
    shows = {}
    for dialogue, told in STORY.items():
        shows.setdefault(dialogue.split('_')[0], {})[dialogue] = {
            'SpeakerInfo': {'A': {'Name': '甲', 'Age': 'young'}},
            'Dialog': {
                f'{dialogue}_{i + 1}': {
                    'StartTime': f'00:01:{10 * i:02d}:05',
                    'EndTime': f'01:01:{10 * i + 2:02d}:20',
                    'Text': '你好',
                    'Speaker': speaker(i),
                    'EmoAnnotation': {
                        'EmoAnnotator1': words,
                        'final_mul_emo': words,
                        'final_main_emo': words.split(',')[0],
                    },
                }
                for i, words in enumerate(told)
            },
        }
    return shows


@pytest.fixture
def files(tmp_path):
    """Writes the files; returns those that are asked for, and the features."""

    def write(*names, parts=None, annotation=None):
        made, features = make_pickle()
        (tmp_path / 'A-V-L.pkl').write_bytes(pickle.dumps(parts or made, 4))
        text = json.dumps(annotation or make_annotation(), ensure_ascii=False)
        (tmp_path / 'annotation.json').write_text(text, encoding='utf-8')
        folder = tmp_path / 'splitInfo'
        folder.mkdir(exist_ok=True)
        (folder / 'movie_list_total.txt').write_text('all\nof\nthem')
        for split, shows in SPLITS.items():
            (folder / f'movie_list_{split}.txt').write_text('\n'.join(shows))
        sources = [tmp_path / name for name in ('A-V-L.pkl', *names)]
        return sources, tmp_path / 'out' / 'm3ed.h5', features

    return write


def names_of(store, sample):
    row = store.labels[store.ids.tolist().index(sample)]
    return {name for name, y in zip(store.label_names, row, strict=True) if y}


def test_utterances_with_all_of_their_emotions(files):
    sources, out, features = files('annotation.json', 'splitInfo')
    with convert(sources, out) as store:
        assert store.label_names == NAMES
        assert store.modalities == ('text', 'visual', 'audio')
        assert store.in_channels == {'text': 768, 'visual': 342, 'audio': 1024}
        assert len(store) == 10
        ids = store.ids.tolist()
        for dialogue, told in STORY.items():
            show = dialogue.split('_')[0]
            for i, words in enumerate(told):
                name = f'{speaker(i)}_{dialogue}_{i + 1}'
                row = ids.index(name)
                assert names_of(store, name) == set(words.lower().split(','))
                assert store.groups[row] == show
                for m, x in features.items():
                    expected = x[dialogue][i : i + 1].astype(np.float32)
                    if (m, name) == ('visual', 'B_hehuan_1_2'):
                        expected = expected[:0]  # Missing.
                    np.testing.assert_array_equal(store.read(m, row), expected)
                    span = store.times(m)[store.ptr[m][row] : store.ptr[m][row + 1]]
                    both = [60 + 10 * i + 5 / 25, 3660 + 10 * i + 2 + 20 / 25]
                    np.testing.assert_allclose(span, np.tile(both, (len(expected), 1)))
        split = dict(zip(store.groups.tolist(), store.split.tolist(), strict=True))
        assert split == {'anjia': 'train', 'hehuan': 'valid', 'doutinghao': 'test'}
        notes = '\n'.join(store.attrs['notes'])
        for told in (
            '4 train, 4 valid and 2 test samples',
            '10 utterances with labels in 4 dialogues',
            'movie lists',
            'are missing: text 0, visual 1, audio 0',
            'final_mul_emo',
            'part 4 of the pickle is audio',
        ):
            assert told in notes


def test_the_pickle_alone(files):
    sources, out, _ = files()
    with convert(sources, out) as store:
        assert names_of(store, 'A_anjia_1_1') == {'happy'}
        assert names_of(store, 'B_doutinghao_1_2') == {'disgust'}
        assert sorted(store.rows('train')) == [0, 1, 2, 3]
        assert store.times('text') is None
        notes = '\n'.join(store.attrs['notes'])
        assert 'splits are those of the pickle' in notes
        assert 'one for each utterance' in notes


def test_dialogues_as_carat_reads_them(files):
    sources, out, features = files()
    with convert(sources, out, level='dialogue') as store:
        assert store.ids.tolist() == list(STORY)
        for row, (dialogue, told) in enumerate(STORY.items()):
            mains = {words.split(',')[0].lower() for words in told}
            assert names_of(store, dialogue) == mains
            for m, x in features.items():
                expected = x[dialogue].astype(np.float32)
                np.testing.assert_array_equal(store.read(m, row), expected)
            said = [f'sentence {i}' for i in range(len(told))]
            assert store.item_names('text', row) == said
        assert store.groups.tolist() == ['anjia', 'anjia', 'doutinghao', 'hehuan']
        notes = '\n'.join(store.attrs['notes'])
        assert '2 train, 1 valid and 1 test samples, unlike M3ED (685/126/179)' in notes
        assert 'no dialogue is cut' in notes
        assert 'are kept as items: text 0, visual 1' in notes


def test_dialogues_with_all_emotions_and_times(files):
    sources, out, _ = files('annotation.json')
    with convert(sources, out, level='dialogue') as store:
        assert names_of(store, 'hehuan_1') == {'neutral', 'sad', 'happy', 'fear'}
        assert store.times('visual')[:3, 0].tolist() == [60.2, 70.2, 80.2]


@pytest.mark.parametrize('keep', [False, True])
def test_cut_dialogues(files, keep):
    sources, out, _ = files('annotation.json')
    options = {'level': 'dialogue', 'max_items': 2, 'keep_cut_labels': keep}
    with convert(sources, out, **options) as store:
        assert np.diff(store.ptr['text']).tolist() == [2, 1, 2, 2]
        expected = {'happy', 'surprise', 'neutral'} | ({'sad'} if keep else set())
        assert names_of(store, 'anjia_1') == expected
        note = next(n for n in store.attrs['notes'] if 'cut to 2' in n)
        assert note.startswith('2 dialogues are cut')
        assert ('stay' in note) == keep


@pytest.mark.parametrize(
    ('words', 'kept'), [('NotSure', False), ('', False), (' Sad , Fear', True)]
)
def test_utterances_without_one_of_the_seven_are_left_out(files, words, kept):
    annotation = make_annotation()
    dialog = annotation['anjia']['anjia_1']['Dialog']
    dialog['anjia_1_2']['EmoAnnotation']['final_mul_emo'] = words
    sources, out, features = files('annotation.json', annotation=annotation)
    with convert(sources, out) as store:
        assert len(store) == 9 + kept
        if kept:
            assert names_of(store, 'B_anjia_1_2') == {'sad', 'fear'}
        else:
            ((name, reason),) = store.dropped
            assert name == 'B_anjia_1_2'
            assert 'not all among the seven' in reason
    with convert(sources, out, level='dialogue') as store:
        expected = features['text']['anjia_1'][[0, 1, 2] if kept else [0, 2]]
        np.testing.assert_array_equal(store.read('text', 0), expected.astype('f4'))
    if not kept:
        with pytest.raises(InputError, match="no sample is dropped, but 'B_anjia_1_2'"):
            convert(sources, out, strict=True)


def test_utterances_that_the_annotation_lacks_are_left_out(files):
    annotation = make_annotation()
    del annotation['anjia']['anjia_2']
    sources, out, _ = files('annotation.json', annotation=annotation)
    with convert(sources, out, level='dialogue') as store:
        assert store.ids.tolist() == ['anjia_1', 'doutinghao_1', 'hehuan_1']
        reason = 'the annotation has no such utterance'
        assert store.dropped == [('A_anjia_2_1', reason)]


def test_an_annotation_that_has_a_key_twice_is_refused(files, tmp_path):
    sources, out, _ = files('annotation.json')
    (tmp_path / 'annotation.json').write_text('{"anjia": {}, "anjia": {}}')
    with pytest.raises(InputError, match=r"no JSON .the key 'anjia' is given twice"):
        convert(sources, out)


def test_unreadable_stamps_leave_out_the_times(files):
    annotation = make_annotation()
    annotation['anjia']['anjia_1']['Dialog']['anjia_1_2']['EndTime'] = ''
    sources, out, _ = files('annotation.json', annotation=annotation)
    with convert(sources, out) as store:
        assert store.times('text') is None
        assert any('times are left out' in note for note in store.attrs['notes'])


def test_frames_of_an_utterance_are_its_items(files):
    """Other pickles of the makers hold a sequence for each utterance."""
    parts, _ = make_pickle()
    rng = np.random.default_rng(1)
    frames = {
        d: [rng.normal(size=(i + 1, 342)) for i in range(len(told))]
        for d, told in STORY.items()
    }
    parts[5] = OrderedDict(frames)
    sources, out, _ = files('annotation.json', parts=parts)
    with convert(sources, out) as store:
        row = store.ids.tolist().index('A_anjia_1_3')
        expected = frames['anjia_1'][2].astype('f4')
        np.testing.assert_array_equal(store.read('visual', row), expected)
    with convert(sources, out, level='dialogue') as store:
        expected = np.concatenate(frames['anjia_1']).astype('f4')
        np.testing.assert_array_equal(store.read('visual', 0), expected)
        assert store.times('visual')[:6, 0].tolist() == [60.2] + [70.2] * 2 + [80.2] * 3


def test_values_that_are_not_finite_are_cleaned(files):
    parts, _ = make_pickle()
    parts[4]['anjia_1'][0, 3] = -np.inf
    sources, out, _ = files(parts=parts)
    with convert(sources, out) as store:
        assert store.non_finite['audio'] == 1
        assert store.read('audio', 0)[0, 3] == 0
    with pytest.raises(InputError, match="'audio' has 1 that are not"):
        convert(sources, out, strict=True)


def test_an_utterance_of_zeros_is_dropped(files):
    parts, _ = make_pickle()
    for i in (3, 4, 5):
        parts[i]['anjia_2'][:] = 0
    sources, out, _ = files(parts=parts)
    with convert(sources, out) as store:
        assert store.dropped == [('A_anjia_2_1', 'all of its features are zero')]


def test_a_pickle_that_runs_something_is_refused(files, tmp_path):
    parts, _ = make_pickle()
    parts[1]['anjia_1'] = Evil(tmp_path / 'ran')
    sources, out, _ = files(parts=parts)
    with pytest.raises(InputError, match='system'):
        convert(sources, out)
    assert not (tmp_path / 'ran').exists()
    assert not out.exists()


def broken(i, change):
    parts, _ = make_pickle()
    parts[i] = change(parts[i])
    return parts


def without(part):
    return {k: v for k, v in part.items() if k != 'anjia_1'}


@pytest.mark.parametrize(
    ('parts', 'message'),
    [
        ({'train': 1}, 'holds M3ED.s ten parts.*got dict'),
        (make_pickle()[0][:9], r'ten parts.*got list of \[.OrderedDict.'),
        (broken(7, lambda part: {}), 'ten parts'),
        (broken(3, list), 'ten parts'),
        (broken(4, without), "part 4 lacks 'anjia_1'"),
        (
            broken(2, lambda part: {**part, 'anjia_1': [0, 1]}),
            "all 3 utterances of dialogue 'anjia_1' .*'labels': 2",
        ),
        (broken(8, lambda part: ['anjia_1']), "'anjia_1' is in 'train' and 'valid'"),
        (
            broken(5, lambda part: {**part, 'anjia_1': np.ones((3, 7))}),
            r"'visual' has items of width 7",
        ),
        (
            broken(2, lambda part: {d: [9] * len(s) for d, s in STORY.items()}),
            "at least one sample .*10 of them like 'A_anjia_1_1': its emotions are not",
        ),
    ],
)
def test_other_pickles_are_refused(files, parts, message):
    sources, out, _ = files(parts=parts)
    with pytest.raises(InputError, match=message):
        convert(sources, out)
    assert not out.exists()


@pytest.mark.parametrize(
    ('names', 'options', 'message'),
    [
        (['splitInfo/movie_list_val.txt'], {}, 'all or none of movie_list_train.txt'),
        (['annotation.json', 'annotation.json'], {}, 'one feature pickle'),
        (['none.json'], {}, "no file or folder '.*none.json'"),
        ([], {'max_items': 60}, "with the level 'dialogue' .got 60 with 'utterance'"),
        ([], {'level': 'dialogue', 'max_items': 0}, 'at least 1'),
        ([], {'level': 'show'}, "'level' is one of"),
        ([], {'frame_rate': 0.0}, "'frame_rate' is above 0"),
    ],
)
def test_other_sources_and_options_are_refused(files, names, options, message):
    sources, out, _ = files(*names)
    with pytest.raises(InputError, match=message):
        convert(sources, out, **options)


@pytest.mark.parametrize('text', ['[1]', '{"a": {"b": {"Dialog": {"c": {}}}}}', '{'])
def test_other_annotations_are_refused(files, text):
    sources, out, _ = files('annotation.json')
    sources[1].write_text(text)
    with pytest.raises(InputError, match=r"annotation\.json' is"):
        convert(sources, out)


def test_an_annotation_that_says_something_twice_is_refused(files):
    sources, out, _ = files('annotation.json')
    text = sources[1].read_text('utf-8')
    twice = text.replace('"anjia_1_2": {', '"anjia_1_1": {')
    assert twice != text
    sources[1].write_text(twice, 'utf-8')
    with pytest.raises(InputError, match="the key 'anjia_1_1' is given twice"):
        convert(sources, out)
    twice = text.replace('"anjia_2_1": {', '"anjia_1_1": {')
    assert twice != text
    sources[1].write_text(twice, 'utf-8')
    with pytest.raises(InputError, match="utterance 'anjia_1_1' in two dialogues"):
        convert(sources, out)


def test_shows_in_two_lists_are_refused(files):
    sources, out, _ = files('splitInfo')
    (sources[1] / 'movie_list_val.txt').write_text('hehuan\nanjia\n')
    with pytest.raises(
        InputError, match="show is in one split, but 'anjia' is in 'tra"
    ):
        convert(sources, out)


def test_time_stamps_end_in_frames():
    assert seconds('01:02:03:24') == pytest.approx(3723.96)
    assert seconds('00:00:01:15', 30.0) == 1.5
    assert seconds(' 0:0:0:0 ') == 0
    assert seconds('00:00:01') is None
    assert seconds(f'00:00:{"9" * 400}:00') is None
    assert seconds(f'00:00:00:{"1" * 5000}') is None


def test_from_the_command_line(files, capsys):
    sources, out, _ = files('annotation.json', 'splitInfo')
    words = ['data', 'convert', 'm3ed', *map(str, sources), '--output', str(out)]
    assert main([*words, '--level', 'dialogue', '--max_items', '60']) == 0
    told = capsys.readouterr().out
    assert '0 dialogues are cut to 60' in told
    assert '4 samples kept, 0 dropped' in told
    assert main(['data', 'fetch', 'm3ed']) == 2
    assert 'sign a form' in capsys.readouterr().err
    row = find_data_set('m3ed')
    with Store(out) as store:
        assert (store.label_names, store.modalities) == (
            row.label_names,
            row.modalities,
        )


def test_the_recipe_fits(files, tmp_path):
    """The layers of CARAT's recipe are for the modalities of the store."""
    recipe = read_recipe('carat_m3ed')
    sources, out, _ = files()
    with convert(sources, out, level='dialogue') as store:
        layers = recipe['model']['init_args']['num_layers']
        assert tuple(layers) == store.modalities


def test_new_utterances_are_like_others(files, tmp_path):
    sources, out, _ = files()
    convert(sources, out).close()
    convert(sources, tmp_path / 'b.h5', like=out).close()
    parts, _ = make_pickle({m: width + 1 for m, width in WIDTHS.items()})
    sources, *_ = files(parts=parts)
    with pytest.raises(InputError, match=r'which has width \d+ for'):
        convert(sources, tmp_path / 'c.h5', like=out)


@pytest.mark.parametrize('encoding', ['utf-8-sig', 'utf-16'])
@pytest.mark.parametrize('end', ['\n', '\r\n', '\r'])
def test_other_text_files(files, encoding, end):
    sources, out, _ = files('annotation.json', 'splitInfo')
    expected = convert(sources, out.with_name('a.h5'))
    for path in (sources[1], *sources[2].iterdir()):
        text = path.read_text(encoding='utf-8').replace('\n', end)
        path.write_bytes(text.encode(encoding))
    found = convert(sources, out.with_name('b.h5'))
    assert found.split.tolist() == expected.split.tolist()
    assert set(found.split) == {'train', 'valid', 'test'}
    np.testing.assert_array_equal(found.labels, expected.labels)


@pytest.mark.parametrize('word', ['dev', 'VAL', 'validation'])
def test_other_names_of_lists(files, word):
    sources, out, _ = files('splitInfo')
    expected = convert(sources, out.with_name('a.h5'))
    old = sources[1] / 'movie_list_val.txt'
    new = old.rename(sources[1] / f'movie_list_{word}.txt')
    found = convert([*sources, new], out.with_name('b.h5'))
    assert found.split.tolist() == expected.split.tolist()
    assert new.name in found.raw_sha256
    old.write_text('more')
    with pytest.raises(InputError, match=f"'{word}'.* stand for 'valid'"):
        convert(sources, out)


@pytest.mark.parametrize('form', ['no utterance', 'no annotation', 'empty', 'null'])
@pytest.mark.parametrize('level', ['utterance', 'dialogue'])
def test_a_test_split_without_emotions_is_unknown(files, form, level):
    annotation = make_annotation()
    dialog = annotation['doutinghao']['doutinghao_1']['Dialog']
    for told in dialog.values():
        if form == 'no annotation':
            del told['EmoAnnotation']
        else:
            told['EmoAnnotation']['final_mul_emo'] = None if form == 'null' else ''
    if form == 'no utterance':
        annotation['doutinghao']['doutinghao_1']['Dialog'] = {}
    sources, out, _ = files('annotation.json', 'splitInfo', annotation=annotation)
    with convert(sources, out, level=level) as store:
        assert not store.dropped
        assert len(store) == (4 if level == 'dialogue' else 10)
        np.testing.assert_array_equal(store.known, store.split != 'test')
        assert (store.labels[~store.known] == 255).all()
        for row, y in enumerate(store.labels):
            found = {n for n, one in zip(NAMES, y, strict=True) if one == 1}
            name = store.ids[row]
            told = (
                STORY[name]
                if level == 'dialogue'
                else [STORY[name[2:].rpartition('_')[0]][int(name[-1]) - 1]]
            )
            expected = set(','.join(told).lower().split(','))
            assert found == (expected if store.known[row] else set())
        notes = store.attrs['notes']
        assert any(n.startswith('8 utterances with labels') for n in notes)
        assert (store.times('text') is None) == (form == 'no utterance')


@pytest.mark.parametrize('target', [None, float('nan'), []])
def test_a_pickle_without_labels_of_test(files, target):
    parts, _ = make_pickle()
    parts[2]['doutinghao_1'] = [target] * 2
    sources, out, _ = files(parts=parts)
    with convert(sources, out) as store:
        assert store.ids[~store.known].tolist() == [
            'A_doutinghao_1_1',
            'B_doutinghao_1_2',
        ]


@pytest.mark.parametrize('words', ['NotSure', 'Sad'])
def test_where_one_of_test_is_told_others_are_left_out(files, words):
    annotation = make_annotation()
    dialog = annotation['doutinghao']['doutinghao_1']['Dialog']
    dialog['doutinghao_1_1']['EmoAnnotation']['final_mul_emo'] = ''
    dialog['doutinghao_1_2']['EmoAnnotation']['final_mul_emo'] = words
    sources, out, _ = files('annotation.json', 'splitInfo', annotation=annotation)
    with convert(sources, out) as store:
        assert store.known.all()
        assert len(store.dropped) == (2 if words == 'NotSure' else 1)
