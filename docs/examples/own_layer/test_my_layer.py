from my_layer import CosineConv

from hetero_mmer.testing import check_layer


def test_cosine_conv():
    check_layer(CosineConv)
