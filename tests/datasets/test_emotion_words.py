from __future__ import annotations

import pytest

from hetero_mmer.datasets import music_emotions
from hetero_mmer.datasets.emotion_words import is_emotion, unknown_labels
from hetero_mmer.datasets.m3ed import m3ed
from hetero_mmer.datasets.meld import meld
from hetero_mmer.datasets.mosei import facts as mosei_facts
from hetero_mmer.datasets.mosei import mult_pkl
from hetero_mmer.datasets.nemu import nemu


def test_labels_of_all_data_sets_are_emotions():
    names = [
        *(*music_emotions.LABELS, *music_emotions.LABELS.values(), *nemu.LABEL_NAMES),
        *(*meld.EMOTIONS, *m3ed.LABEL_NAMES, *mosei_facts.LABEL_NAMES),
        *mult_pkl.IEMOCAP,
    ]
    assert [name for name in names if not is_emotion(name)] == []


@pytest.mark.parametrize(
    'name',
    [
        *('Happy', 'SAD', ' anger ', 'emotion_fear', 'isSurprised', 'label-joy'),
        *('no emotion', 'No_Emotion', 'sad/lonely', 'y_disgust', 'frustrated'),
        *('anticipation', 'remorse', 'optimism', 'disapproval', 'admiration'),
    ],
)
def test_emotions(name):
    assert is_emotion(name)


@pytest.mark.parametrize(
    'name',
    [
        *('duration', 'fold', 'valence', 'arousal', 'dominance', 'speaker', 'gender'),
        *('joy_rater', 'num_joy', 'emotion', 'label', '', '7', 'sentiment', 'missing'),
        *('n_words', 'is_female', 'positive', 'start_time', 'joy_confidence'),
    ],
)
def test_other_columns(name):
    assert not is_emotion(name)


def test_a_long_list_is_cut():
    names = [f'e{i}' for i in range(40)]
    text = unknown_labels(names, 'labels')
    assert text.startswith('WARNING')
    assert 'e11, ... (40 in all)' in text
    assert 'e12' not in text
    assert text.endswith('`labels=`')
    assert '...' not in unknown_labels(names[:12], 'labels')
