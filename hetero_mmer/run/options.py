"""The options of a run; importing them takes no torch."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_args, get_type_hints

from hetero_mmer.errors import InputError
from hetero_mmer.files.plain import Within, check_plain
from hetero_mmer.run.check import check_batch_size, check_device_name, check_threshold
from hetero_mmer.spec import from_spec, to_spec

#: By what the epoch is chosen that is tested.
Monitor = Literal['f1_micro', 'f1_macro', 'map', 'acc_jaccard', 'loss', 'last']

#: Number formats in training, with Lightning's names for them.
PRECISIONS: Final[Mapping[str, Any]] = {
    'fp32': '32-true',
    'fp16': '16-mixed',
    'bf16': 'bf16-mixed',
}

#: Losses that a model with a ``criterion`` takes, by their classes.
LOSSES: Final = {
    'bce': 'hetero_mmer.nn.criterion.BCE',
    'weighted': 'hetero_mmer.nn.criterion.WeightedBCE',
    'focal': 'hetero_mmer.nn.criterion.Focal',
    'asymmetric': 'hetero_mmer.nn.criterion.Asymmetric',
}

#: Options that hold a class or a partial of one, besides words.
FACTORIES: Final = ('optimizer', 'schedule')

#: Whole numbers that PyTorch and Lightning count with.
_INT64: Final = Within(-(2**63), 2**63 - 1)

#: Processes besides the main one.
_MOST_WORKERS: Final = 1024


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """How a model is trained and chosen; equal options repeat a run.

    Args:
        root: Folder where named data sets lie.
        modalities: The modalities to use, such as [text,audio]; all by default.
        split_file: A file of `data split` that says which samples are train, valid and
            test; by default the store says it.
        fold: Which fold of a split file that has several.
        label_vectors: An .npz file with a vector for each label by its name, for models
            that take ``label_vectors``.
        label_relations: An .npz file with a row for each label by its name, of weights
            of the relation to each label in the order of the file; where not 0 it is
            an edge of the label graph.
        standardize: Whether features get mean 0 and deviation 1, by the statistics of
            the train split; they are kept with the model.
        skip_empty: Whether to leave out samples that have no item in the chosen
            modalities; they are refused otherwise.
        init: A run whose weights the model starts from, by their names.
        loss: What a model with plain binary cross-entropy is trained with instead; a
            short form of its argument ``criterion``.
        seed: Of weights, order and dropout.
        epochs: Passes over the training samples.
        batch_size: Samples in a batch.
        accumulate: Batches whose gradients are summed up for a step.
        optimizer: 'adam' adds weight decay to the gradient, 'adamw' keeps it apart; or
            a class of torch.optim by import path, whose arguments follow.
        learning_rate: Its highest value.
        weight_decay: Of everything but biases and norms.
        warmup: Share of the steps in which the learning rate rises from zero.
        schedule: Whether the learning rate then stays or falls to zero; or a class of
            torch.optim.lr_scheduler by import path, advanced after each epoch.
        gradient_clip: Highest norm of the gradient, or of each of its values.
        clip_by: Whether the norm of the gradient is clipped, or each value.
        patience: Epochs without improvement after which training stops; none by
            default.
        threshold: A label is positive if its probability is above it: a number, or
            tuned on the valid split for all labels at once or for each.
        monitor: By what the epoch is chosen: the highest of a metric on valid (at the
            threshold; where that is tuned, at the one tuned in this epoch), the lowest
            loss on valid, or no choice, the last epoch.
        precision: Number format in training: all in float32, or what gains by it in
            float16 (on a GPU) or bfloat16; the weights stay float32.
        device: Where to train; a GPU by default if there is one.
        num_workers: Processes that load data, besides the main one.

    Raises:
        InputError: For a value of another type, or one that makes no sense.

    Example:
        >>> TrainOptions(epochs=3).batch_size
        64
        >>> TrainOptions(epochs=0)
        Traceback (most recent call last):
        hetero_mmer.errors.InputError: 'epochs' is at least 1 (got 0)
    """

    root: str | Path | None = None
    modalities: list[str] | None = None
    split_file: str | Path | None = None
    fold: int | None = None
    label_vectors: str | Path | None = None
    label_relations: str | Path | None = None
    standardize: bool = False
    skip_empty: bool = False
    init: str | Path | None = None
    loss: Literal['bce', 'weighted', 'focal', 'asymmetric'] | None = None
    seed: int = 0
    epochs: int = 50
    batch_size: int = 64
    accumulate: int = 1
    optimizer: Literal['adam', 'adamw'] | Callable[..., Any] = 'adam'
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    warmup: float = 0.0
    schedule: Literal['constant', 'linear'] | Callable[..., Any] = 'constant'
    gradient_clip: float | None = 10.0
    clip_by: Literal['norm', 'value'] = 'norm'
    patience: int | None = None
    threshold: float | Literal['tuned', 'per-label'] = 0.5
    monitor: Monitor = 'f1_micro'
    precision: Literal['fp32', 'fp16', 'bf16'] = 'fp32'
    device: Literal['auto', 'cpu', 'cuda', 'mps'] = 'auto'
    num_workers: int = 0

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = _plain_value(getattr(self, field.name))
            object.__setattr__(self, field.name, value)
        check_types(vars(self))
        check_batch_size(self.batch_size)
        for name in ('epochs', 'accumulate', 'patience'):
            if (value := getattr(self, name)) is not None and value < 1:
                raise InputError(f"'{name}' is at least 1 (got {value})")
        for name in ('seed', 'weight_decay', 'num_workers', 'fold'):
            if (value := getattr(self, name)) is not None and not value >= 0:
                raise InputError(f"'{name}' is not negative (got {value})")
        for name in ('learning_rate', 'gradient_clip'):
            if (value := getattr(self, name)) is not None and not value > 0:
                raise InputError(f"'{name}' is above 0 (got {value})")
        if self.num_workers > _MOST_WORKERS:
            raise InputError(
                f"'num_workers' is at most {_MOST_WORKERS} (got {self.num_workers})"
            )
        if not 0 <= self.warmup <= 1:
            raise InputError(f"'warmup' lies in [0, 1] (got {self.warmup})")
        if self.warmup and callable(self.schedule):
            raise InputError(
                f"'warmup' goes with the schedules 'constant' and 'linear' (got "
                f'{self.warmup} with another schedule)'
            )
        if self.fold is not None and self.split_file is None:
            raise InputError(f"'fold' is one of a 'split_file' (got {self.fold} alone)")
        if self.monitor == 'last' and self.patience is not None:
            raise InputError(
                "'patience' waits for a better epoch, so it needs another 'monitor' "
                "than 'last', which takes the last one: leave it out, as null"
            )
        check_threshold(self.threshold)
        check_device_name(self.device, self.precision)

    def to_plain(self) -> dict[str, Any]:
        """The options as YAML holds them."""
        plain: dict[str, Any] = {}
        for name, value in vars(self).items():
            if callable(value):
                plain[name] = to_spec(value)
            else:
                plain[name] = str(value) if isinstance(value, Path) else value
        return plain

    @classmethod
    def from_plain(
        cls, plain: Mapping[str, Any], *, trust: bool = False, where: str = 'a file'
    ) -> TrainOptions:
        """Reads what :meth:`to_plain` gave.

        Args:
            plain: Some or all options.
            trust: Whether classes may be of any module, see
                :func:`~hetero_mmer.spec.locate`.
            where: Where they stand, for messages.

        Raises:
            InputError: For a wrong value, or a class that is not trusted.
        """
        values = dict(plain)
        for name in FACTORIES:
            if isinstance(values.get(name), Mapping):
                values[name] = from_spec(values[name], trust=trust, where=where)
        check_types(values, where)
        return cls(**values)


def check_types(options: Mapping[str, Any], where: str = '') -> None:
    """Refuses values of another type than an option has.

    Args:
        options: Some options.
        where: Where they stand, for messages.

    Raises:
        InputError: Names the option.
    """
    types = _types()
    for name, value in options.items():
        if name == 'threshold' or (name in FACTORIES and callable(value)):
            continue
        kind = Annotated[int, _INT64] if types[name] is int else types[name]
        check_plain(value, kind, where, name)


def monitored(monitor: Monitor) -> str | None:
    """The name under which the monitored value of an epoch is logged, if there is one.

    Example:
        >>> monitored('map'), monitored('loss'), monitored('last')
        ('valid/map', 'valid/total', None)
    """
    if monitor == 'last':
        return None
    return 'valid/total' if monitor == 'loss' else f'valid/{monitor}'


def watched(monitor: Monitor) -> str:
    """The name of what tells how well it goes: the loss, where nothing is monitored.

    Example:
        >>> watched('map'), watched('last')
        ('valid/map', 'valid/total')
    """
    return monitored(monitor) or 'valid/total'


@cache
def _types() -> dict[str, Any]:
    """The types of options in files."""
    types = get_type_hints(TrainOptions)
    # Besides classes, which are told apart before.
    return {**types, **{name: get_args(types[name])[0] for name in FACTORIES}}


def _plain_value(value: Any) -> Any:
    if getattr(value, 'shape', None) == () and hasattr(value, 'item'):
        return value.item()  # A number of NumPy or PyTorch.
    return list(value) if isinstance(value, tuple) else value
