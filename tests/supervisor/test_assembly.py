"""What clients may have of the descriptors that there are."""

import pytest

from zoosup.supervisor.assembly import Shares, connection_shares


@pytest.mark.parametrize("descriptors", [64, 256, 300, 1024, 4096, 65536, 1 << 20])
def test_clients_leave_descriptors_for_work(descriptors):
    shares = connection_shares(descriptors)
    assert 2 * shares.gateway + 2 * shares.status <= descriptors - min(512, descriptors // 3)
    assert min(shares.gateway, shares.status) > 0


def test_where_there_are_many_the_usual_bounds_hold():
    assert Shares(4096, 512) == connection_shares(1 << 20)
