"""Multi-label metrics and decision thresholds."""

from __future__ import annotations

from hetero_mmer.metrics.multilabel import MultilabelMetrics, multilabel_metrics
from hetero_mmer.metrics.threshold import (
    Threshold,
    choose_threshold,
    tune_threshold,
    tune_thresholds_per_label,
)

__all__ = [
    'MultilabelMetrics',
    'Threshold',
    'choose_threshold',
    'multilabel_metrics',
    'tune_threshold',
    'tune_thresholds_per_label',
]
