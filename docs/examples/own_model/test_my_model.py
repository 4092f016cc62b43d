from my_model import LabelPooling

from hetero_mmer.testing import check_model


def test_label_pooling():
    check_model(LabelPooling)
