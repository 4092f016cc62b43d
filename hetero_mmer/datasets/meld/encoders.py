"""What makes the features of dialogues in MELD's layout."""

from __future__ import annotations

from typing import NamedTuple

from hetero_mmer.errors import InputError
from hetero_mmer.features.dialogue import SpeakerCast, TimingScale
from hetero_mmer.features.fitted import Fitted
from hetero_mmer.features.text import HashedNgrams, SentenceVectors
from hetero_mmer.store import Like
from hetero_mmer.typing import Track

_HASHED = 'hashed'


class Encoders(NamedTuple):
    """One for each modality."""

    text: HashedNgrams | SentenceVectors
    speaker: SpeakerCast
    timing: TimingScale

    @property
    def fitted(self) -> dict[str, Fitted]:
        """What each of them learned."""
        return {modality: one.fitted for modality, one in self._asdict().items()}


def new_encoders(
    encoder: str | None,
    text_channels: int | None,
    num_speakers: int | None,
    track: Track,
) -> Encoders:
    """Encoders that have learned nothing yet.

    Args:
        encoder: ``hashed``, the default, or a model of sentence-transformers.
        text_channels: Width of what ``hashed`` makes, 256 by default.
        num_speakers: Speakers with a column of their own, 6 by default.
        track: Tells how it goes on; see :class:`~hetero_mmer.typing.Track`.
    """
    return Encoders(
        HashedNgrams(256 if text_channels is None else text_channels)
        if encoder in (None, _HASHED)
        else SentenceVectors(encoder, track=track),
        SpeakerCast(6 if num_speakers is None else num_speakers),
        TimingScale(),
    )


def encoders_like(
    like: Like,
    encoder: str | None,
    text_channels: int | None,
    num_speakers: int | None,
    track: Track,
) -> Encoders:
    """The encoders that made the features of a store, or of a run's data.

    Args:
        like: The store or the run.
        encoder: What was chosen, which is the same or nothing.
        text_channels: Likewise.
        num_speakers: Likewise.
        track: Tells how it goes on; see :class:`~hetero_mmer.typing.Track`.

    Raises:
        InputError: If it has no such encoders, or something else was chosen.
    """
    text = _text(like, track)
    timing = _of_kind(like, 'timing', TimingScale.name)
    speaker = _of_kind(like, 'speaker', SpeakerCast.name)
    has: dict[str, tuple[object, object]] = {
        'num_speakers': (num_speakers, len(speaker.names))
    }
    if isinstance(text, HashedNgrams):
        has['encoder'] = encoder, _HASHED
        has['text_channels'] = text_channels, text.channels
    else:  # A folder may be given in several ways.
        has['encoder'] = encoder and SentenceVectors(encoder).model, text.model
    for name, (chosen, ours) in has.items():
        if chosen is not None and chosen != ours:
            raise InputError(
                f"'{name}' is that of '{like.path}', {ours} (got {chosen}): leave it "
                f'out'
            )
    return Encoders(text, SpeakerCast.of(speaker), TimingScale.of(timing))


def _text(like: Like, track: Track) -> HashedNgrams | SentenceVectors:
    fitted = like.encoder('text')
    if fitted.encoder == SentenceVectors.name:
        return SentenceVectors.of(fitted, track=track)
    return HashedNgrams.of(_of_kind(like, 'text', HashedNgrams.name))


def _of_kind(like: Like, modality: str, name: str) -> Fitted:
    fitted = like.encoder(modality)
    if fitted.encoder != name:
        raise InputError(
            f"the encoder of '{modality}' is '{name}' in MELD's layout (got "
            f"'{fitted.encoder}' in '{like.path}')"
        )
    return fitted
