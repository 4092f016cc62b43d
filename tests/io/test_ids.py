from __future__ import annotations

import unicodedata
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hetero_mmer.errors import InputError
from hetero_mmer.io.ids import match


def nfd(text):
    return unicodedata.normalize('NFD', text)


@pytest.mark.parametrize(
    ('ours', 'theirs'),
    [
        ('a', 'A'),
        ('café', nfd('café')),
        ('CAFÉ', nfd('café')),
        ('ΣΟΦΟΣ', 'σοφος'),
        ('한', nfd('한')),
        ('-aBc_9', '-AbC_9'),
    ],
)
def test_capitals_and_unicode_form_match_by_themselves(ours, theirs):
    for wanted, there in ((ours, theirs), (theirs, ours)):
        found = match([wanted, 'x'], ['y', there], "'t'")
        assert found.names == {wanted: there}
        assert found.rename({'y': 1, there: 2}) == {'y': 1, wanted: 2}
        assert len(found.notes) == 1
        assert "the same: 1, such as '" in found.notes[0]
    assert match([ours], [ours], "'t'").notes == []


def test_a_unicode_form_that_prints_alike_is_told_apart():
    note = match(['é'], [nfd('é')], "'t'").notes[0]
    assert r"'\xe9' and 'e\u0301'" in note


def test_equal_ids_come_before_alike_ones():
    assert match(['ab', 'AB'], ['AB', 'ab'], '').names == {'ab': 'ab', 'AB': 'AB'}
    assert match(['ab', 'AB'], ['ab'], '').names == {'ab': 'ab'}
    assert match(['ab'], ['AB', 'ab'], '').names == {'ab': 'ab'}
    # One Unicode form before capitals.
    both = match(['é', 'É'], [nfd('É'), nfd('é')], '').names
    assert both == {'é': nfd('é'), 'É': nfd('É')}


@pytest.mark.parametrize(
    ('wanted', 'there', 'message'),
    [
        (['ab'], ['AB', 'Ab'], "'ab' may be 'AB' or 'Ab' of 't'"),
        (['AB', 'Ab'], ['ab'], "'AB' and 'Ab' may be 'ab' of 't'"),
        (['AB', 'Ab'], ['ab', 'aB'], "'AB' and 'Ab' may be 'ab' or 'aB' of 't'"),
    ],
)
def test_what_may_be_two_is_refused(wanted, there, message):
    with pytest.raises(InputError, match=message):
        match(wanted, there, "'t'")


LETTERS = ['a', 'A', 'é', 'É', nfd('é'), '1', '01', '.wav', '/', ' ', '_']
IDS = st.lists(st.lists(st.sampled_from(LETTERS), min_size=1).map(''.join), max_size=6)


@settings(max_examples=300, deadline=None)
@given(wanted=IDS, there=IDS)
def test_a_match_is_alike_one_to_one_and_complete(wanted, there):
    def fold(name):
        return unicodedata.normalize('NFC', unicodedata.normalize('NFC', name).lower())

    try:
        found = match(wanted, there, "'t'")
    except InputError:
        counts = [Counter(map(fold, set(names))) for names in (wanted, there)]
        assert any(max(c.values()) > 1 for c in counts)
        return
    assert all(fold(a) == fold(b) and b in there for a, b in found.names.items())
    assert len(set(found.names.values())) == len(found.names)
    assert all(found.names[name] == name for name in set(wanted) & set(there))
    left = {fold(name) for name in there if name not in found.names.values()}
    assert not left & {fold(name) for name in wanted if name not in found.names}
    assert not set(found.guesses) & set(found.names)
    for name in found.names:
        assert found.hint(name) == ''


@pytest.mark.parametrize(
    ('wanted', 'there', 'how'),
    [
        ('7', '007', 'leading zeros'),
        ('clip_7', 'clip_07', 'leading zeros'),
        ('07_1', '7_01', 'leading zeros'),
        ('a', 'a.wav', 'a file extension'),
        ('a.b', 'a.b.MP4', 'a file extension'),
        ('a.mp4', 'a.wav', 'a file extension'),
        ('a', 'clips/a', 'a folder before it'),
        ('a', './a', 'a folder before it'),
        ('a', 'C:\\x\\a', 'a folder before it'),
        ('a', 'a ', 'blanks or quotes around it'),
        ('a', '\ufeffa', 'blanks or quotes around it'),
        ('a', '\xa0a\u200b', 'blanks or quotes around it'),
        ('a', '"a"', 'blanks or quotes around it'),
        ('7', '7.0', "a '.0', as of a number that was read as a float"),
        ('a_1', 'a-1', 'dashes, underscores or blanks'),
        ('\uff112', '12', 'capitals or Unicode form'),
        ('a', 'a_features', 'what stands before or after it'),
        ('a', 'audio_a_features', 'what stands before or after it'),
        ('A_anjia_1_1', 'anjia_1_1', 'what stands before or after it'),
    ],
)
def test_what_differs_otherwise_is_guessed_and_never_taken(wanted, there, how):
    for one, other in ((wanted, there), (there, wanted)):
        found = match([one, 'q'], ['q', other, 'unlike'], '')
        assert found.names == {'q': 'q'}
        assert found.hint(one) == f'; is it {other!r}, which differs in {how}?'
        assert found.notes == []


def test_all_that_differs_is_named():
    found = match(['7'], ['clips/007.WAV'], '')
    assert found.hint('7').endswith(
        "'clips/007.WAV', which differs in a folder before it and in a file extension "
        'and in leading zeros?'
    )


def test_a_guess_is_of_one_that_is_left():
    """In data that fit, an id that is missing is no other one."""
    assert match(['7', '007'], ['007'], '').guesses == {}
    assert match(['7'], ['07', '007'], '').guesses == {}
    assert match(['a'], ['a_x', 'a_y'], '').guesses == {}
    assert match(['a_1', 'a_2', 'a_3'], ['a_1', 'a_3', 'b_2'], '').hint('a_2') == ''


def test_what_there_is_is_shown_where_little_is_found():
    found = match(['a', 'b', 'c'], ['p', 'q', 'r', 's'], '')
    assert found.hint('b') == "; there are 'p', 'q', 'r', ... (4 in all)"
    assert match(['a'], [], '').hint('a') == '; there is nothing'
    # What is there belongs to others: nothing to look at.
    assert match(['a', 'b', 'c', 'd'], ['d'], '').hint('a') == ''
    assert match(['a', 'b', 'c', 'd'], ['d', 'p'], '').hint('a') == "; there are 'p'"
    half = match(['a', 'b'], ['b', 'p'], '')
    assert half.hint('a') == ''
    assert match([], ['a'], '').names == {}


def test_many_ids():
    ids = [f'v{i}_{i % 7}' for i in range(3000)]
    found = match(ids, [f'clips/v{i:05d}_{i % 7}.wav' for i in range(3000)], '')
    assert len(found.guesses) == 3000
