"""A host whose zoo.yaml has no `fleet` loads nothing of one."""

import os
import re
import signal
import subprocess
import sys
import time

FILE_ALONE = {
    *("zoosup.runtime.api.fleet", "zoosup.spec.model.fleet"),
    *("zoosup.web.api.fleet", "zoosup.web.api.metrics.fleet"),
}
"""What the file may say, the protocol of who is asked, and what tells people and programs that there is no fleet."""


def test_zoosup_run_imports_nothing_of_a_fleet(tmp_path):
    (tmp_path / "zoo.yaml").write_text("active: []\ngateway: false\nstatus: {listen: null}\nmodels: {}\n")
    env = os.environ | {"ZOOSUP_STATE_DIR": str(tmp_path / "state")}
    command = [sys.executable, "-X", "importtime", "-m", "zoosup", "run", str(tmp_path / "zoo.yaml")]
    said = tmp_path / "stderr"
    with said.open("wb") as log, subprocess.Popen(command, env=env, stderr=log) as zoosup:
        try:
            deadline = time.monotonic() + 60
            while "zoosup supervises" not in said.read_text() and time.monotonic() < deadline:
                time.sleep(0.05)
            time.sleep(1)  # what goes on beside has begun
        finally:
            zoosup.send_signal(signal.SIGTERM)
        zoosup.wait(60)
    loaded = set(re.findall(r"\| +([\w.]+)$", said.read_text(), re.MULTILINE))
    assert "zoosup supervises" in said.read_text()
    assert FILE_ALONE == {name for name in loaded if "fleet" in name or name.partition(".")[0] == "ray"}
