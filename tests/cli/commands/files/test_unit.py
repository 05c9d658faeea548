import asyncio
import os
import plistlib
import pwd
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from zoosup.cli.commands.files.unit import text
from zoosup.cli.units.launchd import launchd_plist
from zoosup.cli.units.service import SYSTEM_PATH, Service, search_path
from zoosup.cli.units.systemd import systemd_socket, systemd_unit
from zoosup.errors import UsageError

# looptime asks for the loop in tests that have none, and asyncio would make one that nobody closes
asyncio.set_event_loop(None)

ANALYZE = shutil.which("systemd-analyze")
AWKWARD = 'a b%h$HOME;#{x}<<name>>"\\é'
SERVICE = Service(
    command=("/opt/zoosup/bin/zoosup",),
    file=Path("/etc/zoosup/zoo.yaml"),
    home=Path("/home/alice"),
    user="alice",
    search_path="/opt/llama/bin:/usr/bin:/bin",
)
OWN = replace(SERVICE, user=None, file=Path("/home/alice/zoo.yaml"))


def settings(unit: str) -> dict[tuple[str, str], list[str]]:
    """Every setting by section and key; a key may stand more than once."""
    section, found = "", dict[tuple[str, str], list[str]]()
    for line in unit.splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif line and not line.startswith("#"):
            key, equals, value = line.partition("=")
            assert equals, f"no setting: {line!r}"
            found.setdefault((section, key), []).append(value)
    return found


def setting(unit: str, key: str, section: str = "Service") -> str | None:
    values = settings(unit).get((section, key), [])
    assert len(values) <= 1, f"{key} is set more than once"
    return values[0] if values else None


def words(value: str, specifiers: dict[str, str], *, expand: bool) -> list[str]:
    """A command line as systemd reads it: systemd.syntax(7), then the specifiers, then the variables."""
    read = []
    for quoted, plain in re.findall(r'"((?:[^"\\]|\\.)*)"|(\S+)', value):
        word = re.sub(r"\\(.)", r"\1", quoted) if quoted else plain
        word = re.sub(r"%(.)", lambda match: specifiers[match[1]], word)
        if expand and read:
            assert not re.search(r"(?<!\$)(\$\$)*\$(?!\$)", word), f"a variable would be put into {word!r}"
            word = word.replace("$$", "$")
        read.append(word)
    return read


def command(unit: str, key: str = "ExecStart", state: str = "/var/lib") -> list[str]:
    return words(setting(unit, key), {"%": "%", "S": state}, expand=True)


@pytest.mark.parametrize("service", [SERVICE, OWN], ids=["system", "user"])
@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("Type", "notify"),
        ("NotifyAccess", "main"),
        ("KillMode", "process"),
        ("OOMPolicy", "continue"),
        ("Restart", "always"),
        ("RestartPreventExitStatus", "64 78"),
        ("WatchdogSec", "30s"),
        ("TasksMax", "infinity"),
        ("LimitCORE", "0"),
        ("LimitMEMLOCK", "infinity"),
    ],
)
def test_each_trap_of_systemd_is_avoided_in_both_kinds_of_unit(service, key, expected):
    assert expected == setting(systemd_unit(service), key)


@pytest.mark.parametrize("service", [SERVICE, OWN], ids=["system", "user"])
def test_systemd_never_gives_up_starting_it(service):
    assert setting(systemd_unit(service), "StartLimitIntervalSec", "Unit") == "0"


@pytest.mark.parametrize("service", [SERVICE, OWN], ids=["system", "user"])
@pytest.mark.parametrize(
    "breaks_models",
    [
        "NoNewPrivileges", "PrivateDevices", "PrivateTmp", "PrivateNetwork", "ProtectHome", "RestrictSUIDSGID",
        "MemoryDenyWriteExecute", "SystemCallFilter", "DynamicUser", "ProtectKernelModules", "MemoryMax",
        "Delegate", "ExecStopPost", "ExecStop", "RemainAfterExit", "PIDFile",
    ],
)  # fmt: skip
def test_nothing_is_set_that_breaks_models_or_their_end(service, breaks_models):
    assert setting(systemd_unit(service), breaks_models) is None


def test_a_system_unit_runs_as_its_user_with_a_private_state_directory_that_systemd_makes():
    unit = systemd_unit(SERVICE)

    expected = [
        "/opt/zoosup/bin/zoosup", "run", "--state-dir", "/var/lib/zoosup", "--wait-for-file", "/etc/zoosup/zoo.yaml",
    ]  # fmt: skip
    assert expected == command(unit)
    assert setting(unit, "User") == "alice"
    assert setting(unit, "StateDirectory") == "zoosup"
    assert setting(unit, "StateDirectoryMode") == "0700"
    assert setting(unit, "OOMScoreAdjust") == "-500"
    assert setting(unit, "WantedBy", "Install") == "multi-user.target"


def test_a_user_unit_keeps_its_state_where_the_command_line_looks_and_asks_for_nothing_that_needs_root():
    unit = systemd_unit(OWN)

    assert ["/opt/zoosup/bin/zoosup", "run", "--wait-for-file", "/home/alice/zoo.yaml"] == command(unit)
    assert setting(unit, "WantedBy", "Install") == "default.target"
    for key in ("User", "StateDirectory", "OOMScoreAdjust", "ProtectSystem"):
        assert setting(unit, key) is None
    # they are no units of a user's manager
    assert setting(unit, "After", "Unit") is None


def test_a_reload_goes_to_the_same_supervisor_and_waits_for_its_answer():
    unit = systemd_unit(replace(SERVICE, instance="gpu1"))

    state = ["--instance", "gpu1", "--state-dir", "/var/lib/zoosup-gpu1"]
    assert ["/opt/zoosup/bin/zoosup", "reload", *state] == command(unit, "ExecReload")


def test_instances_share_neither_state_nor_name():
    unit = systemd_unit(replace(SERVICE, instance="gpu1"))

    assert setting(unit, "StateDirectory") == "zoosup-gpu1"
    assert command(unit)[2:6] == ["--instance", "gpu1", "--state-dir", "/var/lib/zoosup-gpu1"]
    assert plistlib.loads(launchd_plist(replace(OWN, instance="gpu1")).encode())["Label"] == "zoosup-gpu1"


@pytest.mark.parametrize("service", [SERVICE, OWN], ids=["system", "user"])
def test_a_state_directory_that_was_named_is_used_as_it_is(service):
    named = replace(service, state_dir=Path("/srv/zoo state/100%"))

    assert command(systemd_unit(named))[2:4] == ["--state-dir", "/srv/zoo state/100%"]
    assert "--state-dir '/srv/zoo state/100%' status" in systemd_unit(named)


def test_every_character_of_a_path_survives_systemds_reading():
    place = Path("/srv") / AWKWARD
    service = replace(
        SERVICE,
        command=("/opt/a b%h$HOME/python", "-P", "-m", "zoosup"),
        file=place / "zoo.yaml",
        search_path=f"/usr/bin:{place}",
    )
    unit = systemd_unit(service)

    assert command(unit)[:4] == ["/opt/a b%h$HOME/python", "-P", "-m", "zoosup"]
    assert command(unit)[-1] == str(place / "zoo.yaml")
    [variable] = words(setting(unit, "Environment"), {"%": "%"}, expand=False)
    assert variable == f"PATH=/usr/bin:{place}"
    assert setting(unit, "WorkingDirectory") == "-" + str(place).replace("%", "%%")


@pytest.mark.parametrize("kind", ["systemd", "launchd"])
@pytest.mark.parametrize("part", ["\n", "\0", "\x1b", "\udcff", "\u2028"])
def test_a_path_that_is_no_text_is_refused(kind, part):
    with pytest.raises(UsageError, match="can't stand in a unit"):
        text(kind, replace(SERVICE, file=Path(f"/srv/a{part}b/zoo.yaml")))


@pytest.mark.parametrize("directory", ["/srv/ends in blank ", "/srv/ends in backslash\\"])
def test_a_directory_whose_end_systemd_would_not_see_is_refused(directory):
    with pytest.raises(UsageError, match="can't stand in a unit"):
        systemd_unit(replace(SERVICE, file=Path(directory) / "zoo.yaml"))


def test_a_program_that_systemd_would_not_run_is_refused():
    with pytest.raises(UsageError, match="systemd runs no program"):
        systemd_unit(replace(SERVICE, command=('/opt/"zoosup"',)))


@pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not installed")
@pytest.mark.parametrize("user", ["root", None], ids=["system", "user"])
def test_systemd_finds_nothing_to_complain_about(user, tmp_path):
    """Also with a blank, a percent sign and a dollar sign in every path: verify looks whether programs exist."""
    place = tmp_path / "a b%h$HOME"
    place.mkdir()
    program = place / "zoosup"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    service = replace(
        SERVICE, command=(str(program),), file=place / "zoo.yaml", user=user, search_path=f"/bin:{place}"
    )
    unit = tmp_path / "zoosup.service"
    unit.write_text(systemd_unit(service))
    runtime = tmp_path / "run"
    runtime.mkdir(mode=0o700)

    verified = subprocess.run(
        [ANALYZE, *([] if user else ["--user"]), "verify", "--man=no", str(unit)],
        env=os.environ | {"XDG_RUNTIME_DIR": str(runtime)},
        capture_output=True,
        text=True,
        check=False,
    )

    ours = [line for line in verified.stderr.splitlines() if "zoosup" in line]
    assert (0, []) == (verified.returncode, ours), verified.stderr


@pytest.mark.parametrize("service", [SERVICE, OWN], ids=["daemon", "agent"])
def test_launchd_keeps_it_running_and_its_models_alive(service):
    job = plistlib.loads(launchd_plist(service).encode())

    assert job["KeepAlive"] is True
    assert job["RunAtLoad"] is True
    assert job["AbandonProcessGroup"] is True
    assert job["ExitTimeOut"] == 300
    assert job["ProcessType"] == "Interactive"
    assert job["SoftResourceLimits"] == {"NumberOfFiles": 65536}
    assert job["EnvironmentVariables"] == {"PATH": "/opt/llama/bin:/usr/bin:/bin", "HOME": "/home/alice"}
    assert job["StandardOutPath"] == job["StandardErrorPath"] == "/home/alice/Library/Logs/zoosup.log"


def test_a_daemon_runs_as_its_user_and_an_agent_names_none():
    daemon, agent = (plistlib.loads(launchd_plist(service).encode()) for service in (SERVICE, OWN))

    assert daemon["UserName"] == "alice"
    assert "UserName" not in agent


def test_every_character_of_a_path_survives_launchds_reading():
    place = Path("/srv/--><&") / AWKWARD
    service = replace(OWN, file=place / "zoo.yaml", home=place, state_dir=place / "state", instance="a--b")

    job = plistlib.loads(launchd_plist(service).encode())

    expected = [
        "/opt/zoosup/bin/zoosup", "run", "--instance", "a--b", "--state-dir", str(place / "state"),
        "--wait-for-file", str(place / "zoo.yaml"),
    ]  # fmt: skip
    assert expected == job["ProgramArguments"]
    assert job["WorkingDirectory"] == str(place)


@pytest.mark.parametrize("service", [SERVICE, OWN], ids=["system", "user"])
@pytest.mark.parametrize("kind", ["systemd", "launchd"])
def test_no_slot_is_left_open_and_every_line_fits_a_terminal(kind, service):
    made = text(kind, service)

    assert "<<" not in made
    assert [] == [line for line in made.splitlines() if len(line) > 120]


async def test_the_command_prints_a_unit_for_the_program_the_file_and_the_path_it_was_called_with(shell):
    (shell.home / "zoo.yaml").touch()
    shell.env = {"ZOOSUP_STATE_DIR": ""}
    ended = await shell("unit", "systemd", "--user", "zoo.yaml")

    assert (0, "") == (ended.code, ended.err)
    program = str(Path(sys.executable).parent / "zoosup")
    assert [program, "run", "--wait-for-file", str(shell.home / "zoo.yaml")] == command(ended.out)
    assert str(Path(shutil.which("sh")).parent) in setting(ended.out, "Environment").split(":")


def test_the_path_of_a_service_is_that_of_whoever_asks_less_what_is_theirs_alone(tmp_path):
    alice, root, venv = tmp_path / "alice", tmp_path / "root", tmp_path / "venv/bin"
    for each in (alice / ".local/bin", root / "bin", venv, tmp_path / "opt/llama"):
        each.mkdir(parents=True)
    asked = f"{venv}:{root}/bin:{tmp_path}/opt/llama:{tmp_path}/missing:.::{tmp_path}/opt/llama:/usr/bin"

    expected = [f"{tmp_path}/opt/llama", "/usr/bin", f"{alice}/.local/bin"]
    expected += [each for each in SYSTEM_PATH if each != "/usr/bin"]
    assert expected == search_path(asked, home=alice, others=[root], left_out=[venv]).split(":")


def test_the_home_of_whoever_asks_stays_on_the_path_of_their_own_service(tmp_path):
    place = tmp_path / "bin"
    place.mkdir()

    assert str(place) == search_path(str(place), home=tmp_path, others=[tmp_path]).split(":")[0]


def test_a_restart_leaves_the_models_alone():
    assert setting(systemd_unit(SERVICE), "RestartKillSignal") == "SIGQUIT"
    assert setting(systemd_unit(SERVICE), "KillSignal") is None


def test_a_socket_unit_listens_on_each_address_of_a_name():
    unit = systemd_socket(SERVICE, "::1", 8080)
    assert ["[::1]:8080"] == settings(unit)["Socket", "ListenStream"]
    assert setting(unit, "BindIPv6Only", "Socket") == "ipv6-only"
    unit = systemd_socket(OWN, "localhost", 8080)
    assert "127.0.0.1:8080" in settings(unit)["Socket", "ListenStream"]


@pytest.mark.parametrize(
    ("gateway", "told"),
    [
        ("false", "has no gateway; expected gateway.listen"),
        ('{listen: "127.0.0.1:0"}', "another port each time; expected one that stays"),
        ('{listen: "no.such.host.invalid:8080", open: true}', "gateway.listen no.such.host.invalid:8080: "),
    ],
)
async def test_a_socket_unit_needs_an_address_that_stays(shell, gateway, told):
    (shell.home / "zoo.yaml").write_text(f"active: []\nmodels: {{}}\ngateway: {gateway}\n")
    ended = await shell("unit", "systemd-socket", "zoo.yaml")

    assert (64, "") == (ended.code, ended.out)
    assert told in ended.err


async def test_a_socket_unit_listens_where_the_file_has_the_gateway(shell):
    (shell.home / "zoo.yaml").write_text('active: []\nmodels: {}\ngateway: {listen: "127.0.0.1:8123"}\n')
    ended = await shell("unit", "systemd-socket", "zoo.yaml")

    assert (0, "") == (ended.code, ended.err)
    assert ["127.0.0.1:8123"] == settings(ended.out)["Socket", "ListenStream"]


async def test_a_state_directory_that_only_the_shell_knows_is_written_into_the_unit(shell):
    (shell.home / "zoo.yaml").touch()
    shell.env = {"ZOOSUP_STATE_DIR": "", "XDG_STATE_HOME": "/srv/state"}
    ended = await shell("unit", "systemd", "--user", "zoo.yaml")

    assert command(ended.out)[2:4] == ["--state-dir", "/srv/state/zoosup/default"]


async def test_without_a_kind_it_is_that_of_this_host(shell):
    (shell.home / "zoo.yaml").touch()
    assert ("<plist" if sys.platform == "darwin" else "[Service]") in (await shell("unit")).out


async def test_the_command_names_who_asks_unless_told_otherwise(shell):
    (shell.home / "zoo.yaml").touch()
    mine = await shell("unit", "launchd", "zoo.yaml")
    roots = await shell("unit", "launchd", "zoo.yaml", "--as", "root")

    assert plistlib.loads(mine.out.encode())["UserName"] == pwd.getpwuid(os.getuid()).pw_name
    assert plistlib.loads(roots.out.encode())["UserName"] == "root"


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        (["runit"], "invalid choice: 'runit'"),
        (["systemd", "--as", "nobody-at-all"], "no user nobody-at-all on this host"),
        (["systemd", "--user", "--as", "root"], "not allowed with"),
        (["systemd"], "no zoo.yaml"),
        (["systemd", "nope.yaml"], "nope.yaml is missing"),
    ],
)
async def test_what_makes_no_unit_is_wrong_usage(shell, given, complaint):
    ended = await shell("unit", *given)

    assert (64, "") == (ended.code, ended.out)
    assert complaint in ended.err
