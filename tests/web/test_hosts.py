"""The names by which a server may be called."""

import pytest

from zoosup.web.hosts import host_allowed, same_origin


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.0.0.1:8081",
        "192.168.1.7:8081",
        "[::1]:8081",
        "[fe80::1%25eth0]:8081",
        "localhost",
        "LOCALHOST:8081",
        "localhost.",
        "zoo.localhost:1",
        "gpu-box.lan:8081",
        "tower",
        "tower.home.arpa",
        "tower.local",
    ],
)
def test_a_host_that_no_stranger_can_name_is_allowed(host):
    assert host_allowed(host, "gpu-box.lan", "tower.home.arpa")


@pytest.mark.parametrize(
    "host",
    [
        "",
        ":8081",
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "evillocalhost",
        "tower.evil.example",
        "evil.example#127.0.0.1",
        "evil.example@",
        "[::1",
        "1.2.3",
        "a b",
    ],
)
def test_a_host_that_a_stranger_can_name_is_refused(host):
    assert not host_allowed(host, "gpu-box.lan", "tower.home.arpa")


def test_a_listen_address_of_all_interfaces_allows_no_name():
    assert not host_allowed("evil.example", "0.0.0.0", "tower")
    assert host_allowed("0.0.0.0:8081", "0.0.0.0", "tower")


def test_an_origin_is_the_same_only_to_the_last_character():
    assert same_origin("http://localhost:8081", "localhost:8081")
    assert not same_origin("http://localhost:3000", "localhost:8081")
    assert not same_origin("null", "localhost:8081")
    assert not same_origin("http://", "")
