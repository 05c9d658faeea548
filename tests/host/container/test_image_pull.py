"""A pull's sums, an image's name, a registry's credentials."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from zoosup.host.container.engine import EngineRefusedError, PullProgress
from zoosup.host.container.image_pull import LayerSums, credentials, reference


def loading(layer: str, current: int, total: int) -> dict[str, Any]:
    return {"id": layer, "status": "Downloading", "progressDetail": {"current": current, "total": total}}


def test_layers_are_summed() -> None:
    sums = LayerSums()
    assert sums.take({"id": "latest", "status": "Pulling from zoo"}) == PullProgress(
        0, 0, "latest: Pulling from zoo"
    )
    assert sums.take(loading("a", 10, 100)) == PullProgress(10, 100, "a: Downloading")
    assert sums.take(loading("b", 5, 50)).total == 150
    assert sums.take({"id": "a", "status": "Download complete", "progressDetail": {}}).done == 105
    extracting = {"id": "a", "status": "Extracting", "progressDetail": {"current": 1, "total": 100}}
    assert sums.take(extracting).done == 105, "its bytes are here, however far it is unpacked"
    assert sums.take({"id": "c", "status": "Already exists"}) == PullProgress(105, 150, "c: Already exists")
    assert sums.take({"stream": "Copying blob\n"}).message == "Copying blob"
    assert sums.take({"status": "Digest: sha256:00"}).message == "Digest: sha256:00"
    assert sums.take({"id": "a"}) == PullProgress(105, 150, "")


@pytest.mark.parametrize(
    "status", ["Download complete", "Verifying Checksum", "Extracting", "Pull complete", "Already exists"]
)
def test_a_layer_that_is_here_counts_whole(status: str) -> None:
    sums = LayerSums()
    sums.take(loading("a", 10, 100))
    assert sums.take({"id": "a", "status": "Waiting"}).done == 10
    assert sums.take({"id": "a", "status": status}) == PullProgress(100, 100, f"a: {status}")


@pytest.mark.parametrize(
    ("detail", "done", "total"),
    [
        ({"current": 7, "total": 0}, 0, 0),
        ({"current": 7}, 0, 0),
        ({"current": 1, "total": 1}, 1, 1),
        ({"total": 100}, 0, 100),
        ({"current": 120, "total": 100}, 100, 100),
        (None, 0, 0),
    ],
)
def test_a_layer_is_as_large_as_is_said_and_no_more_of_it_here(
    detail: dict[str, int] | None, done: int, total: int
) -> None:
    said = LayerSums().take({"id": "a", "status": "Downloading", "progressDetail": detail})
    assert (said.done, said.total) == (done, total)


@pytest.mark.parametrize(
    "report",
    [
        {"error": "denied"},
        {"errorDetail": {"message": "denied"}},
        {"error": "x", "errorDetail": {"message": "denied"}},
    ],
)
def test_a_failure_has_its_words(report: dict[str, Any]) -> None:
    with pytest.raises(EngineRefusedError, match=r"\Adenied\Z") as refused:
        LayerSums().take(report)
    assert refused.value.status == 500


@pytest.mark.parametrize(
    ("image", "wanted"),
    [
        ("busybox", {"fromImage": "busybox", "tag": "latest"}),
        ("ghcr.io/a/b:1.2", {"fromImage": "ghcr.io/a/b", "tag": "1.2"}),
        ("box:5000/a", {"fromImage": "box:5000/a", "tag": "latest"}),
        ("a/b@sha256:00", {"fromImage": "a/b@sha256:00"}),
        ("a/b:1@sha256:00", {"fromImage": "a/b:1@sha256:00"}),
    ],
)
def test_how_an_image_is_named(image: str, wanted: dict[str, str]) -> None:
    assert reference(image) == wanted


def words_of(header: dict[str, str]) -> dict[str, str]:
    found: dict[str, str] = json.loads(base64.urlsafe_b64decode(header["X-Registry-Auth"]))
    return found


def test_credentials_are_those_of_the_images_registry(tmp_path: Path) -> None:
    (tmp_path / ".docker").mkdir()
    (tmp_path / "run/containers").mkdir(parents=True)
    environ = {"HOME": str(tmp_path), "XDG_RUNTIME_DIR": f"{tmp_path}/run"}
    assert credentials("ghcr.io/a/b", environ) == {}
    auth = {"auth": base64.b64encode(b"zoe:a:b").decode()}
    (tmp_path / ".docker/config.json").write_text(
        json.dumps({"auths": {"https://index.docker.io/v1/": auth, "box:5000": {"identitytoken": "t"}}})
    )
    (tmp_path / "run/containers/auth.json").write_text(json.dumps({"auths": {"ghcr.io": auth}}))

    assert words_of(credentials("ghcr.io/a/b", environ))["username"] == "zoe"
    assert words_of(credentials("a/b", environ))["password"] == "a:b"
    assert words_of(credentials("busybox", environ))["serveraddress"] == "https://index.docker.io/v1/"
    assert words_of(credentials("box:5000/a", environ))["identitytoken"] == "t"
    assert credentials("quay.io/a/b", environ) == {}


AUTH = {"auth": base64.b64encode(b"zoe:pw").decode()}


@pytest.mark.parametrize(
    ("image", "keys", "server"),
    [
        ("busybox", ["docker.io", "index.docker.io"], "index.docker.io"),
        ("a/b", ["docker.io"], "docker.io"),
        ("docker.io/a/b", ["https://index.docker.io/v1/"], "https://index.docker.io/v1/"),
        ("localhost/a", ["localhost"], "localhost"),
        ("box:5000/a", ["https://box:5000"], "https://box:5000"),
        ("ghcr.io/a", ["https://ghcr.io", "ghcr.io"], "ghcr.io"),
        ("box.com", ["box.com"], None),
        ("ghcr.io/a", ["docker.io"], None),
    ],
)
def test_a_registry_is_known_by_the_names_that_clients_write(
    tmp_path: Path, image: str, keys: list[str], server: str | None
) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"auths": dict.fromkeys(keys, AUTH)}))
    found = credentials(image, {"DOCKER_CONFIG": str(tmp_path)})
    wanted = {"username": "zoe", "password": "pw", "serveraddress": server}
    assert (words_of(found) if found else {}) == (wanted if server else {})


def test_a_token_has_no_name_beside_it(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"auths": {"ghcr.io": AUTH | {"identitytoken": "t"}}}))
    found = words_of(credentials("ghcr.io/a", {"DOCKER_CONFIG": str(tmp_path)}))
    assert found == {"identitytoken": "t", "serveraddress": "ghcr.io"}


def test_the_file_that_the_environment_names_goes_before_dockers_and_that_before_podmans(
    tmp_path: Path,
) -> None:
    files = ["named.json", "docker/config.json", "home/.docker/config.json", "run/containers/auth.json"]
    for path in files:
        auth = {"auth": base64.b64encode(f"{path}:pw".encode()).decode()}
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(json.dumps({"auths": {"ghcr.io": auth}}))
    environ = {
        "REGISTRY_AUTH_FILE": f"{tmp_path}/named.json",
        "DOCKER_CONFIG": f"{tmp_path}/docker",
        "HOME": f"{tmp_path}/home",
        "XDG_RUNTIME_DIR": f"{tmp_path}/run",
    }
    for path in files:
        assert words_of(credentials("ghcr.io/a", environ))["username"] == path
        del environ[next(iter(environ))]
    assert credentials("ghcr.io/a", environ) == {}


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"auths": {"ghcr.io": {"auth": "!"}}}', '{"auths": 3}', '{"auths": {"ghcr.io": 3}}']
)
def test_a_file_that_cannot_be_read_has_no_credentials(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text)
    assert credentials("ghcr.io/a/b", {"DOCKER_CONFIG": str(tmp_path)}) == {}
