"""`docker run`, reached on this host alone and watched in the foreground."""

import pytest

from zoosup.importing.containers import stop_words, turned_inward
from zoosup.spec.engine.run import parse_run


def turned(text, inside=None):
    found = turned_inward(parse_run(text.split()), inside)
    return " ".join(found.words), found.said


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("docker run -p ${PORT}:8080 i", "docker run -p 127.0.0.1:${PORT}:8080 i"),
        ("docker run -p 0.0.0.0:9000:8080/tcp i", "docker run -p 127.0.0.1:${PORT}:8080 i"),
        ("docker run --publish=9000:80 i --port 80", "docker run -p 127.0.0.1:${PORT}:80 i --port 80"),
        ("docker run --network inner i --port 8000", "docker run -p 127.0.0.1:${PORT}:8000 i --port 8000"),
        ("docker run --network inner i --port=80", "docker run -p 127.0.0.1:${PORT}:80 i --port=80"),
        (
            "docker run --network container:swap i --port ${PORT}",
            "docker run -p 127.0.0.1:${PORT}:${PORT} i --port ${PORT}",
        ),
        ("docker run --network host i", "docker run --network host i"),
        (
            "sudo -n podman run -d --gpus all i --port 1",
            "sudo -n podman run --gpus all -p 127.0.0.1:${PORT}:1 i --port 1",
        ),
        ("docker run -p8080:8080 i", "docker run -p 127.0.0.1:${PORT}:8080 i"),
        ("docker run -dp 9000:80 i", "docker run -p 127.0.0.1:${PORT}:80 i"),
        ("docker run --detach=true -p 80:80 i", "docker run -p 127.0.0.1:${PORT}:80 i"),
        (
            "docker run --rm -ditP -- i --port 80",
            "docker run --rm --publish-all -p 127.0.0.1:${PORT}:80 -- i --port 80",
        ),
        (
            "docker run --stop-timeout 5 -p 80:80 i -p 1",
            "docker run --stop-timeout 5 -p 127.0.0.1:${PORT}:80 i -p 1",
        ),
        (
            "docker --context x container run -qe A=b -p 80:80 i",
            "docker --context x container run -qe A=b -p 127.0.0.1:${PORT}:80 i",
        ),
    ],
)
def test_a_run_is_bound_to_this_host(given, expected):
    assert expected == turned(given)[0]


def test_the_port_that_the_old_program_used_is_published():
    assert "docker run -p 127.0.0.1:${PORT}:8000 i" == turned("docker run --net inner i", 8000)[0]


def test_what_is_changed_is_said():
    _, said = turned("docker run -d -p 8080:8080 i")
    assert ["-d is taken out: zoosup watches the client in the foreground",
            "-p 8080:8080 is bound to 127.0.0.1:${PORT}:8080: this host alone"] == said  # fmt: skip
    assert ["-d -t is taken out: zoosup watches the client in the foreground"] == turned(
        "docker run -dt -p ${HOST}:${PORT}:8080 i"
    )[1]
    assert [] == turned("docker run -p 127.0.0.1:${PORT}:8080 i")[1]


def test_a_container_of_which_no_port_is_known_is_none_of_ours():
    assert turned_inward(parse_run(["docker", "run", "--net", "inner", "i"]), None) is None


@pytest.mark.parametrize(
    ("given", "kept", "said"),
    [
        ("docker stop x", "docker stop x", False),
        ("docker rm -f x", "docker stop x", True),
        ("docker --context x container rm -f x", "docker --context x stop x", True),
        ("pkill -f x", None, True),
        ("kill $${PID}", None, False),
        ("stopper $${PID}", None, True),
        ("/opt/halt it", "/opt/halt it", False),
    ],
)
def test_what_stops_it_is_kept_where_it_is_needed_and_harmless(given, kept, said):
    words, what = stop_words(given.split())
    assert (kept, said) == (None if words is None else " ".join(words), bool(what))
