import numpy as np

from asr.support.indices import narrow


def test_indices_take_4_bytes_where_these_suffice():
    for largest, kind in [(0, np.uint32), (2**32 - 1, np.uint32), (2**32, np.int64)]:
        found = narrow(np.array([0, largest]))
        assert found.dtype == kind and found.tolist() == [0, largest]
    assert narrow(np.zeros(0, np.int64)).tolist() == []
