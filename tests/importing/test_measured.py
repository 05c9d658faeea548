"""What was measured takes the place of what was guessed."""

from tests.importing.imports import llama_swap
from zoosup.importing.checked import written
from zoosup.importing.draft import NOT_RECKONED, Host
from zoosup.importing.measured import Held, measurable, put, to_measure
from zoosup.importing.report import Report
from zoosup.importing.writer import write
from zoosup.spec.parse import parse

MIB, GIB = 2**20, 2**30
TEXT = """
hooks: {on_startup: {preload: [script]}}
apiKeys: [secret]
models:
  script: {cmd: 'bash /serve.sh ${PORT}'}
  chat: {cmd: 'llama-server -m /m.gguf --port ${PORT}'}
  left-out: {cmd: 'C:\\\\llama-server.exe --port ${PORT}'}
"""


def imported(host=Host(48 * GIB, 24 * GIB)):  # noqa: B008 - frozen
    return llama_swap(TEXT, host=host)


def the(found, name="script"):
    return found.draft.named(name)


def test_what_was_seen_and_a_tenth_is_written_and_files_beside_it_as_they_are():
    found, report = imported(), Report()
    put(the(found), Held(1000 * MIB, 500 * MIB, 100 * MIB), report)
    spec = parse(written(found.draft, report), path="zoo.yaml", environ={}).models["script"]
    assert (1600 * MIB, 110 * MIB) == (spec.memory.ram, spec.memory.vram)
    assert "# measured alone: 1000 MiB, 500 MiB of files, 100 MiB on GPUs, and a tenth\n" in write(
        found.draft
    )


def test_a_part_of_a_mebibyte_counts_whole():
    found = imported()
    put(the(found), Held(MIB + 1, 0, 0), Report())
    assert {"ram": "2MiB", "vram": "24GiB"} == the(found).fields["memory"]


def test_gpus_of_which_nothing_tells_stay_guessed_and_a_model_without_has_none():
    with_gpus, without = imported(), imported(Host(48 * GIB, None))
    for found in (with_gpus, without):
        put(the(found), Held(100 * MIB, 0, 0), Report())
    assert "24GiB" == the(with_gpus).fields["memory"]["vram"]
    assert {"ram": "110MiB"} == the(without).fields["memory"]


def test_the_remark_to_measure_it_is_settled_and_others_stay():
    found, report = imported(), Report()
    unknown = next(each for each in found.remarks if NOT_RECKONED in each)
    model = the(found)
    for what in (f"script: {NOT_RECKONED}", "script: another thing"):
        report.add(model.at, what)
    assert unknown == str(report.remarks[0])
    put(model, Held(MIB, 0, 0), report)
    assert ["script: another thing"] == [each.what for each in report.remarks]


def test_the_file_to_measure_with_has_nothing_active_and_no_keys_and_lets_the_unknown_start():
    found = imported()
    spec = parse(write(to_measure(found.draft)), path="zoo.yaml", environ={})
    assert ((), None) == (spec.active, spec.gateway.api_keys or None)
    assert ["script", "chat"] == list(spec.models) == [each.name for each in measurable(found.draft)]
    assert (64 * MIB, 24 * GIB) == (spec.models["script"].memory.ram, spec.models["script"].memory.vram)
    assert "auto" == spec.models["chat"].memory
    assert "48GiB" == the(found).fields["memory"]["ram"]
