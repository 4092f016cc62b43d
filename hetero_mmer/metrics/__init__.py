"""Multi-label metrics, decisions and their thresholds."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from hetero_mmer.metrics.average_precision import MeanAveragePrecision
    from hetero_mmer.metrics.collection import MultilabelMetrics, metric_collection
    from hetero_mmer.metrics.decision import decide
    from hetero_mmer.metrics.multilabel import multilabel_metrics
    from hetero_mmer.metrics.sample_mean import SampleMean
    from hetero_mmer.metrics.threshold import (
        Threshold,
        choose_threshold,
        tune_threshold,
        tune_thresholds_per_label,
    )
    from hetero_mmer.metrics.tuned import TunedMetrics
    from hetero_mmer.metrics.weighted_accuracy import WeightedAccuracy

#: Where each name lies; imported when it is asked for, since decisions and thresholds
#: need no torchmetrics, which takes a second.
_PLACES: Final = {
    'MeanAveragePrecision': 'average_precision',
    'MultilabelMetrics': 'collection',
    'SampleMean': 'sample_mean',
    'Threshold': 'threshold',
    'TunedMetrics': 'tuned',
    'WeightedAccuracy': 'weighted_accuracy',
    'choose_threshold': 'threshold',
    'decide': 'decision',
    'metric_collection': 'collection',
    'multilabel_metrics': 'multilabel',
    'tune_threshold': 'threshold',
    'tune_thresholds_per_label': 'threshold',
}

__all__ = [
    'MeanAveragePrecision',
    'MultilabelMetrics',
    'SampleMean',
    'Threshold',
    'TunedMetrics',
    'WeightedAccuracy',
    'choose_threshold',
    'decide',
    'metric_collection',
    'multilabel_metrics',
    'tune_threshold',
    'tune_thresholds_per_label',
]


def __getattr__(name: str) -> Any:
    if name in _PLACES:
        return getattr(importlib.import_module(f'{__name__}.{_PLACES[name]}'), name)
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
