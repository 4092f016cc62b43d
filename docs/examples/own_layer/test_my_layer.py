from hetero_mmer.testing import check_layer
from my_layer import CosineConv


def test_cosine_conv():
    check_layer(CosineConv)
