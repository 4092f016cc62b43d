from __future__ import annotations

import itertools

import pytest

from hetero_mmer.errors import InputError
from hetero_mmer.io.split_names import find_splits, one_spelling, split_of

WORDS = {
    'train': ('train', 'training', 'trn', 'tr'),
    'valid': ('valid', 'validation', 'val', 'dev', 'devel', 'development', 'va'),
    'test': ('test', 'testing', 'tst', 'te'),
}
FORMS = (
    *('{}', ' {} ', '{}_set', 'split-{}', 'X_{}', '{} split', '{}_data', '\ufeff{}'),
    *('standard_{}_fold', '[{}]'),
)


@pytest.mark.parametrize('split', WORDS)
def test_spellings(split):
    for word, form in itertools.product(WORDS[split], FORMS):
        for name in (form.format(word), form.format(word).upper(), word.title()):
            assert split_of(name) == split, name
            assert split_of(name.encode()) == split
    for word in WORDS[split]:
        if len(word) > 2:
            assert split_of(f'{word}set') == split_of(f'{word.title()}Set') == split


@pytest.mark.parametrize(
    'name',
    [
        *('eval', 'holdout', 'test2', 'trainval', 'train/test', 'latest', 'contest'),
        *('y_train', 'restrain', 'valence', 'device', 'data', 'set', '', None, 3, 0.5),
        *('trainer', 'unlabeled', 'no_test', 'va_mean'),
    ],
)
def test_other_names(name):
    assert split_of(name) is None


def test_splits_come_in_their_order_and_once():
    names = ['settings', 'Testing', b'dev', 'TRAIN', 3]
    found = find_splits(names, 'x')
    assert list(found.items()) == [
        ('train', 'TRAIN'), ('valid', b'dev'), ('test', 'Testing'),
    ]  # fmt: skip
    for two in (['val', 'dev'], ['train', 'Train'], ['tst', 'train', 'test_set']):
        with pytest.raises(InputError, match=f"x has one .*'{two[0]}' and '{two[-1]}'"):
            find_splits(two, 'x')


def test_capitals_make_no_other_word():
    one_spelling(['val', 'Val', ' VAL', 'train', 'train_set', 'Train Set'][:4], 'x')
    for two in (['val', 'dev'], ['valid', 'train', 'validation'], ['test', 'tst']):
        with pytest.raises(InputError, match=f"'{two[0]}' and '{two[-1]}' both stand"):
            one_spelling([*two, *two], 'x')
