"""`doctor --report`: all that a bug report needs, and nothing that is nobody's business."""

import json

import pytest

from tests.cli.fakes import model, snapshot
from zoosup.cli.commands.looking.report import _gpus
from zoosup.cli.render.redacted import HIDDEN, redacted, without

FILE = """\
active: a
gateway: {api_keys: ["sk-from-the-file", "${env.ZOO_KEY}"]}
status: {listen: null, token: tok-of-status}
models:
  a:
    command: [serve, --api-key, sk-of-command, "--hf-token=hf-of-command", --port, "${PORT}", -c, "8192"]
    env: {HUGE_PASS: pw-of-env}
  b: {external: {url: "https://box2/v1", api_key: sk-elsewhere}}
"""
SECRETS = (
    "sk-from-the-file", "sk-from-env", "tok-of-status", "sk-of-command", "hf-of-command", "pw-of-env",
    "sk-elsewhere", "words of a client", "anything-else-secret",
)  # fmt: skip


async def report(shell):
    shell.env |= {"ZOO_KEY": "sk-from-env", "MY_TOKEN": "anything-else-secret", "ZOOSUP_LOG_LEVEL": "info"}
    (shell.home / "zoo.yaml").write_text(FILE)
    ended = await shell("doctor", "--report", "out.txt")
    assert (0, "out.txt is written; look through it before you send it\n") == (ended.code, ended.out)
    return (shell.home / "out.txt").read_text()


async def test_it_has_what_was_found_the_file_the_status_and_the_events(shell, runtime, server):
    end = {
        "reason": "Error",
        "code": 1,
        "signal": None,
        "at": 1.0,
        "message": "",
        "log": ["words of a client"],
    }
    runtime.publisher.publish(snapshot({"a": model("failed", last_exit=end)}))
    runtime.journal.add("Gone", "a", "Crashed", "got anything-else-secret", {"exit": end})
    text = await report(shell)
    for title in (
        "what zoosup doctor says",
        "host",
        "limits",
        "zoo.yaml as it was read",
        "status",
        "the last",
    ):
        assert f"\n## {title}" in text
    for told in ("MemTotal", "Max open files", '"8192"', "--api-key", "HUGE_PASS", '"failed"', "Crashed"):
        assert told in text
    assert "ZOOSUP_LOG_LEVEL" in text
    assert [] == [secret for secret in SECRETS if secret in text]
    assert str(shell.home) not in text


async def test_without_a_supervisor_or_a_file_it_says_so_and_an_old_report_stays(shell):
    (shell.home / "out.txt").write_text("old")
    ended = await shell("doctor", "--report", "out.txt")
    assert (1, "zoosup: out.txt: File exists; expected a file that is not there yet\n") == (
        ended.code,
        ended.err,
    )
    assert "old" == (shell.home / "out.txt").read_text()
    printed = (await shell("doctor", "--report", "-")).out
    assert "none, or none that is valid: see above" in printed
    assert "no supervisor runs, and ~/state/journal.db is missing" in printed


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"api_key": "x", "keys": [1], "n": 2}, {"api_key": HIDDEN, "keys": [1], "n": 2}),
        ({"token": None}, {"token": None}),
        ({"env": {"A": "b"}}, {"env": {"A": HIDDEN}}),
        (["--token", "x", "--next"], ["--token", HIDDEN, "--next"]),
        (["--token=x", "y"], [f"--token={HIDDEN}", "y"]),
        (["--token", "--key", "x"], ["--token", HIDDEN, "x"]),
        ({"log": ["x"], "a": [{"secret": 1}]}, {"a": [{"secret": HIDDEN}]}),
    ],
)
def test_what_stands_under_such_a_name_is_hidden(value, expected):
    assert json.loads(json.dumps(expected)) == redacted(value)


def test_what_a_secret_says_is_found_in_any_text():
    assert f"a {HIDDEN} b {HIDDEN} short" == without("a long-secret b long-secret-more short", {
        "long-secret", "long-secret-more", "short",
    })  # fmt: skip


def test_gpus_are_told_by_the_kernel_with_their_driver_and_memory(tmp_path):
    card = tmp_path / "sys/bus/pci/devices/0000:03:00.0"
    other = tmp_path / "sys/bus/pci/devices/0000:04:00.0"
    (tmp_path / "sys/bus/pci/drivers/amdgpu").mkdir(parents=True)
    for device, kind in ((card, "0x030000"), (other, "0x020000")):
        device.mkdir(parents=True)
        for name, text in (("class", kind), ("vendor", "0x1002"), ("device", "0x744c")):
            (device / name).write_text(f"{text}\n")
    (card / "mem_info_vram_total").write_text("25753026560\n")
    (card / "driver").symlink_to("../../drivers/amdgpu")
    assert "0000:03:00.0  0x1002:0x744c  amdgpu  mem_info_vram_total 25753026560" == _gpus(tmp_path)
    assert "none on the PCI bus" == _gpus(tmp_path / "empty")
