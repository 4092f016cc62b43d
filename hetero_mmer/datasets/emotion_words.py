"""Words for emotions, to tell a column of labels from one of something else."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Final

#: Of CMU-MOSEI, IEMOCAP, MELD, M3ED, NEMu, Mulan's music, Ekman, Plutchik, GoEmotions,
#: SemEval's E-c, EMOTIC, GEMS, EmpatheticDialogues, DAiSEE and Ren-CECps, as nouns and
#: adjectives, with frequent slips. Valence, arousal and sentiment are no emotions, and
#: "confidence" is mostly the annotator's.
_TEXT: Final = """
acceptance accepting adoration admiration admiring aesthetic affection affectionate
afraid aggression aggressive aggressiveness agitated agitation alarm alarmed amazed
amazement amused amusement anger angry anguish annoyance annoyed anticipating
anticipation anxiety anxious apathy apprehension apprehensive appreciation approval
approving ashamed astonished astonishment aversion awe awkwardness bitterness blame
bliss bored boredom calm calmness caring cheerful cheerfulness compassion confused
confusion contempt contemptuous content contented contentment craving curiosity
curious deceived dejection delight delighted depressed depression desire despair
devastated disappointed disappointment disapproval disapproving disconnection
discomfort disgust disgusted disgusting dislike dismay disquietment distaste
distracted distraction distress distressed doubt dread ecstasy ecstatic elation
embarrassed embarrassment empathy engaged engagement enjoyment entrancement envy
enthusiasm enthusiastic esteem euphoria excited excitement expect expectation
expectancy faithful fatigue fear fearful fearfulness frustrated frustration furious
fury gloomy grateful gratitude grief guilt guilty happiness happy hate hatred
healing hope hopeful hopeless horror hostility humiliation hurt impatience impressed
indignation inspired inspiration interest interested irritated irritation jealous
jealousy joy joyful joyous loathing loneliness lonely longing love loving lust
melancholic melancholy miserable misery moved moving neutral neutrality
nervous nervousness nostalgia nostalgic optimism optimistic outrage pain panic
passion passionate peace peaceful peacefulness pensive pensiveness pessimism
pessimistic pity pleased pleasure pride proud quiet rage realization regret relaxed
relaxation relaxing relief relieved remorse resentment revulsion romance romantic
sad sadness satisfaction satisfied scared sentimental serene serenity shame shock
shocked shy shyness sorrow sorrowful startled stress stressed submission suffering
surprise surprised surprising surprize suspicion sympathy tender tenderness tense
tension terrified terror thankful thrill thrilled tired transcendence triumph trust
trusting uneasy unhappy unhappiness upset vigilance warmth weariness wonder worried
worry yearning
ang exc fea fru hap neu sur anticip calmed disguist disgusts exited fresh frustated
happines miss sadnes suprise suprised supprise supprised
noemotion otheremotion otheremotions
quietstill angryaggresive joyfulactivation
"""
_WORDS: Final = frozenset(_TEXT.split())

#: What people write around the word.
_FILLERS: Final = frozenset(
    ('emotion', 'emotions', 'emo', 'label', 'labels', 'is', 'has', 'y', 'feels', 'feel')
)


def is_emotion(name: str) -> bool:
    """Whether a column is called by an English word for an emotion.

    Args:
        name: Its name.

    Example:
        >>> [is_emotion(name) for name in ('Joy', 'is_sad', 'amazed-suprised')]
        [True, True, True]
        >>> [is_emotion(name) for name in ('duration', 'valence', 'joy_rater')]
        [False, False, False]
    """
    text = unicodedata.normalize('NFKC', name)
    text = re.sub(r'(?<=[a-z])(?=[A-Z])', ' ', text).casefold()
    words = re.findall(r'[^\W_]+', text)
    if ''.join(words) in _WORDS:
        return True
    rest = [word for word in words if word not in _FILLERS]
    return bool(rest) and all(word in _WORDS for word in rest)


def unknown_labels(names: Sequence[str], option: str) -> str:
    """A warning of labels that may be no emotions.

    Args:
        names: Their names.
        option: The option that says which columns are labels.
    """
    some = ', '.join(names[:12]) + (f', ... ({len(names)} in all)' * (len(names) > 12))
    return (
        f'WARNING: these labels are no emotion that we know: {some}; say which columns '
        f'are labels with `{option}=`'
    )
