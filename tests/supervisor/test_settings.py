"""The daemon's own settings: who goes before whom, and what a wrong one is told."""

from pathlib import Path

import pytest

from zoosup.errors import UsageError
from zoosup.supervisor.settings import Settings, load, unknown_variables, usual_places


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch, tmp_path):
    for name in Settings.model_fields:
        monkeypatch.delenv(f"ZOOSUP_{name.upper()}", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)


def test_the_command_line_goes_before_the_environment_and_that_before_the_default(monkeypatch):
    assert "info" == load().log_level
    monkeypatch.setenv("ZOOSUP_LOG_LEVEL", "debug")
    assert "debug" == load().log_level
    assert "error" == load(log_level="error").log_level
    assert "debug" == load(log_level=None).log_level


def test_an_empty_variable_is_none(monkeypatch):
    monkeypatch.setenv("ZOOSUP_INSTANCE", "")
    assert "default" == load().instance


@pytest.mark.parametrize(
    ("setting", "expected"),
    [(None, "127.0.0.1:8081"), ("none", None), ("[::1]:0", "[::1]:0"), ("0.0.0.0:9000", "0.0.0.0:9000")],
)
def test_the_file_decides_where_to_listen_unless_a_setting_does(setting, expected):
    assert expected == load(status_listen=setting).listen("127.0.0.1:8081")


def test_the_file_can_switch_the_status_server_off():
    assert None is load().listen(None)
    assert "127.0.0.1:1" == load(status_listen="127.0.0.1:1").listen(None)


@pytest.mark.parametrize(
    "value", ["8081", "host", "host:", "host:65536", "::1:80", "a b:1", "127.0.0.1:80\n"]
)
def test_an_address_that_is_none_is_refused(value):
    with pytest.raises(UsageError, match=r"--status-listen: got .*, expected HOST:PORT"):
        load(status_listen=value)


@pytest.mark.parametrize("name", ["../x", "a/b", ".hidden", "", "x" * 65, "a b"])
def test_an_instance_that_would_leave_its_directory_is_refused(name):
    with pytest.raises(UsageError, match="--instance"):
        load(instance=name)


def test_every_wrong_setting_is_named_by_the_way_it_came(monkeypatch):
    monkeypatch.setenv("ZOOSUP_LOG_FORMAT", "xml")
    with pytest.raises(UsageError) as raised:
        load(log_level="loud")
    assert [
        "--log-level: got 'loud', expected debug, info, warning or error",
        "ZOOSUP_LOG_FORMAT: got 'xml', expected text or json",
    ] == str(raised.value).splitlines()


def test_the_state_directory_follows_the_instance_unless_it_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "xdg"))
    assert tmp_path / "xdg/zoosup/default" == load().state_directory
    assert tmp_path / "xdg/zoosup/two" == load(instance="two").state_directory
    assert Path("/s") == load(instance="two", state_dir="/s").state_directory
    assert Path("/s/control.sock") == load(state_dir="/s").control_socket


def test_a_file_that_was_named_is_not_looked_for():
    assert Path("/nowhere/zoo.yaml") == load(file="/nowhere/zoo.yaml").zoo_file()


def test_no_file_anywhere_lists_what_was_tried(tmp_path):
    with pytest.raises(UsageError) as raised:
        load().zoo_file()
    for place in ("zoo.yaml", f"{tmp_path}/.config/zoosup/zoo.yaml", "/etc/zoosup/zoo.yaml", "ZOOSUP_FILE"):
        assert place in str(raised.value)


def test_a_relative_xdg_directory_is_ignored_as_the_specification_says():
    assert Path("/h/.config/zoosup/zoo.yaml") == list(usual_places({"XDG_CONFIG_HOME": "x", "HOME": "/h"}))[1]


def test_variables_that_mean_nothing_are_told_with_a_guess():
    environ = {
        "ZOOSUP_LOGLEVEL": "x",
        "ZOOSUP_RUN_ID": "r",
        "ZOOSUP_FILE": "f",
        "ZOOSUP_Q": "",
        "HOME": "/",
    }
    assert [
        "ZOOSUP_LOGLEVEL is no setting of zoosup; did you mean ZOOSUP_LOG_LEVEL?",
        "ZOOSUP_Q is no setting of zoosup",
    ] == unknown_variables(environ)


@pytest.mark.parametrize("value", ["a" * 201, "a\nb"])
def test_a_revision_is_a_short_line(monkeypatch, value):
    monkeypatch.setenv("ZOOSUP_REVISION", "v1.2-3-gabc")
    assert "v1.2-3-gabc" == load().revision
    monkeypatch.setenv("ZOOSUP_REVISION", value)
    with pytest.raises(UsageError, match=r"ZOOSUP_REVISION: got .*expected at most 200 printable characters"):
        load()
