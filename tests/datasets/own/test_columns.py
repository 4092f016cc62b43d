from __future__ import annotations

import re
from pathlib import Path

import pytest

from hetero_mmer.datasets.own.columns import divided, find_columns
from hetero_mmer.datasets.own.splits import group_notes, split_notes
from hetero_mmer.errors import InputError
from hetero_mmer.io.csv import Table

SPLIT = ['train'] * 6 + ['dev'] * 2 + ['test'] * 4
CLIPS = [f'c{i}' for i in range(12)]
VIDEO = [f'v{i // 2}' for i in range(12)]
JOY = [str(i % 2) for i in range(12)]
FOLD = [str(i % 5) for i in range(12)]


def find(columns, **options):
    names = list(columns)
    cells = zip(*columns.values(), strict=True)
    rows = [dict(zip(names, row, strict=True)) for row in cells]
    table = Table(names, rows, list(range(2, 2 + len(rows))))
    return find_columns(table, Path('a.csv'), **options)


def refused(message, columns, **options):
    with pytest.raises(InputError, match=message) as error:
        find(columns, **options)
    assert '\n' not in str(error.value)


@pytest.mark.parametrize('id_', ['id', 'ID', 'Id', '_id'])
@pytest.mark.parametrize('split', ['split', 'Split', 'SPLIT ', 's-plit'])
@pytest.mark.parametrize('group', ['group', 'GROUP', 'Gr oup'])
@pytest.mark.parametrize('labels', [None, ['joy']])
def test_reserved_names_in_any_spelling(id_, split, group, labels):
    found = find({split: SPLIT, group: VIDEO, id_: CLIPS, 'joy': JOY}, labels=labels)
    assert found[:4] == (id_, group, split, ['joy'])
    others = {id_: 'id', split: 'split', group: 'group'}
    for name, role in others.items():
        told = f"the column '{name}' is taken as '{role}'" in found.notes
        assert told == (name != role)


@pytest.mark.parametrize('name', ['set', 'SET', 'partition', 'Fold', 'phase', 'x'])
@pytest.mark.parametrize('labels', [None, ['joy']])
def test_a_column_of_split_names_is_the_split(name, labels):
    found = find({'id': CLIPS, name: SPLIT, 'joy': JOY}, labels=labels)
    assert found[:4] == ('id', None, name, ['joy'])
    assert any(f"'{name}' is taken as 'split'" in note for note in found.notes)
    left_out = find({'id': CLIPS, name: SPLIT, 'joy': JOY}, ignore=[name])
    assert left_out[:4] == ('id', None, None, ['joy'])
    assert left_out.notes == [f'columns that are not used: {name}']


@pytest.mark.parametrize(
    'name', ['video_id', 'Video ID', 'VIDEO', 'vid', 'dialogue_id', 'Dialogue', 'song']
)
@pytest.mark.parametrize('labels', [None, ['joy']])
def test_videos_and_dialogues_are_the_group(name, labels):
    for split in ({}, {'split': SPLIT}):
        found = find({'id': CLIPS, name: VIDEO, 'joy': JOY, **split}, labels=labels)
        assert (found.group, found.labels) == (name, ['joy'])
        assert any(f"'{name}' is taken as 'group'" in note for note in found.notes)
    left_out = find({'id': CLIPS, name: VIDEO, 'joy': JOY}, ignore=[name])
    assert left_out.group is None


def test_a_group_that_the_split_divides_is_not_taken():
    video = [f'v{i % 3}' for i in range(12)]
    found = find({'id': CLIPS, 'video': video, 'set': SPLIT, 'joy': JOY})
    assert (found.group, found.split, found.labels) == (None, 'set', ['joy'])
    assert any('divides 3 of its values' in note for note in found.notes)
    assert 'columns that are not used: video' in found.notes


@pytest.mark.parametrize('name', ['speaker', 'Speaker ID', 'actor', 'subject_id'])
def test_a_speaker_is_told_where_samples_are_dealt_out(name):
    found = find({'id': CLIPS, name: VIDEO, 'joy': JOY})
    assert (found.group, found.labels) == (None, ['joy'])
    assert any(n.startswith('WARNING') and f"'{name}'" in n for n in found.notes)
    found = find({'id': CLIPS, name: VIDEO, 'joy': JOY, 'split': SPLIT})
    assert found.notes == [f'columns that are not used: {name}']


def test_zeros_and_ones_under_video():
    found = find({'id': CLIPS, 'video': JOY, 'joy': JOY})
    assert (found.group, found.labels) == (None, ['joy'])
    assert any(note.startswith('WARNING') for note in found.notes)
    assert find({'id': CLIPS, 'video_id': JOY, 'joy': JOY}).group == 'video_id'
    found = find({'id': CLIPS, 'video': JOY, 'joy': JOY}, labels=['video'])
    assert found.labels == ['video']


@pytest.mark.parametrize(
    ('columns', 'message'),
    [
        ({'split': SPLIT, 'Split': SPLIT}, "split, but 'split' and 'Split' of 'a.csv'"),
        ({'group': VIDEO, 'GROUP': VIDEO}, "group, but 'group' and 'GROUP'"),
        ({'ID': CLIPS}, "id, but 'id' and 'ID'"),
        ({'phase': SPLIT, 'part': SPLIT[::-1]}, "split, but 'phase' and 'part'"),
        ({'video': VIDEO, 'dialogue': VIDEO}, "group, but 'video' and 'dialogue'"),
        ({'fold': FOLD}, r"'fold' .* may say the split .got '0'.*`ignore=\['fold'\]`"),
        ({'Set': JOY}, "'Set' .* may say the split"),
        ({'set': [*SPLIT[:-1], 'x']}, "'set' .* may say the split"),
        ({'phase': ['test'] * 12}, "'phase' .* may say the split .got 'test'"),
    ],
)
def test_what_may_be_a_split_or_a_group_is_refused(columns, message):
    columns = {'id': CLIPS, **columns, 'joy': JOY}
    refused(message, columns)
    refused(message, columns, labels=['joy'])


def test_without_labels_nothing_is_dealt_out():
    blank = [''] * 12
    table = {'id': CLIPS, 'fold': FOLD, 'video': VIDEO, 'dialog': VIDEO, 'joy': blank}
    found = find(table)
    assert found[:4] == ('id', None, None, ['joy'])


def test_a_split_that_is_given_makes_others_useless():
    table = {'id': CLIPS, 'split': SPLIT, 'fold': FOLD, 'official': SPLIT[::-1]}
    found = find({**table, 'joy': JOY}, labels=['joy'])
    assert found.split == 'split'
    assert found.notes == ['columns that are not used: fold, official']
    found = find({**table, 'split': [''] * 12, 'joy': JOY}, labels=['joy'])
    assert found.split == 'official'


def test_labels_that_are_no_emotion_are_told():
    table = {'id': CLIPS, 'split': SPLIT, 'joy': JOY, 'is_female': JOY, 'rain': JOY}
    found = find(table)
    assert found.labels == ['joy', 'is_female', 'rain']
    assert [n.split(';')[0] for n in found.notes] == [
        'WARNING: these labels are no emotion that we know: is_female, rain'
    ]
    assert find(table, labels=found.labels).notes == []
    chosen = find(table, labels=['rain'])
    assert chosen.notes == ['columns that are not used: joy, is_female']


def test_names_that_are_no_columns():
    table = {'id': CLIPS, 'joy': JOY}
    refused("no column 'x' in 'a.csv' to ignore", table, ignore=['x'])
    refused("no label column 'x'", table, labels=['x'])
    refused("no label column 'joy'", table, labels=['joy'], ignore=['joy'])
    refused("a column is called 'id'", {'name': CLIPS, 'joy': JOY})
    refused(r"for each label .got only \['id', 'set'", {'id': CLIPS, 'set': SPLIT})


def test_divided_agrees_with_a_loop():
    groups = ['a', 'b', '', 'a', 'b', 'c', 'c', '']
    splits = ['test', 'test', 'train', 'train', '', 'test', 'test', 'test']
    assert divided(groups, splits) == ['a']


def test_groups_that_differ_in_spelling_only():
    names = ['v1', 'V1', 'v1.mp4', 'my clip', 'my_clip', 'v11', 'v-11', '', 'v2.5']
    warning, lacking = group_notes(names)
    assert warning.endswith(": 'v1' and 'V1' and 'v1.mp4'; 'my clip' and 'my_clip'")
    assert lacking == '1 rows have no group: each is one of its own'
    assert list(group_notes(['v1', 'v2', 'v1'])) == []
    assert list(group_notes(['', ''])) == []


@pytest.mark.parametrize(
    ('counts', 'words'),
    [
        ((7, 3, 4, 0), []),
        ((7, 2, 4, 0), ["only 2 samples are in 'valid'"]),
        ((1, 3, 0, 0), ["only 1 sample is in 'train'", "no sample is in 'test'"]),
        ((7, 3, 4, 2), ['2 of 16 samples have no split']),
        ((0, 0, 4, 0), ["no sample is in 'train': these"]),
        ((0, 0, 0, 5), []),
        ((0, 0, 0, 0), []),
    ],
)
def test_splits_that_are_empty_or_tiny(counts, words):
    pairs = zip(('train', 'valid', 'test', ''), counts, strict=True)
    found = list(split_notes([name for name, n in pairs for _ in range(n)]))
    assert len(found) == len(words)
    for note, word in zip(found, words, strict=True):
        assert word in note


@pytest.mark.parametrize('third', ['eval', 'holdout', 'PublicTest'])
@pytest.mark.parametrize('name', ['usage', 'purpose'])
def test_two_split_names_among_others_are_never_passed_by(name, third):
    cells = [third if cell == 'test' else cell for cell in SPLIT]
    columns = {'id': CLIPS, name: cells, 'joy': JOY}
    refused(f"'{name}' of 'a.csv' may say the split", columns, labels=['joy'])
    assert find(columns, labels=['joy'], ignore=[name]).split is None
    assert find(columns, labels=['joy'], deals=False).split is None


def test_two_columns_that_say_the_same_split_are_one():
    columns = {'id': CLIPS, 'set': SPLIT, 'subset': SPLIT, 'joy': JOY}
    assert find(columns, labels=['joy']).split == 'set'
    other = {**columns, 'subset': SPLIT[::-1]}
    refused('one column is the split', other, labels=['joy'])


MARKS = ['1'] * 6 + ['0'] * 6
TRAIN, VALID, TEST = (
    [str(int(cell == name)) for cell in SPLIT] for name in ('train', 'dev', 'test')
)


@pytest.mark.parametrize(
    'name',
    [
        *('is_train', 'isTrain', 'ISTRAIN', 'train', 'Train?', 'trainMask', 'in_test'),
        *('used for training', 'TEST', 'test_flag', 'val', 'is_dev', 'validation'),
        *('train/test', 'fold_1', 'holdout', 'is_eval', 'subset.test', 'tr'),
    ],
)
@pytest.mark.parametrize('labels', [None, ['joy']])
def test_marks_of_a_split_are_never_passed_by(name, labels):
    columns = {'id': CLIPS, name: MARKS, 'joy': JOY}
    message = rf"'{re.escape(name)}' of 'a.csv' may mark .*`ignore=\['{re.escape(name)}"
    refused(message, columns, labels=labels)
    for form in (('True', 'FALSE'), ('1.0', '0.0'), ('x', ''), ('Yes', 'no')):
        cells = [form[0] if cell == '1' else form[1] for cell in MARKS]
        refused(message, {**columns, name: cells}, labels=['joy'])
    assert find(columns, labels=labels, ignore=[name]).labels == ['joy']
    assert find(columns, labels=['joy', name]).labels == ['joy', name]
    assert find(columns, labels=labels, deals=False).split is None
    assert find({**columns, 'split': SPLIT}, labels=labels).split == 'split'


@pytest.mark.parametrize(
    'name',
    [
        *('joy', 'valence', 'invalid', 'val_high', 'test_anxiety', 'stress_test'),
        *('trained', 'contest', 'value', 'trust', 'x', 'set_up', 'va_low'),
    ],
)
def test_other_zeros_and_ones_are_labels(name):
    found = find({'id': CLIPS, name: MARKS, 'fear': JOY})
    assert found.labels == [name, 'fear']


def test_numbers_under_a_split_word_mark_nothing():
    minutes = [str(20 + i) for i in range(12)]
    columns = {'id': CLIPS, 'train_minutes': minutes, 'joy': JOY}
    assert find(columns, labels=['joy']).split is None


@pytest.mark.parametrize(
    'names',
    [
        ('train', 'valid', 'test'),
        ('is_train', 'is_dev', 'is_test'),
        ('Training', 'VAL', 'Test set'),
    ],
)
def test_columns_that_mark_the_split_of_each_row(names):
    marks = dict(zip(names, (TRAIN, VALID, TEST), strict=True))
    whole = rf"'{names[0]}' and '{names[1]}' and .* mark the split of each row.*'split'"
    refused(whole, {'id': CLIPS, **marks, 'joy': JOY})
    refused(whole, {'id': CLIPS, **marks, 'joy': JOY}, labels=['joy'])
    torn = {**marks, names[0]: ['0', *TRAIN[1:]]}
    refused('may mark the samples of a split', {'id': CLIPS, **torn, 'joy': JOY})
    twice = {**marks, names[2]: ['1', *TEST[1:]]}
    refused('may mark the samples of a split', {'id': CLIPS, **twice, 'joy': JOY})
    found = find({'id': CLIPS, **marks, 'joy': JOY}, ignore=list(names))
    assert found.labels == ['joy']


@pytest.mark.parametrize(
    'name',
    [
        *('source video id', 'Vid.ID', 'yt_video', 'original film', 'film no'),
        *('orig_dialogue_no', 'speakerID2', 'name of the movie', 'Song Title'),
    ],
)
def test_words_for_a_group_are_told_where_samples_are_dealt_out(name):
    columns = {'id': CLIPS, name: VIDEO, 'joy': JOY}
    for labels in (None, ['joy']):
        found = find(columns, labels=labels)
        assert (found.group, found.labels) == (None, ['joy'])
        told = [n for n in found.notes if n.startswith('WARNING')]
        assert len(told) == 1
        assert f"'{name}' may lie in several splits" in told[0]
    for quiet in (
        find({**columns, 'split': SPLIT}),
        find(columns, ignore=[name]),
        find(columns, deals=False),
        find({**columns, name: CLIPS}, labels=['joy']),  # No value comes twice.
        find({**columns, 'group': VIDEO}),
    ):
        assert not any(n.startswith('WARNING') for n in quiet.notes)


@pytest.mark.parametrize('name', ['video_length', 'speaker_gender', 'has_video_id'])
def test_what_a_video_is_like_is_no_group(name):
    cells = JOY if name.startswith('has') else [f'{i % 3}.5' for i in range(12)]
    found = find({'id': CLIPS, name: cells, 'joy': JOY}, labels=['joy'])
    assert not any(note.startswith('WARNING') for note in found.notes)


IN_FOLDERS = [f'v{i // 2}/{i % 2}' for i in range(12)]


def test_folders_of_ids_may_be_groups():
    columns = {'id': IN_FOLDERS, 'joy': JOY}
    told = [n for n in find(columns).notes if n.startswith('WARNING')]
    assert len(told) == 1
    assert "such as 'v0', may lie in several splits" in told[0]
    for quiet in (
        find({**columns, 'group': VIDEO}),
        find({**columns, 'video': VIDEO}),
        find({**columns, 'split': SPLIT}),
        find(columns, deals=False),
        find({**columns, 'id': CLIPS}),
        find({**columns, 'id': [f'clips/{i}' for i in range(12)]}),
        find({**columns, 'id': [f'v{i}/0' for i in range(12)]}),
    ):
        assert not any(n.startswith('WARNING') for n in quiet.notes)


@pytest.mark.parametrize(
    'form', ['{split}/{i}', 'data/{split}/{i}', '{split}_set/a/{i}']
)
def test_folders_of_ids_may_be_splits(form):
    ids = [form.format(split=split, i=i) for i, split in enumerate(SPLIT)]
    columns = {'id': ids, 'joy': JOY}
    refused('lie in folders that are called as splits', columns)
    assert find({**columns, 'split': SPLIT}).split == 'split'
    assert find(columns, deals=False).split is None
    others = [id_.replace('test', 'extra') for id_ in ids]
    assert find({**columns, 'id': others}).split is None
