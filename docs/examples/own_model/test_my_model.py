from hetero_mmer.testing import check_model
from my_model import LabelPooling


def test_label_pooling():
    check_model(LabelPooling)
