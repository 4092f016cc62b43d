from __future__ import annotations

import pytest

from hetero_mmer.errors import InputError
from hetero_mmer.files.unique_yaml import check_keys, read_yaml


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('a: 1\nb: 2\na: 1\n', r"'a' is given twice in .*y\.yaml' \(line 1 and 3\)"),
        ('m:\n  k: {x: 1}\n  l:\n    - z: 1\n      z: 2\n', r"'z' .*\(line 4 and 5\)"),
        ('{a: 1, "a": 2}', r"'a' .*\(line 1\)"),
        ('x: {1: a, 1.0: b}', "'1.0'"),
        ('base: &b {q: 1, q: 2}\nm: {<<: *b}\n', "'q'"),
        ('<<: {a: 1}\n<<: {b: 1}\n', "'<<'"),
        ('a: [', 'no YAML'),
        ('a: 1\n---\nb: 1\n', 'no YAML'),
    ],
)
def test_a_key_that_is_given_twice_is_refused(text, message, tmp_path):
    path = tmp_path / 'y.yaml'
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_yaml(path)


@pytest.mark.parametrize(
    ('text', 'value'),
    [
        ('', None),
        ('a: {x: 1}\nb: {x: 1}\n', {'a': {'x': 1}, 'b': {'x': 1}}),
        ("1: a\n'1': b\n", {1: 'a', '1': 'b'}),
        ('- {a: 1}\n- {a: 2}\n', [{'a': 1}, {'a': 2}]),
    ],
)
def test_keys_may_come_again_elsewhere(text, value, tmp_path):
    path = tmp_path / 'y.yaml'
    path.write_text(text)
    assert read_yaml(path) == value


def test_what_is_merged_may_be_overridden_also_where_it_is_merged_on(tmp_path):
    path = tmp_path / 'y.yaml'
    path.write_text('a: &a {x: 1}\nb: &b\n  <<: *a\n  x: 2\nc:\n  <<: *b\n  y: 3\n')
    found = read_yaml(path)
    assert found['b'] == {'x': 2}
    assert found['c'].keys() == {'x', 'y'}


def test_an_alias_of_itself_ends():
    check_keys('&a [*a, {k: *a}]', 'a loop')


def bomb(levels):
    lines = ['a0: &a0 [1, 2]']
    for i in range(1, levels):
        lines.append(f'a{i}: &a{i} [{", ".join([f"*a{i - 1}"] * 9)}]')
    return '\n'.join(lines)


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('[' * 5000, 'nested too deeply'),
        ('- ' * 5000, 'nested too deeply'),
        ('&a [*a]', 'more than 100000 values'),
        ('a: &a {b: *a}', 'more than 100000 values'),
        (bomb(9), 'more than 100000 values'),
        ('a: &a {x: 1}\nb: {<<: *a, y: 2001-13-45}', 'no YAML'),
        ('a: !!int x', 'no YAML'),
        ('!!python/object/apply:os.system [ls]', 'no YAML'),
        ('a: "\0"', 'no YAML'),
        ('x' * 2**18 + 'x', 'too large'),
    ],
)
def test_what_no_options_are_like_is_refused(text, message, tmp_path):
    path = tmp_path / 'y.yaml'
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_yaml(path)


def test_aliases_are_read(tmp_path):
    path = tmp_path / 'y.yaml'
    path.write_text(bomb(3))
    one = [1, 2]
    assert read_yaml(path) == {'a0': one, 'a1': [one] * 9, 'a2': [[one] * 9] * 9}


def test_text_in_another_encoding_is_refused(tmp_path):
    (tmp_path / 'y.yaml').write_bytes('a: ä'.encode('latin-1'))
    with pytest.raises(InputError, match=r'the recipe .* is no text in UTF-8'):
        read_yaml(tmp_path / 'y.yaml', 'the recipe ')
