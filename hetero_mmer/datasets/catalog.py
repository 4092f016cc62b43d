"""The known data sets, where their stores lie, and the raw formats they come from."""

from __future__ import annotations

import functools
import os
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from hetero_mmer.datasets import music_emotions, synthetic
from hetero_mmer.datasets.m3ed import m3ed
from hetero_mmer.datasets.meld import meld
from hetero_mmer.datasets.mosei import cmu_mosei, mmsa_pkl, mosei_pt, mult_pkl
from hetero_mmer.datasets.mosei import facts as mosei_facts
from hetero_mmer.datasets.nemu import nemu
from hetero_mmer.datasets.own import arff as own_arff
from hetero_mmer.datasets.own import csv as own
from hetero_mmer.errors import InputError, did_you_mean
from hetero_mmer.files.input import Source
from hetero_mmer.files.output import claim, refuse_sources
from hetero_mmer.store import Store
from hetero_mmer.store.format import VERSION, Clean
from hetero_mmer.store.place import check_store_path
from hetero_mmer.typing import Track, untracked

SYNTHETIC: Final = 'synthetic'


class Converter(Protocol):
    """Raw files of one format become a store; a format may have more options."""

    def __call__(
        self,
        sources: Sequence[Source],
        output: Source,
        *,
        like: str | Path | None = None,
        clean: Clean | None = None,
        strict: bool = False,
        track: Track = untracked,
    ) -> Store:
        """Writes ``output`` from ``sources``."""


@dataclass(frozen=True)
class DataSet:
    """A row of the table of known data sets.

    ``fetch`` makes or downloads the store, where a program can. By hand, ``raw_files``
    come from ``address``, and ``convert`` is the command that reads them; it has
    ``{folder}`` for the folder that they are put into, and ``{store}``.
    """

    name: str
    description: str
    num_samples: int
    label_names: tuple[str, ...]
    modalities: tuple[str, ...]
    licence: str
    file_name: str
    fetch: Callable[..., Store] | None
    raw_files: str = ''
    address: str = ''
    convert: str = ''

    def by_hand(self, store: Path) -> str:
        """What to get from where, where to put it, and what to run then.

        Args:
            store: The store that it becomes.
        """
        what = f'put {self.raw_files} from {self.address}'
        into = store.parent / self.name
        return f"{what} into '{into}', then run `{self.command(store)}`"

    def command(self, store: Path) -> str:
        """The command that converts the raw files.

        Args:
            store: The store that they become.
        """
        folder = shlex.quote(str(store.parent / self.name))
        return self.convert.format(folder=folder, store=shlex.quote(str(store)))


def _small_synthetic(output: Path, *, track: Track = untracked) -> Store:
    return synthetic.synthesize(output, modalities=synthetic.SMALL)


def _spares_sources(convert: Converter) -> Converter:
    """A converter that refuses, before any work, to write over what it reads."""

    @functools.wraps(convert)
    def guarded(sources: Sequence[Source], output: Source, **options: Any) -> Store:
        refuse_sources(Path(output), [sources, options])
        check_store_path(Path(output))
        return convert(sources, output, **options)

    return guarded


_CONVERTERS: Final[Mapping[str, Converter]] = {
    'csv': own.convert,
    'arff': own_arff.convert,
    'cmu-mosei': cmu_mosei.convert,
    'mosei-pt': mosei_pt.convert,
    'mult-pkl': mult_pkl.convert,
    'mmsa-pkl': mmsa_pkl.convert,
    'meld': meld.convert,
    'music-emotions': music_emotions.convert,
    'm3ed': m3ed.convert,
    'nemu': nemu.convert,
}

#: The raw formats that can be converted, by name.
FORMATS: Final[Mapping[str, Converter]] = {
    name: _spares_sources(convert) for name, convert in _CONVERTERS.items()
}

#: The known data sets, by name.
DATA_SETS: Final[Mapping[str, DataSet]] = {
    data_set.name: data_set
    for data_set in (
        DataSet(
            name=SYNTHETIC,
            description='Ragged items with planted evidence, made on the spot',
            num_samples=1000,
            label_names=synthetic.LABEL_NAMES,
            modalities=tuple(synthetic.SMALL),
            licence='CC0-1.0',
            file_name=f'{SYNTHETIC}-v{synthetic.VERSION}.{VERSION}.h5',
            fetch=_small_synthetic,
        ),
        DataSet(
            name='music_emotions',
            description='Songs as timbre and rhythm features (Mulan: emotions)',
            num_samples=music_emotions.NUM_SONGS,
            label_names=tuple(music_emotions.LABELS.values()),
            modalities=tuple(music_emotions.layout()),
            licence=music_emotions.LICENCE,
            file_name='music_emotions.h5',
            fetch=music_emotions.fetch,
            raw_files='emotions.arff',
            address=music_emotions.HOME,
            convert='hetero-mmer data convert music-emotions {folder}/emotions.arff '
            '--output {store}',
        ),
        DataSet(
            name='cmu_mosei',
            description='Segments of monologues, word-aligned (CMU-MultimodalSDK)',
            num_samples=sum(mosei_facts.KNOWN_COUNTS['the SDK with imputation']),
            label_names=mosei_facts.LABEL_NAMES,
            modalities=cmu_mosei.MODALITIES,
            licence=mosei_facts.LICENCE,
            file_name='cmu_mosei.h5',
            fetch=None,
            raw_files=f'{", ".join(cmu_mosei.FILES)} and {cmu_mosei.FOLDS}',
            address=f'{cmu_mosei.SDK} (its folder {cmu_mosei.ADDRESSES} says where)',
            convert='hetero-mmer data convert cmu-mosei {folder} '
            f'--folds {{folder}}/{cmu_mosei.FOLDS} --output {{store}}',
        ),
        DataSet(
            name='meld',
            description='Dialogues of Friends: utterances, who speaks, and when',
            num_samples=meld.NUM_DIALOGUES,
            label_names=meld.EMOTIONS,
            modalities=meld.MODALITIES,
            licence=meld.LICENCE,
            file_name='meld.h5',
            fetch=meld.fetch,
            raw_files=', '.join(meld.FILES),
            address=meld.HOME,
            convert='hetero-mmer data convert meld {folder} --output {store}',
        ),
        DataSet(
            name='m3ed',
            description='Utterances of dialogues in Chinese TV series',
            num_samples=m3ed.NUM_UTTERANCES,
            label_names=m3ed.LABEL_NAMES,
            modalities=('text', 'visual', 'audio'),
            licence=m3ed.LICENCE,
            file_name='m3ed.h5',
            fetch=None,
            raw_files='a pickle of features, annotation.json and the folder splitInfo',
            address=f'{m3ed.HOME} (given to those who sign a form)',
            convert='hetero-mmer data convert m3ed {folder}/*.pkl '
            '{folder}/annotation.json {folder}/splitInfo --output {store}',
        ),
        DataSet(
            name='nemu',
            description='Songs of NetEase: lyrics, comments, cover and sound',
            num_samples=nemu.NUM_SONGS,
            label_names=nemu.LABEL_NAMES,
            modalities=nemu.MODALITIES,
            licence=nemu.LICENCE,
            file_name='nemu.h5',
            fetch=None,
            raw_files=nemu.FILE,
            address=f'{nemu.HOME} (where only a browser gets it)',
            convert=f'hetero-mmer data convert nemu {{folder}}/{nemu.FILE} '
            '--output {store}',
        ),
    )
}


def data_root(root: str | os.PathLike[str] | None = None) -> Path:
    """The folder where stores of known data sets lie.

    Args:
        root: That folder; if None, ``datasets/`` of the checkout that the package runs
            from, or else ``hetero_mmer/`` in the user's cache folder.

    Example:
        >>> data_root('my-data').name
        'my-data'
    """
    if root is not None:
        return Path(root)
    checkout = Path(__file__).resolve().parents[2]
    if (checkout / 'setup.cfg').is_file():
        return checkout / 'datasets'
    cache = os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache'
    return Path(cache) / 'hetero_mmer'


def resolve_data(
    name_or_path: str | os.PathLike[str], root: str | os.PathLike[str] | None = None
) -> Path:
    """The store that a name or a path stands for; ``synthetic`` is made on first use.

    Args:
        name_or_path: A path (it has a separator, ends in ``.h5``, or is a file), or
            the name of a known data set.
        root: The folder of stores, see :func:`data_root`.

    Raises:
        InputError: For a name that is unknown, or whose store is not there yet.

    Example:
        >>> resolve_data('own/features.h5').name
        'features.h5'
    """
    text = os.fspath(name_or_path)
    separators = [os.sep, *filter(None, [os.altsep])]
    if text.endswith('.h5') or any(s in text for s in separators):
        return Path(text)
    if os.path.isfile(text):
        return Path(text)
    data_set = find_data_set(text)
    store = data_root(root) / data_set.file_name
    if store.is_file():
        return store
    if text == SYNTHETIC and data_set.fetch is not None:
        store.parent.mkdir(parents=True, exist_ok=True)
        with claim(store, wait=True):  # Another process may be making it.
            if not store.is_file():
                data_set.fetch(store).close()
        return store
    how = data_set.by_hand(store)
    if data_set.fetch is not None:
        how = f'run `fetch_data_set({text!r})` or `{data_set.command(store)}`'
    raise InputError(f"the data set '{text}' is not at '{store}' yet: {how}")


def fetch_data_set(
    name: str,
    root: str | os.PathLike[str] | None = None,
    *,
    track: Track = untracked,
) -> Store:
    """Downloads a data set, or makes it, and writes its store.

    Args:
        name: Its name.
        root: The folder of stores, see :func:`data_root`.
        track: Tells how it goes on; see :class:`~hetero_mmer.typing.Track`.

    Raises:
        InputError: For a name that is unknown, or where no program gets the files, or
            this one did not; says how to do it by hand.
    """
    data_set = find_data_set(name)
    store = data_root(root) / data_set.file_name
    if data_set.fetch is None:
        raise InputError(f"no program may fetch '{name}': {data_set.by_hand(store)}")
    try:
        return data_set.fetch(store, track=track)
    except InputError as error:
        if not data_set.raw_files:
            raise
        raise InputError(f'{error}; by hand: {data_set.by_hand(store)}') from error


def find_data_set(name: str) -> DataSet:
    """The data set of a name.

    Args:
        name: The name.

    Raises:
        InputError: For an unknown one, with the nearest name that is known.

    Example:
        >>> find_data_set('music_emotions').num_samples
        593
    """
    if name in DATA_SETS:
        return DATA_SETS[name]
    raise InputError(
        f"there is no data set or file '{name}' (known: {', '.join(DATA_SETS)})"
        f'{did_you_mean(name, DATA_SETS)}'
    )
