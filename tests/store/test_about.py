from __future__ import annotations

import copy
import json
import re

import pytest

from hetero_mmer.errors import InputError
from hetero_mmer.store import read_like
from hetero_mmer.store.about import read_about

#: What version 0.1 wrote.
ABOUT = {
    'format_version': 1,
    'model': {'class_path': 'hetero_mmer.models.HHMPN', 'init_args': {'heads': 1}},
    'label_names': ['joy', 'anger'],
    'modalities': {
        'text': {
            'channels': 2,
            'num_embeddings': None,
            'kind': 'sequence',
            'extractor': 'some tool',
            'scale': {'mean': [0.5, -1], 'std': [1.0, 0]},
        },
        'audio': {'channels': 3, 'kind': 'set', 'extractor': '', 'scale': None},
    },
    'skip_empty': False,
    'left_out': ['video'],
    'label_graph': [[0, 1], [1, 0]],
    'threshold': 'per-label',
    'thresholds': {'tuned': 0.5, 'per-label': {'joy': 0.25, 'anger': 1}},
    'best_epoch': 3,
    'data': {'name': 'a.h5', 'sha256': 'abc'},
    'versions': {'python': '3.11', 'git': None},
}

GONE = object()


def write(folder, about):
    folder.mkdir(exist_ok=True)
    (folder / 'model.json').write_text(json.dumps(about))
    return folder


def edited(keys, value):
    about = copy.deepcopy(ABOUT)
    *outer, last = keys.split('/')
    part = about
    for key in outer:
        part = part[key]
    if value is GONE:
        del part[last]
    else:
        part[last] = value
    return about


def test_what_a_run_writes_is_read(tmp_path):
    write(tmp_path, ABOUT)
    assert read_about(tmp_path / 'model.json') == ABOUT
    assert read_like(tmp_path).specs['audio'].kind == 'set'


@pytest.mark.parametrize(
    ('keys', 'value', 'message'),
    [
        ('format_version', 2, 'has format version 1 (got 2)'),
        ('format_version', True, '(got True)'),
        ('format_version', GONE, '(got None)'),
        ('model', 'HHMPN', "'model' in"),
        ('model/class_path', GONE, "no 'model.class_path'"),
        ('model/init_args', [1], "'model.init_args' in"),
        ('label_names', [], 'label names are present'),
        ('label_names', ['joy', 'joy'], 'all different'),
        ('label_names', ['joy', 3], "'label_names[1]' in"),
        ('label_names', ['joy', 'fear'], "no tuned threshold of the label 'fear'"),
        ('modalities', [], "'modalities' in"),
        ('modalities/label', ABOUT['modalities']['audio'], 'reserved'),
        ('modalities/text/channels', 0, "'modalities.text.channels' in"),
        ('modalities/text/channels', 10**12, '(got 1000000000000)'),
        ('modalities/text/channels', 2.0, '(got 2.0)'),
        ('modalities/text/channels', 4, 'a value for each of 4 channels (got 2)'),
        ('modalities/text/num_embeddings', -1, '(got -1)'),
        ('modalities/text/kind', 'bag', "(got 'bag')"),
        ('modalities/text/scale', GONE, "no 'modalities.text.scale'"),
        ('modalities/text/scale/std', [1, -1], 'scale.std[1]'),
        ('modalities/text/scale/mean', [None, 1], 'scale.mean[0]'),
        ('modalities/text/width', 2, "unknown key 'modalities.text.width'"),
        ('skip_empty', 0, "'skip_empty' in"),
        ('left_out', 'video', "'left_out' in"),
        ('label_graph', [[0, 1]], 'two lists of equal length'),
        ('label_graph', [[0], [1, 0]], 'two lists of equal length'),
        ('label_graph', [[0], [2]], 'joins labels 0 to 1 (got 0 to 2)'),
        ('label_graph', [[-1], [0]], '(got -1 to 0)'),
        ('threshold', 1.5, "'threshold' in"),
        ('threshold', 'best', "(got 'best')"),
        ('thresholds/per-label', {}, "no tuned threshold of the label 'joy'"),
        ('thresholds/tuned', None, "'thresholds.tuned' in"),
        ('data/sha256', 3, "'data.sha256' in"),
        ('versions', None, "'versions' in"),
        ('more', 1, "unknown key 'more'"),
    ],
)
def test_a_value_that_no_run_writes_is_told(keys, value, message, tmp_path):
    path = write(tmp_path, edited(keys, value)) / 'model.json'
    for read in (lambda: read_about(path), lambda: read_like(tmp_path)):
        with pytest.raises(InputError, match=re.escape(message)) as error:
            read()
        assert str(path) in str(error.value)


def test_a_label_graph_without_edges_is_one(tmp_path):
    write(tmp_path, edited('label_graph', [[], []]))
    assert read_about(tmp_path / 'model.json')['label_graph'] == [[], []]
