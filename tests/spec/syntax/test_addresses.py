import pytest

from zoosup.spec.syntax.addresses import join_address, split_address


@pytest.mark.parametrize(
    ("text", "address"),
    [("127.0.0.1:8081", ("127.0.0.1", 8081)), ("[::1]:80", ("::1", 80)), ("localhost:0", ("localhost", 0))],
)
def test_an_address_is_cut_into_host_and_port_and_joined_again(text, address):
    assert address == split_address(text)
    assert text == join_address(*address)


def test_a_host_without_a_port_is_the_host_alone():
    assert ("box", "[::1]") == (join_address("box", None), join_address("::1", None))
