"""Small raw files for each format: what is fuzzed. Values are noise."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import torch

SPLITS = {'train': 6, 'valid': 3, 'test': 3}
EMOTIONS = ('happy', 'sad', 'anger', 'surprise', 'disgust', 'fear')


@dataclass(frozen=True)
class Raw:
    """Files of one format in a folder, and the words that convert them."""

    words: tuple[str, ...]
    files: tuple[str, ...]


def csv(folder: Path, rng: np.random.Generator) -> Raw:
    rows = ['id,video,split,joy,anger']
    (folder / 'text').mkdir()
    clips = {}
    for i in range(12):
        split = ('train', 'train', 'valid', 'test')[i % 4]
        rows.append(f'c{i},v{i},{split},{rng.integers(2)},{i % 2}')
        np.save(folder / 'text' / f'c{i}.npy', rng.normal(size=(i % 3 + 1, 4)))
        clips[f'c{i}'] = rng.normal(size=5)
    (folder / 'table.csv').write_text('\n'.join(rows))
    np.savez(folder / 'audio.npz', **clips)
    features = '{text: text, audio: audio.npz}'
    return Raw(
        ('csv', 'table.csv', '--features', features),
        ('table.csv', 'text/c0.npy', 'text/c3.npy', 'audio.npz'),
    )


def mult_pkl(folder: Path, rng: np.random.Generator) -> Raw:
    data, rows = {}, ['start,end,video_id,' + ','.join(EMOTIONS)]
    for split, size in SPLITS.items():
        ids = [[f'{split}{i}', '0.100', '8.200'] for i in range(size)]
        for name, start, end in ids:
            scores = rng.integers(0, 3, 6)
            rows.append(','.join(map(str, [start, end, name, *scores])))
        data[split] = {
            'text': rng.normal(size=(size, 4, 6)),
            'vision': rng.normal(size=(size, 5, 3)),
            'audio': rng.normal(size=(size, 5, 2)),
            'labels': rng.normal(size=(size, 1, 1)).astype('f4'),
            'id': np.array(ids),
        }
    (folder / 'data.pkl').write_bytes(pickle.dumps(data))
    (folder / 'labels.csv').write_text('\n'.join(rows))
    words = ('mult-pkl', 'data.pkl', '--labels', 'labels.csv')
    return Raw(words, ('data.pkl', 'labels.csv'))


def mmsa_pkl(folder: Path, rng: np.random.Generator) -> Raw:
    data, rows = {}, ['video_id,clip_id,text,label,' + ','.join(EMOTIONS)]
    for split, size in SPLITS.items():
        for i in range(size):
            scores = rng.integers(0, 3, 6)
            rows.append(','.join(map(str, [f'{split}{i}', 0, 'hm', 0.5, *scores])))
        data[split] = {
            'text': rng.normal(size=(size, 4, 6)).astype('f4'),
            'vision': rng.normal(size=(size, 4, 3)).astype('f4'),
            'audio': rng.normal(size=(size, 4, 2)).astype('f4'),
            'text_bert': np.ones((size, 3, 4)),
            'id': [f'{split}{i}$_$0' for i in range(size)],
            'regression_labels': np.full(size, 0.5),
        }
    (folder / 'data.pkl').write_bytes(pickle.dumps(data, 4))
    (folder / 'labels.csv').write_text('\n'.join(rows))
    words = ('mmsa-pkl', 'data.pkl', '--labels', 'labels.csv')
    return Raw(words, ('data.pkl', 'labels.csv'))


def mosei_pt(folder: Path, rng: np.random.Generator) -> Raw:
    names = ('<blank>', '<unk>', '<s>', '</s>', *EMOTIONS)
    data = {'settings': None, 'dict': {'tgt': {n: i for i, n in enumerate(names)}}}
    for split, size in SPLITS.items():
        data[split] = {
            'src-text': rng.normal(size=(size, 5, 300)).astype('f4'),
            'src-visual': rng.normal(size=(size, 5, 35)).astype('f4'),
            'src-audio': rng.normal(size=(size, 5, 74)).astype('f4'),
            'tgt': [[2, 4 + i % 6, 3] for i in range(size)],
        }
    torch.save(data, folder / 'data.pt')
    return Raw(('mosei-pt', 'data.pt'), ('data.pt',))


def nemu(folder: Path, rng: np.random.Generator) -> Raw:
    data = {}
    for split, size in SPLITS.items():
        data[split] = {
            'src-lyr': [[[4, 5 + i]] for i in range(size)],
            'src-com': [[[6], [7, 8]] for _ in range(size)],
            'src-img': [rng.normal(size=2048).astype('f4') for _ in range(size)],
            'src-aud': [rng.normal(size=(3, 74)).astype('f4') for _ in range(size)],
            'tgt': [[2, 4 + i, 3] for i in range(size)],
        }
    (folder / 'data.pkl').write_bytes(pickle.dumps(data, 2))
    return Raw(('nemu', 'data.pkl'), ('data.pkl',))


def m3ed(folder: Path, rng: np.random.Generator) -> Raw:
    shows = {'train': 'one', 'val': 'two', 'test': 'three'}
    ids, speakers, labels, texts, annotation = {}, {}, {}, {}, {}
    features = [{}, {}, {}]
    for show in shows.values():
        name = f'{show}_1'
        ids[name] = [f'A_{name}_{i + 1}' for i in range(3)]
        speakers[name], labels[name] = ['A'] * 3, [0, 1, 2]
        texts[name] = np.array(['a', 'b', 'c'])
        for part, width in zip(features, (768, 1024, 342), strict=True):
            part[name] = rng.normal(size=(3, width))
        said = {
            f'{name}_{i + 1}': {
                'StartTime': f'00:01:{10 * i:02d}:05',
                'EndTime': f'00:01:{10 * i + 2:02d}:20',
                'Text': 'ni hao',
                'Speaker': 'A',
                'EmoAnnotation': {'final_mul_emo': emotion, 'final_main_emo': emotion},
            }
            for i, emotion in enumerate(('Happy', 'Neutral', 'Sad'))
        }
        annotation[show] = {name: {'SpeakerInfo': {'A': {}}, 'Dialog': said}}
    parts = [
        ids,
        speakers,
        labels,
        *features,
        texts,
        *([s + '_1'] for s in shows.values()),
    ]
    (folder / 'data.pkl').write_bytes(pickle.dumps(parts, 4))
    (folder / 'annotation.json').write_text(json.dumps(annotation))
    words = ('m3ed', 'data.pkl', 'annotation.json')
    return Raw(words, ('data.pkl', 'annotation.json'))


def meld(folder: Path, rng: np.random.Generator) -> Raw:
    header = (
        'Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,'
    )
    files = []
    for part, size in (('train', 8), ('dev', 3), ('test', 3)):
        rows = [header + 'Episode,StartTime,EndTime']
        for i in range(size):
            emotion = ('joy', 'anger', 'neutral')[i % 3]
            said = (
                '"Oh, great wonderful love you"' if i % 2 else 'What a day I never hate'
            )
            times = f'"0:00:{i:02d},000","0:00:{i:02d},900"'
            rows.append(
                f'{i},{said},Joey,{emotion},neutral,{i // 2},{i % 2},1,1,{times}'
            )
        (folder / f'{part}_sent_emo.csv').write_text('\n'.join(rows))
        files.append(f'{part}_sent_emo.csv')
    words = ('meld', '.', '--text_channels', '3', '--num_speakers', '1')
    return Raw(words, tuple(files))


def arff(folder: Path, rng: np.random.Generator) -> Raw:
    lines = ['@relation toy', *(f'@attribute f{i} numeric' for i in range(4))]
    lines += ["@attribute 'the colour' {red, 'dark blue'}"]
    lines += ['@attribute joy {0, 1}', '@attribute anger {0, 1}', '', '@data']
    for i in range(20):
        cells = [f'{rng.normal():.3f}', '?', i, 0, "'dark blue'", i % 2, i // 2 % 2]
        pairs = ', '.join(f'{j} {cell}' for j, cell in enumerate(cells) if cell)
        lines.append(f'{{{pairs}}}')
    (folder / 'toy.arff').write_text('\n'.join(lines))
    (folder / 'toy.xml').write_text(
        '<?xml version="1.0" encoding="utf-8"?>\n'
        '<labels xmlns="http://mulan.sourceforge.net/labels">\n'
        '<label name="joy"></label>\n<label name="anger"></label>\n</labels>\n'
    )
    return Raw(('arff', 'toy.arff', '--labels', 'toy.xml'), ('toy.arff', 'toy.xml'))


def music_emotions(folder: Path, rng: np.random.Generator) -> Raw:
    from hetero_mmer.datasets.music_emotions import LABELS, raw_names

    lines = ['@relation music', *(f'@attribute {n} numeric' for n in raw_names())]
    lines += [*(f'@attribute {name} {{0,1}}' for name in LABELS), '@data']
    for _ in range(20):
        cells = [f'{v:.3f}' for v in rng.normal(size=72)]
        lines.append(','.join([*cells, *map(str, rng.integers(0, 2, 6))]))
    (folder / 'emotions.arff').write_text('\n'.join(lines))
    return Raw(('music-emotions', 'emotions.arff'), ('emotions.arff',))


def cmu_mosei(folder: Path, rng: np.random.Generator) -> Raw:
    videos = [f'video{i}' for i in range(6)]
    seconds = np.arange(6.0)
    words = np.stack([seconds, seconds + 1], axis=1)
    segments = np.array([[0.0, 3.0], [3.0, 6.0]])
    roots = {
        'glove_vectors': (rng.normal(size=(6, 300)), words),
        'COVAREP': (rng.normal(size=(6, 74)), words),
        'FACET 4.2': (rng.normal(size=(6, 35)), words),
        'All Labels': (rng.integers(0, 3, (2, 7)), segments),
    }
    files = []
    for root, (features, intervals) in roots.items():
        files.append(f'{root.replace(" ", "_")}.csd')
        with h5py.File(folder / files[-1], 'w') as file:
            for video in videos:
                group = file.create_group(f'{root}/data/{video}')
                group['features'] = features.astype('f4')
                group['intervals'] = intervals
            about = file.create_group(f'{root}/metadata')
            about['root name'] = np.array([json.dumps(root)], h5py.string_dtype())
    folds = {'train': videos[:3], 'valid': videos[3:4], 'test': videos[4:]}
    (folder / 'folds.json').write_text(json.dumps(folds))
    words = ('cmu-mosei', '.', '--folds', 'folds.json')
    return Raw(words, (*files, 'folds.json'))


FORMATS: dict[str, Callable[[Path, np.random.Generator], Raw]] = {
    'csv': csv,
    'mult-pkl': mult_pkl,
    'mmsa-pkl': mmsa_pkl,
    'mosei-pt': mosei_pt,
    'nemu': nemu,
    'm3ed': m3ed,
    'meld': meld,
    'arff': arff,
    'music-emotions': music_emotions,
    'cmu-mosei': cmu_mosei,
}
