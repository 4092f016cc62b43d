from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor
from torch.nn import Identity, Module, Parameter
from torch_geometric.data import HeteroData
from torch_geometric.nn.module_dict import ModuleDict

from hetero_mmer.errors import InputError
from hetero_mmer.functional.ctc import InputLength
from hetero_mmer.functional.masked import masked_max, masked_mean, masked_std
from hetero_mmer.functional.padding import pad
from hetero_mmer.graph.dense import ptr_of
from hetero_mmer.nn.encoder.ctc_aligner import CTCAligner
from hetero_mmer.nn.encoder.item_encoder import check_num_embeddings, item_encoder

Mode = Literal['auto', 'align', 'ctc', 'time', 'pool']

#: What a modality's items are pooled by.
Pool = Literal['mean', 'std', 'max']

POOLS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    'mean': masked_mean,
    'std': masked_std,
    'max': masked_max,
}

#: Items of each modality: ``x`` [ΣS, F] and ``ptr`` [B + 1].
Items = dict[str, tuple[Tensor, Tensor]]


class Fused(NamedTuple):
    """What :class:`EarlyFusion` returns."""

    x: Tensor  # [B, S, D], zeros where padded; [B, D] if pooled
    mask: Tensor | None  # [B, S], where a step is; none if pooled
    ctc_loss: Tensor | None  # [B], sum over the aligned modalities; of 'ctc' only


class EarlyFusion(Module):
    """Makes one sequence, or one vector, of all modalities, for uni-modal models.

    ========= ========================================================================
    mode      a sample becomes
    ========= ========================================================================
    ``align`` one step for each item, the features of all modalities side by side; for
              data whose items belong together one by one
    ``ctc``   the same, once a :class:`CTCAligner` has brought each modality to the
              items of an anchor
    ``time``  the items of one modality after those of another, each through a linear
              map of its modality, plus a vector that tells the modality
    ``pool``  one vector: mean of each modality's items side by side, perhaps with
              standard deviation and maximum
    ``auto``  ``align`` where items are aligned or of one modality; ``ctc`` where an
              anchor is named and no longer than other modalities; ``time`` otherwise
    ========= ========================================================================

    A modality that a sample lacks is zeros in ``align``, ``ctc`` and ``pool``, and no
    step in ``time``. Features of different scales are standardised first, by the run.

    Args:
        in_channels: Feature width of each modality, in the order of the graph.
        mode: One of the above.
        channels: Width of ``time``, and of the embedding of ids in all modes.
        anchor: Which modality others are aligned to; in ``ctc``, the shortest one if
            not given.
        max_lengths: Number of items of the longest sample of the training split, by
            modality; how long anchors are is a size of ``ctc``.
        aligned: Whether modalities of a sample have the same number of items, if any.
        max_anchor: Items of an anchor beyond this number are left out.
        normalize: Whether aligned items are means instead of weighted sums.
        ctc_input_length: As of :class:`CTCAligner`.
        pool: What ``pool`` takes of each modality, in this order.
        num_embeddings: Size of the vocabulary of each modality whose items are ids.

    Shapes:
        - **data**: one sample's graph, or a batch of :math:`B`
        - **output**: ``x`` ``[B, S, D]``, where D is ``out_channels``, and ``mask``
          ``[B, S]``, or ``x`` ``[B, D]``; with ``ctc`` a loss for each sample ``[B]``

    Raises:
        InputError: For another mode or pooling, an anchor that is not there or of
            unknown length, or data that are not aligned in ``align``.

    Deviations:
        - In ``time`` padding comes last and not between modalities, so that what an
          RNN makes of a sample does not depend on its batch.
        - The maximum and deviation of no items are 0.
        - A sample without its anchor has all places of ``ctc``, and no loss.

    Example:
        >>> from hetero_mmer.graph import build_graph
        >>> graph = build_graph({'text': torch.randn(3, 8), 'audio': torch.randn(5, 4)},
        ...                     labels=[1, 0])
        >>> x, mask, _ = EarlyFusion({'text': 8, 'audio': 4}, channels=16)(graph)
        >>> x.shape, int(mask.sum())
        (torch.Size([1, 8, 16]), 8)
        >>> EarlyFusion({'text': 8, 'audio': 4}, mode='pool')(graph).x.shape
        torch.Size([1, 12])
    """

    def __init__(
        self,
        in_channels: dict[str, int],
        *,
        mode: Mode = 'auto',
        channels: int = 256,
        anchor: str | None = None,
        max_lengths: dict[str, int] | None = None,
        aligned: bool = False,
        max_anchor: int = 60,
        normalize: bool = False,
        ctc_input_length: InputLength = 'source',
        pool: Sequence[Pool] = ('mean',),
        num_embeddings: dict[str, int] | None = None,
    ) -> None:
        super().__init__()
        if not in_channels:
            raise InputError('early fusion has at least one modality (got none)')
        sizes = check_num_embeddings(num_embeddings, in_channels)
        _check_names(mode, pool, anchor, list(in_channels))
        lengths = {m: n for m, n in (max_lengths or {}).items() if m in in_channels}
        if mode == 'auto':
            mode = fusion_mode(list(in_channels), lengths, aligned, anchor)
        self.mode = mode
        self.pool = list(pool)
        encoded = list(in_channels) if mode == 'time' else list(sizes)
        self.encoders = ModuleDict(
            {
                m: item_encoder(width, channels, sizes.get(m))
                if m in encoded
                else Identity()
                for m, width in in_channels.items()
            }
        )
        widths = {m: channels if m in encoded else n for m, n in in_channels.items()}
        self.out_channels = sum(widths.values())
        if mode == 'time':
            self.out_channels = channels
            self.modality_type = Parameter(torch.empty(len(in_channels), channels))
            self._draw_types()
        elif mode == 'pool':
            self.out_channels *= len(self.pool)
        elif mode == 'ctc':
            self.anchor = anchor or _shortest(list(in_channels), lengths)
            self.num_items = min(_anchor_length(self.anchor, lengths), max_anchor)
            self.aligners = ModuleDict(
                {
                    m: CTCAligner(
                        width,
                        self.num_items,
                        normalize=normalize,
                        ctc_input_length=ctc_input_length,
                    )
                    for m, width in widths.items()
                    if m != self.anchor
                }
            )

    def reset_parameters(self) -> None:
        """Resets all parameters."""
        for encoder in self.encoders.values():
            if not isinstance(encoder, Identity):
                encoder.reset_parameters()
        if self.mode == 'time':
            self._draw_types()
        elif self.mode == 'ctc':
            for aligner in self.aligners.values():
                aligner.reset_parameters()

    def forward(self, data: HeteroData) -> Fused:
        """Fuses the modalities of all samples."""
        items = {m: (f(data[m].x), ptr_of(data, m)) for m, f in self.encoders.items()}
        if self.mode == 'time':
            return self._in_time(items)
        if self.mode == 'pool':
            return self._pooled(items)
        return self._to_anchor(items) if self.mode == 'ctc' else _side_by_side(items)

    def extra_repr(self) -> str:
        """Mode and width."""
        return f"mode='{self.mode}', out_channels={self.out_channels}"

    def _in_time(self, items: Items) -> Fused:
        ptrs = torch.stack([ptr for _, ptr in items.values()])  # [M, B + 1]
        count = ptrs.diff().flatten()  # [M · B]
        sample = torch.arange(ptrs.size(1) - 1, device=ptrs.device).repeat(len(ptrs))
        typed = zip(items.values(), self.modality_type, strict=True)
        x = torch.cat([x + kind for (x, _), kind in typed])
        order = sample.repeat_interleave(count, output_size=len(x)).argsort(stable=True)
        return Fused(*pad(x[order], ptrs.sum(dim=0)), None)

    def _pooled(self, items: Items) -> Fused:
        out = []
        for x, mask in (pad(*pair) for pair in items.values()):
            there = mask.any(dim=1, keepdim=True)
            parts = [POOLS[how](x, mask) for how in self.pool]
            out += [part.masked_fill(~there, 0.0) for part in parts]
        return Fused(torch.cat(out, dim=-1), None, None)

    def _to_anchor(self, items: Items) -> Fused:
        x, mask = pad(*items[self.anchor], self.num_items)
        length = mask.sum(dim=1)
        loss, parts = x.new_zeros(len(x)), []
        for m in items:
            part = x
            if m != self.anchor:
                part, more = self.aligners[m].align(*pad(*items[m]), length)
                loss = loss + more
            parts.append(part)
        mask = mask | (length == 0).unsqueeze(1)
        fused = torch.cat(parts, dim=-1).masked_fill(~mask.unsqueeze(-1), 0.0)
        return Fused(fused, mask, loss)

    def _draw_types(self) -> None:
        torch.nn.init.normal_(self.modality_type, std=0.02)


def fusion_mode(
    modalities: Sequence[str],
    max_lengths: Mapping[str, int],
    aligned: bool = False,
    anchor: str | None = None,
) -> Literal['align', 'ctc', 'time']:
    """How modalities of some data are fused in mode ``auto``.

    Args:
        modalities: Their names.
        max_lengths: Number of items of the longest sample, by modality.
        aligned: Whether modalities of a sample have the same number of items, if any.
        anchor: Which modality others may be aligned to.

    Example:
        >>> fusion_mode(['text', 'audio'], {'text': 50, 'audio': 500}, anchor='text')
        'ctc'
    """
    if aligned or len(modalities) == 1:
        return 'align'
    known = all(m in max_lengths for m in modalities)
    if anchor is not None and known and max_lengths[anchor]:
        others = [max_lengths[m] for m in modalities if max_lengths[m]]
        if max_lengths[anchor] <= min(others):
            return 'ctc'
    return 'time'


def are_aligned(lengths: Tensor) -> Tensor:
    """Whether modalities of a sample have the same number of items, if any.

    Args:
        lengths: Number of items, ``[M, B]``; 0 where a sample lacks a modality.

    Example:
        >>> are_aligned(torch.tensor([[3, 0], [3, 2]]))
        tensor(True)
    """
    return ((lengths == 0) | (lengths == lengths.amax(dim=0))).all()


def _side_by_side(items: Items) -> Fused:
    lengths = torch.stack([ptr.diff() for _, ptr in items.values()])
    if not are_aligned(lengths):
        longest = {m: int(n.max()) for m, n in zip(items, lengths, strict=True)}
        raise InputError(
            "mode 'align' takes samples whose modalities have the same number of items "
            f"(got up to {longest} and samples that differ): use 'ctc' or 'time'"
        )
    size = max(1, int(lengths.max()))
    x, mask = zip(*(pad(*pair, size) for pair in items.values()), strict=True)
    return Fused(torch.cat(x, dim=-1), torch.stack(mask).any(dim=0), None)


def _check_names(
    mode: str, pool: Sequence[str], anchor: str | None, modalities: list[str]
) -> None:
    if mode not in get_args(Mode):
        raise InputError(f"'mode' is one of {get_args(Mode)} (got '{mode}')")
    if not pool or not set(pool) <= set(POOLS):
        raise InputError(f"'pool' is some of {tuple(POOLS)} (got {list(pool)})")
    if anchor is not None and anchor not in modalities:
        raise InputError(f"'anchor' is one of {modalities} (got '{anchor}')")


def _shortest(modalities: list[str], max_lengths: Mapping[str, int]) -> str:
    if missing := [m for m in modalities if m not in max_lengths]:
        raise InputError(
            f"mode 'ctc' without 'anchor' aligns to the shortest modality: "
            f"'max_lengths' says how long each is (nothing about '{missing[0]}')"
        )
    return min(modalities, key=lambda m: max_lengths[m] or float('inf'))


def _anchor_length(anchor: str, max_lengths: Mapping[str, int]) -> int:
    if max_lengths.get(anchor, 0) < 1:
        raise InputError(
            f"mode 'ctc' is made for a length of its anchor: 'max_lengths' says how "
            f"long '{anchor}' is, at least 1 (got {dict(max_lengths)})"
        )
    return max_lengths[anchor]
