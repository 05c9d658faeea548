import pytest

from zoosup.spec.engine.refusal import refusal


@pytest.mark.parametrize(
    ("command", "what", "instead"),
    [
        ("docker run -d x", "starts its container detached (-d)", "docker run without -d"),
        ("sudo -n podman run -itd --rm x", "detached", "podman run without -d"),
        ("docker container run --detach=true x", "detached", "docker run without -d"),
        ("docker run --restart always x", "--restart always: docker would start it again", "restart.policy"),
        ("nerdctl run --restart=on-failure:3 x", "--restart on-failure:3: nerdctl would", "no --restart"),
        ("podman run --restart unless-stopped x", "--restart unless-stopped", "no --restart"),
        ("docker run --cidfile= x", "an empty --cidfile: docker would write no file", "zoosup adds its own"),
        ("podman run --cidfile /a --cidfile= x", "an empty --cidfile", "or one with a path"),
    ],
)
def test_what_takes_a_container_out_of_its_hands_is_refused(command, what, instead):
    said, expected = refusal(command.split())
    assert what in said
    assert instead in expected


@pytest.mark.parametrize(
    "command",
    ["docker run --rm x", "docker run --restart no x", "docker run --restart= x", "docker run --detach=false x",
     "docker run x -d", "docker run x --restart always", "serve -d", "docker compose up -d"],
)  # fmt: skip
def test_everything_else_is_not(command):
    assert refusal(command.split()) is None
