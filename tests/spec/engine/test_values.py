import pytest

from zoosup.spec.engine.values import Publish, Volume, mount, published, tmpfs, volume

PORTS = {
    "8080": [Publish("", "", "8080")],
    "8080:80": [Publish("", "8080", "80")],
    "127.0.0.1:8080:80": [Publish("127.0.0.1", "8080", "80")],
    "127.0.0.1::80": [Publish("127.0.0.1", "", "80")],
    "127.0.0.1:${PORT}:80/tcp": [Publish("127.0.0.1", "${PORT}", "80")],
    "[::1]:8080:80": [Publish("::1", "8080", "80")],
    "::1:8080:80": [Publish("::1", "8080", "80")],
    "53:53/udp": [Publish("", "53", "53", "udp")],
    "80:80,443:443": [Publish("", "80", "80"), Publish("", "443", "443")],
    "target=80,published=8080": [Publish("", "8080", "80")],
    "target=80,published=127.0.0.1:8080,protocol=udp": [Publish("127.0.0.1", "8080", "80", "udp")],
    "8000-8001:80-81": [Publish("", "8000-8001", "80-81")],
    "": [Publish("", "", "")],
}
VOLUMES = {
    "/srv/models:/models": (Volume("/srv/models", "/models"), True),
    "/srv/models:/models:ro,z": (Volume("/srv/models", "/models", ("ro", "z")), True),
    "./m:/models": (Volume("./m", "/models"), True),
    "cache:/root/.cache": (Volume("cache", "/root/.cache"), False),
    "/data": (Volume("", "/data"), False),
    "~/m:/models": (Volume("~/m", "/models"), False),
}
MOUNTS = {
    "type=bind,source=/srv,target=/m,readonly": (Volume("/srv", "/m", ("readonly",)), True),
    "type=bind,src=/srv,dst=/m": (Volume("/srv", "/m"), True),
    "destination=/m,ro=true,type=bind,source=./srv": (Volume("./srv", "/m", ("ro=true",)), True),
    "source=cache,target=/m": (Volume("cache", "/m"), False),
    "type=tmpfs,target=/m": (Volume("", "/m"), False),
    "type=glob,src=/srv/*,target=/m": (Volume("", "/m"), False),
    "": (Volume("", "", ("",)), False),
}


@pytest.mark.parametrize("text", PORTS)
def test_ports_are_read(text):
    assert PORTS[text] == list(published(text))


@pytest.mark.parametrize("text", VOLUMES)
def test_volumes_are_read(text):
    found = volume(text)
    assert VOLUMES[text] == (found, found.is_bind)


@pytest.mark.parametrize("text", MOUNTS)
def test_mounts_are_read(text):
    found = mount(text)
    assert MOUNTS[text] == (found, found.is_bind)


def test_a_tmpfs_hides_what_lies_below():
    assert Volume("", "/m", ("size=1g",)) == tmpfs("/m:size=1g")
    assert Volume("", "/m", ("size=1g", "mode=700")) == tmpfs("/m:size=1g,mode=700")
    assert Volume("", "/m", ()) == tmpfs("/m")
