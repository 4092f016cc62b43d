from __future__ import annotations

import pytest

from hetero_mmer.sources.unique_json import read_json
from hetero_mmer.typing import InputError


def test_json(tmp_path):
    path = tmp_path / 'a.json'
    path.write_text('{"a": {"b": [1, {"a": null}]}, "c": {"b": "ä"}}', 'utf-8')
    assert read_json(path, 'x') == {'a': {'b': [1, {'a': None}]}, 'c': {'b': 'ä'}}


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('{"a": 1, "a": 2}', "the key 'a' is given twice in one place of .*a.json"),
        ('[{"x": {"b": 1, "c": 2, "b": 1}}]', "the key 'b' is given twice"),
        ('{"a": 1', 'is no JSON'),
        ('9' * 5000, 'is no JSON'),
        ('[' * 100_000, 'is no JSON'),
        ('{"a": "\0"}', 'null character'),
    ],
)
def test_other_json_is_refused(text, message, tmp_path):
    (tmp_path / 'a.json').write_text(text)
    with pytest.raises(InputError, match=message) as error:
        read_json(tmp_path / 'a.json', 'x')
    assert '\n' not in str(error.value)
