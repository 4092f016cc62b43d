from __future__ import annotations

import h5py
import numpy as np
import pytest

from hetero_mmer.datasets.mosei.csd_roles import find_roles
from hetero_mmer.errors import InputError
from hetero_mmer.io.csd import CsdFile


def write(path, root, videos, metadata=()):
    """A file as the SDK lays it out; videos are (features, intervals) by id."""
    with h5py.File(path, 'w') as file:
        data = file.create_group(f'{root}/data')
        for video, (features, intervals) in videos.items():
            group = data.create_group(video)
            group.create_dataset('features', data=features, compression='gzip')
            group.create_dataset('intervals', data=intervals, compression='gzip')
        for key, text in dict(metadata).items():
            entry = file[root].require_group('metadata')
            entry.create_dataset(key, (1,), dtype=h5py.string_dtype())[0] = text
    return path


TIMES = np.array([[1.0, 2.0], [0.0, 1.0]])
VALUES = np.array([[1, 2, 3], [4, 5, 6]], np.float32)


@pytest.fixture
def path(tmp_path):
    videos = {'b': (VALUES, TIMES), 'a': (VALUES[:1], TIMES[:1])}
    metadata = {'root name': '"X"', 'dimension names': '["p","q","r"]', 'free': 'it is'}
    return write(tmp_path / 'x.csd', 'FACET 4.2', videos, metadata)


def test_a_file(path):
    with CsdFile(path) as file:
        assert file.root == 'FACET 4.2'
        assert file.videos == ('a', 'b')
        assert file.channels == 3
        assert 'a' in file
        assert 'c' not in file
        features, intervals = file.read('b')
        assert features.tolist() == VALUES.tolist()
        assert features.dtype == np.float32
        assert intervals.tolist() == TIMES.tolist()
        names = ['p', 'q', 'r']
        wanted = {'root name': 'X', 'dimension names': names, 'free': 'it is'}
        assert file.metadata == wanted
        with pytest.raises(InputError, match=r"x.csd' has no video 'c'"):
            file.read('c')


def test_without_metadata_and_with_other_roots(tmp_path):
    path = write(tmp_path / 'x.csd', 'b', {'v': (VALUES, TIMES)})
    with h5py.File(path, 'a') as file:
        file.create_group('zzz')
    with CsdFile(path) as file:
        assert file.root == 'b'
        assert file.metadata == {}


def test_parts_of_a_video_are_one(tmp_path):
    videos = {'v[0]': (VALUES[:1], TIMES[:1]), 'v[1]': (VALUES[1:], TIMES[1:])}
    with CsdFile(write(tmp_path / 'x.csd', 'b', videos)) as file:
        assert file.videos == ('v',)
        assert file.read('v').features.tolist() == VALUES.tolist()
        assert file.read('v').intervals.tolist() == TIMES.tolist()


@pytest.mark.parametrize(
    ('stored', 'read'),
    [('f2', 'f4'), ('f4', 'f4'), ('f8', 'f8'), ('>f4', 'f4'), ('i2', 'f8')],
)
def test_types_of_numbers(stored, read, tmp_path):
    videos = {'v': (VALUES.astype(stored), TIMES.astype('f4'))}
    with CsdFile(write(tmp_path / 'x.csd', 'b', videos)) as file:
        features, intervals = file.read('v')
    assert features.dtype == read
    assert features.tolist() == VALUES.tolist()
    assert intervals.dtype == np.float64


def test_files_that_are_no_csd(tmp_path, path):
    with pytest.raises(InputError, match=r"no file or folder .*none.csd'"):
        CsdFile(tmp_path / 'none.csd')
    with pytest.raises(InputError, match='is a folder, not a file'):
        CsdFile(tmp_path)
    text = tmp_path / 'text.csd'
    text.write_text('Not found')
    with pytest.raises(InputError, match=r"text.csd' is not an HDF5 file"):
        CsdFile(text)
    cut = tmp_path / 'cut.csd'
    cut.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(
        InputError, match=r"cut.csd' is cut off, probably by a download"
    ):
        CsdFile(cut)
    empty = tmp_path / 'empty.csd'
    with h5py.File(empty, 'w'):
        pass
    with pytest.raises(InputError, match=r"with the 'data' of videos.*are \[\]"):
        CsdFile(empty)
    with h5py.File(empty, 'w') as file:
        file['values'] = VALUES
    with pytest.raises(InputError, match=r"with the 'data' of videos.*\['values'\]"):
        CsdFile(empty)
    with h5py.File(empty, 'w') as file:
        file.create_group('root/data')
    with pytest.raises(InputError, match=r"with the 'data' of videos"):
        CsdFile(empty)


@pytest.mark.parametrize(
    ('video', 'message'),
    [
        (
            (VALUES[0], TIMES),
            r"'features' of 'v' .* a table of numbers .got shape \[3\]",
        ),
        ((np.array([[b'so'], [b'it']]), TIMES), "'features' of 'v' .* type '.S2'"),
        ((VALUES, TIMES[:, 0]), r"'intervals' of 'v' .* table of numbers"),
        ((VALUES, TIMES[:1]), r'each of the 2 rows of features .got shape \[1, 2\]'),
        ((VALUES, VALUES), r'a start and an end .* .got shape \[2, 3\]'),
        ((VALUES[:, :2], TIMES), "'features' of 'v' in .* have width 2, not 3"),
        ((VALUES[:, :0], TIMES), 'have width 0'),
    ],
)
def test_videos_of_another_shape(video, message, tmp_path):
    path = tmp_path / 'x.csd'
    with h5py.File(path, 'w') as file:
        for name, pair in {'a': (VALUES, TIMES), 'v': video}.items():
            group = file.create_group(f'root/data/{name}')
            group['features'], group['intervals'] = pair
    with CsdFile(path) as file, pytest.raises(InputError, match=message):
        file.read('v')
    with h5py.File(path, 'a') as file:
        del file['root/data/a']
    if 'not 3' not in message:  # The first video is looked at on opening.
        with pytest.raises(InputError, match=message.replace(', not 3', '')):
            CsdFile(path)


def test_videos_that_are_not_whole(path):
    with h5py.File(path, 'a') as file:
        del file['FACET 4.2/data/b/intervals']
        file['FACET 4.2/data/c'] = VALUES
    with CsdFile(path) as file:
        with pytest.raises(InputError, match=r"there are no 'intervals' of 'b'"):
            file.read('b')
        with pytest.raises(InputError, match=r"there are no 'features' of 'c'"):
            file.read('c')


def test_damaged_values(path):
    with h5py.File(path) as file:
        chunk = file['FACET 4.2/data/b/features'].id.get_chunk_info(0)
    content = bytearray(path.read_bytes())
    content[chunk.byte_offset : chunk.byte_offset + chunk.size] = bytes(chunk.size)
    path.write_bytes(content)
    with (
        CsdFile(path) as file,
        pytest.raises(InputError, match=r"cannot read 'b' in .*x.csd', it is damaged"),
    ):
        file.read('b')


@pytest.fixture
def folder(tmp_path):
    for name, root in (
        ('1.csd', 'glove_vectors'),
        ('2.csd', 'COVAREP'),
        ('3.csd', 'FACET 4.2'),
        ('4.csd', 'All Labels'),
    ):
        write(tmp_path / name, root, {'v': (VALUES, TIMES)})
    return tmp_path


NOTHING = dict.fromkeys(('text', 'visual', 'audio', 'labels'))


def test_roles_by_root(folder):
    wanted = {
        role: folder / name
        for role, name in (
            ('text', '1.csd'),
            ('audio', '2.csd'),
            ('visual', '3.csd'),
            ('labels', '4.csd'),
        )
    }
    assert find_roles([folder], NOTHING) == (wanted, [])
    assert find_roles(sorted(folder.glob('*')), NOTHING) == (wanted, [])


def test_words_are_read_where_they_are_wanted(folder):
    words = np.array([['so'], ['well'], ['yes']], 'S4')[: len(TIMES)]
    path = write(folder / '7.csd', 'words', {'v': (words, TIMES)})
    roles, unused = find_roles([folder], {**NOTHING, 'words': None})
    assert (roles['words'], unused) == (path, [])
    with CsdFile(path, words=True) as file:
        said, times = file.read_words('v')
        assert said == [word.encode() for word in words[:, 0].astype(str)]
        assert times.tolist() == TIMES.tolist()
        with pytest.raises(InputError, match='holds numbers'):
            file.read('v')
    with pytest.raises(InputError, match='a table of numbers'):
        CsdFile(path)
    with (
        CsdFile(folder / '1.csd', words=True) as file,
        pytest.raises(InputError, match='holds numbers'),
    ):
        file.read_words('v')


def test_roles_that_were_chosen(folder):
    write(folder / '5.csd', 'OpenFace_2', {'v': (VALUES, TIMES)})
    write(folder / '6.csd', 'words', {'v': (VALUES, TIMES)})
    for value in ('OpenFace_2', 'openface 2', str(folder / '5.csd')):
        roles, unused = find_roles([folder], {**NOTHING, 'visual': value})
        assert roles['visual'] == folder / '5.csd'
        assert [sentence.split("'")[3] for sentence in unused] == ['FACET 4.2', 'words']
    roles, _ = find_roles(
        [folder / '4.csd'], {**NOTHING, 'text': str(folder / '6.csd')}
    )
    assert roles == {'text': folder / '6.csd', 'labels': folder / '4.csd'}


def test_roles_that_nobody_can_tell(folder):
    write(folder / '5.csd', 'OpenFace_2', {'v': (VALUES, TIMES)})
    message = "the visual is one file, .*`visual='FACET 4.2'` or `visual='OpenFace_2'`"
    with pytest.raises(InputError, match=message):
        find_roles([folder], NOTHING)
    other = write(folder / '6.csd', 'mine', {'v': (VALUES, TIMES)})
    with pytest.raises(InputError, match=r"root 'mine' of .*6.csd' is not known: say"):
        find_roles([other], NOTHING)
    with pytest.raises(InputError, match=r"`audio=` is .* \(got 'none', the roots are"):
        find_roles([folder], {**NOTHING, 'audio': 'none'})
    (folder / 'empty').mkdir()
    with pytest.raises(InputError, match=r'has no .csd file'):
        find_roles([folder / 'empty'], NOTHING)
    with pytest.raises(InputError, match=r'no file or folder'):
        find_roles([folder / 'none'], NOTHING)
