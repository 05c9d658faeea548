"""What llama-fit-params is asked, what of its output is an answer, and what follows from one."""

from dataclasses import replace

import pytest

from tests.core.estimation.test_need import LLAMA, MIB, WEIGHTS, terms
from tests.core.zoo import GIB, a_model
from zoosup.core.estimation.llama_fit import GarbledError, parse, question
from zoosup.core.estimation.need import need
from zoosup.core.state.weights import (
    DeviceNeed,
    FileFacts,
    FitAnswer,
    FitQuestion,
    FitSilence,
    Fitted,
    WeightFacts,
)

BASE = "llama-server -m m.gguf -c 8192 -np 1 --cache-ram 0"
ASKED = FitQuestion("llama-server", ("-m", "m.gguf"), on_gpu=False)
ON_GPU = replace(ASKED, on_gpu=True)


def words(command, on_gpu=False, **env):
    asked = question(a_model("auto", command=command, env=env), on_gpu=on_gpu)
    return None if asked is None else " ".join(asked.words)


# the question

PLAIN = "-b 2048 -ub 512 -ctk f16 -ctv f16"


@pytest.mark.parametrize(
    ("command", "asked"),
    [
        ("llama-server -m m.gguf", f"-m m.gguf -np 1 {PLAIN} -dev none"),
        # What is the server's own is left out; what it says in other words is said in these.
        (
            "/opt/bin/llama-server -m m.gguf --port ${PORT} --host :: --alias a -cram 0 --jinja --mmproj p -ngl 9",
            f"-m m.gguf -np 1 {PLAIN} -dev none",
        ),
        ("llama-server -m m.gguf -np 3", f"-m m.gguf -np 3 {PLAIN} -dev none"),
        # It has no --kv-unified: slots that share one cache have as many cells as one.
        ("llama-server -m m.gguf -np 3 -kvu", f"-m m.gguf -np 1 {PLAIN} -dev none"),
        ("llama-server -m m.gguf --ctx_size 512", f"-m m.gguf -np 1 -c 512 {PLAIN} -dev none"),
        ("llama-server -m m.gguf --kv-unified-per-slot 512", f"-m m.gguf -np 1 -c 2048 {PLAIN} -dev none"),
        (
            "nice -n 5 llama-server -m m.gguf -b 64 -ctk q8_0 -fa off --swa-full --no-host --override-kv a=b",
            "-m m.gguf -np 1 -b 64 -ub 64 -ctk q8_0 -ctv f16 -fa off --swa-full --no-host --override-kv a=b -dev none",
        ),
        ("llama-server -m m.gguf --override-kv", f"-m m.gguf -np 1 {PLAIN} -dev none"),  # nothing follows
        # Files that it would write, and what it would fetch.
        ("llama-server -m m.gguf --log-file server.log -hf a/b", f"-m m.gguf -np 1 {PLAIN} -dev none"),
    ],
)  # fmt: skip
def test_it_is_asked_of_memory_and_nothing_else(command, asked):
    assert f"--fit-print on {asked}" == words(command)


def test_on_a_gpu_it_is_also_asked_of_what_stays_behind():
    command = (
        "llama-server -m m.gguf -ngl 20 -ot exps=CPU --cpu-moe -nkvo -ts 3,1 -mg 1 -sm row -dev CUDA0,CUDA1"
    )
    assert f"--fit-print on -m m.gguf -np 1 {PLAIN} -ot exps=CPU --cpu-moe -ngl 20 -nkvo" == words(
        command, on_gpu=True
    )
    assert f"--fit-print on -m m.gguf -np 1 {PLAIN} -dev none" == words(command)


def test_the_environment_speaks_too():
    assert f"--fit-print on -m m.gguf -np 2 -c 512 {PLAIN} -dev none" == words(
        "llama-server", LLAMA_ARG_MODEL="m.gguf", LLAMA_ARG_CTX_SIZE="512", LLAMA_ARG_N_PARALLEL="2"
    )


@pytest.mark.parametrize(
    "command",
    [
        "python -m llama_cpp.server --model m.gguf", "docker run llama-server -m m.gguf", "llama-server -hf a/b",
        "llama-server -m m.gguf --spec-type draft-mtp", "mine --model m.gguf", "vllm serve m.gguf",
    ],
)  # fmt: skip
def test_of_others_nothing_is_asked(command):
    assert words(command) is None


# the answer


@pytest.mark.parametrize(
    ("printed", "devices", "host"),
    [
        ("Host 189 128 65 \n", (), (189, 128, 65)),
        ("Host 189 128 65", (), (189, 128, 65)),
        ("CUDA0 4000 512 300 \nHost 200 0 20 \n", (("CUDA0", 4000, 512, 300),), (200, 0, 20)),
        (
            "ggml_cuda_init: found 2 devices\n\nCUDA0 1 2 3 \r\nRPC0[::1:50052] 4 5 6 \r\nHost 7 8 9 \r\n",
            (("CUDA0", 1, 2, 3), ("RPC0[::1:50052]", 4, 5, 6)),
            (7, 8, 9),
        ),
        ("Host 1 1 1\nloading 2 3 4 5 layers\nHost 7 8 9 \nbye\n", (), (7, 8, 9)),
    ],
)
def test_the_figures_are_the_last_lines_in_mebibytes(printed, devices, host):
    answer = parse(printed, ASKED)
    expected = tuple(DeviceNeed(name, *(n * MIB for n in figures)) for name, *figures in devices)
    assert expected == answer.devices
    assert DeviceNeed("Host", *(n * MIB for n in host)) == answer.host


@pytest.mark.parametrize(
    ("printed", "why"),
    [
        ("", "it printed no figures"),
        ("-c 4096 -ngl 48\n", "it printed no figures"),
        ("Host 1 2\n", "it printed no figures"),
        ("Host 1 2 3 4x\n", "it printed no figures"),
        ("Host -1 2 3\n", "it printed no figures"),
        ("Host 999999999999 2 3\n", "it printed no figures"),
        ("CUDA0 1 2 3\n", "it printed no figures"),
        ("Host 189 128 0\n", "it printed that nothing is needed to compute"),
        (
            "".join(f"CUDA{i} 1 2 3\n" for i in range(64)) + "Host 1 2 3\n",
            "it printed figures of 65 devices",
        ),
    ],
)
def test_anything_else_is_no_answer(printed, why):
    with pytest.raises(GarbledError, match=why):
        parse(printed, ASKED)


def test_as_many_as_64_devices_are_an_answer():
    assert 63 == len(parse("".join(f"CUDA{i} 1 2 3\n" for i in range(63)) + "Host 1 2 3\n", ASKED).devices)


def test_one_that_sees_no_gpu_says_nothing_of_gpus():
    with pytest.raises(GarbledError, match="it sees no GPU"):
        parse("Host 189 128 65 \n", ON_GPU)
    assert parse("CUDA0 1 1 1\nHost 189 128 65 \n", ON_GPU)


# what follows


def said(command=BASE, ram=None, gpu=None, weights=WEIGHTS, fields=None, files=()):
    """The need of a model once it was answered so: figures of the host, and of a GPU before them."""
    spec = a_model("auto", command=command, **fields or {})

    def heard(on_gpu, parts):
        asked = question(spec, on_gpu=on_gpu)
        assert asked is not None
        if isinstance(parts, str):
            return FitSilence(asked, parts)
        *devices, host = [DeviceNeed(name, *(n * MIB for n in figures)) for name, *figures in parts]
        return FitAnswer(asked, host, tuple(devices))

    fitted = Fitted(ram and heard(False, ram), gpu and heard(True, gpu))
    return need(spec, WeightFacts((("m.gguf", weights), *files), fitted))


HOST = (("Host", 100, 40, 60),)


def test_an_answer_counts_for_nothing_where_what_it_leaves_out_can_t_be_reckoned():
    found = said(f"{BASE} -ctk q3_9 --cache-ram -1", ram=HOST, gpu=(("CUDA0", 1, 1, 1), *HOST))
    assert ("derived", "derived") == (found.source, found.on_gpus.source)


def test_its_figures_take_the_place_of_ours_with_a_margin_of_5_percent():
    of = said(ram=HOST)
    assert ("llama-fit-params", True, "") == (of.source, of.certain, of.note)
    found = terms(of)
    assert (100 * MIB, 40 * MIB, 60 * MIB) == (found["weights"], found["kv cache"], found["compute"])
    own = found["program"] + found["work"]
    assert 200 * MIB * 5 // 100 + own * 15 // 100 == found["margin"]
    assert of.amounts["ram"] < said().amounts["ram"]


def test_weights_that_it_does_not_count_stay_in_ram():
    assert 100 * MIB == terms(said(ram=(("Host", 3, 40, 60),)))["weights"]  # repacked ones
    assert 130 * MIB == terms(said(ram=(("Host", 130, 40, 60),)))["weights"]


def test_a_device_that_counts_for_ram_all_the_same_is_added():
    found = terms(said(ram=(("MTL0", 90, 30, 50), ("Host", 10, 10, 10))))
    assert (100 * MIB, 40 * MIB, 60 * MIB) == (found["weights"], found["kv cache"], found["compute"])


def test_what_it_knows_nothing_of_comes_from_the_headers():
    found = terms(said("llama-server -m m.gguf -c 8192 -np 1 -cram 100", ram=HOST))
    assert 100 * MIB == found["prompt cache"]


def test_the_scores_that_the_cpu_multiplies_come_on_top():
    flash, without = terms(said(ram=HOST)), terms(said(f"{BASE} -fa off", ram=HOST))
    assert 2 * 512 * 8192 * 8 == without["work"]
    assert 2 * 512 * 1536 == flash["work"]
    wide = replace(WEIGHTS, metadata={**LLAMA, "llama.embedding_length": 2048})
    assert 2 * 512 * 2048 == terms(said(ram=HOST, weights=wide))["work"]


GEMMA = FileFacts(
    "gguf", 110 * MIB, 1, 100 * MIB, 32_000,
    {n.replace("llama.", "gemma2."): v for n, v in LLAMA.items()}
    | {"general.architecture": "gemma2", "gemma2.attention.sliding_window": 512},
)  # fmt: skip


def test_the_windows_of_slots_that_it_was_not_asked_of_are_added():
    one = said("llama-server -m m.gguf -c 8192 -np 1 -cram 0 -ctxcp 0", ram=HOST, weights=GEMMA)
    four = said("llama-server -m m.gguf -c 8192 -cram 0 -ctxcp 0", ram=HOST, weights=GEMMA)
    apart = said("llama-server -m m.gguf -c 8192 -np 4 -cram 0 -ctxcp 0", ram=HOST, weights=GEMMA)
    cells, each = 3 * 512, 2 * 128 * 2  # keys and values of 2 heads with 64 elements each, f16
    assert 40 * MIB == terms(one)["kv cache"] == terms(apart)["kv cache"]
    assert 40 * MIB + 4 * cells * each == terms(four)["kv cache"]


GPU = (("CUDA0", 90, 40, 50), ("Host", 12, 0, 8))


def test_on_a_gpu_there_is_the_devices_context_too():
    of = said(gpu=GPU).on_gpus
    found = {t.name: t.amount // MIB for t in of.terms if t.pool == "vram"}
    assert {"weights": 90, "kv cache": 40, "compute": 50, "context": 512, "margin": 180 * 5 // 100} == found
    assert sum(t.amount for t in of.terms if t.pool == "vram") == of.vram
    assert 50 * MIB * 105 // 100 + 512 * MIB == of.each_gpu
    ram = {t.name: t.amount for t in of.terms if t.pool == "ram"}
    assert (12 * MIB, 8 * MIB, 512 * MIB) == (ram["weights"], ram["compute"], ram["driver"])
    assert not {"kv cache", "work"} & ram.keys()
    assert sum(ram.values()) == of.amounts["ram"]


def by_name(of, pool):
    return {t.name: t.amount for t in of.terms if t.pool == pool}


@pytest.mark.parametrize(("option", "pool"), [("", "vram"), ("--no-mmproj-offload", "ram")])
def test_a_projector_is_where_it_is_offloaded_to_and_adapters_are_in_both(option, pool):
    files = [("p.gguf", FileFacts("gguf", 60, 1, 50)), ("l.gguf", FileFacts("gguf", 20, 1, 10))]
    of = said(f"{BASE} --mmproj p.gguf --lora l.gguf {option}", gpu=GPU, files=files).on_gpus
    assert [pool] == [term.pool for term in of.terms if term.name == "mmproj"]
    assert 10 == by_name(of, "ram")["lora"] == by_name(of, "vram")["lora"]
    exact, own = 180 * MIB, 10 + (GIB + 50) * (pool == "vram")
    assert exact * 5 // 100 + own * 15 // 100 == by_name(of, "vram")["margin"]


def test_weights_that_a_gpu_repacks_into_more_leave_none_behind():
    of = said(gpu=(("CUDA0", 101, 40, 50), ("Host", 0, 0, 8))).on_gpus
    assert (0, 101 * MIB) == (by_name(of, "ram")["weights"], by_name(of, "vram")["weights"])


def test_the_windows_of_other_slots_are_where_the_cache_is():
    command, cells, each = "llama-server -m m.gguf -c 8192 -cram 0 -ctxcp 0", 3 * 512, 2 * 128 * 2
    more = 4 * cells * each
    all_there = said(command, gpu=GPU, weights=GEMMA).on_gpus
    assert 40 * MIB + more == by_name(all_there, "vram")["kv cache"]
    assert "kv cache" not in by_name(all_there, "ram")
    half = said(command, gpu=(("CUDA0", 90, 20, 50), ("Host", 12, 20, 8)), weights=GEMMA).on_gpus
    assert 20 * MIB + more // 2 == by_name(half, "vram")["kv cache"] == by_name(half, "ram")["kv cache"]


@pytest.mark.parametrize("option", ["-ngl 8", "-nkvo", "-ot exps=CPU"])
def test_where_the_cpu_computes_too_it_needs_its_own_scratch_memory(option):
    of = said(f"{BASE} {option}", gpu=GPU).on_gpus
    assert 2 * 512 * 1536 == by_name(of, "ram")["work"]


def test_what_is_scattered_is_counted_once_where_it_can_tell():
    of = said(f"{BASE} --cpu-moe", gpu=(("CUDA0", 30, 40, 50), ("Host", 71, 0, 8))).on_gpus
    assert [("ram", 71 * MIB), ("vram", 30 * MIB)] == [
        (t.pool, t.amount) for t in of.terms if t.name == "weights"
    ]
    assert "work" in {t.name for t in of.terms if t.pool == "ram"}
    twice = said(f"{BASE} --cpu-moe").on_gpus
    assert of.whole_vram + of.amounts["ram"] < twice.whole_vram + twice.amounts["ram"]


def test_each_figure_is_from_where_it_could_be_had():
    of = said(ram=HOST, gpu="llama-fit-params: it sees no GPU")
    assert ("llama-fit-params", "") == (of.source, of.note)
    assert ("derived", "llama-fit-params: it sees no GPU") == (of.on_gpus.source, of.on_gpus.note)


def test_without_an_answer_the_headers_say_it_and_why_there_is_none():
    of = said(ram="llama-fit-params: no answer within 30 s")
    assert ("derived", "llama-fit-params: no answer within 30 s") == (of.source, of.note)
    assert said().terms == of.terms


def test_an_answer_to_another_command_is_none_to_this():
    asked = question(a_model("auto", command=BASE), on_gpu=False)
    facts = WeightFacts((("m.gguf", WEIGHTS),), Fitted(FitAnswer(asked, DeviceNeed("Host", 1, 1, GIB))))
    assert "llama-fit-params" == need(a_model("auto", command=f"{BASE} --jinja"), facts).source
    changed = need(a_model("auto", command=BASE.replace("8192", "4096")), facts)
    assert ("derived", "") == (changed.source, changed.note)


def test_metadata_of_no_use_leave_the_size():
    broken = FileFacts("gguf", 4 * GIB, 1, 3 * GIB, 5, {"general.architecture": "llama"})
    assert "derived" == said(ram=HOST, weights=broken).source


def test_what_is_declared_or_given_no_gpu_is_as_before():
    assert "declared" == said(ram=HOST, fields={"memory": {"ram": "1GiB"}}).source
    assert said(ram=HOST, fields={"gpus": "none"}).on_gpus is None


def test_one_that_may_still_answer_leaves_the_matter_open():
    open_ = FitSilence(ASKED, "llama-fit-params has not answered yet", passing=True)
    assert (True, True, False, False) == (
        Fitted(open_).unsettled, Fitted(None, open_).unsettled, Fitted(FitSilence(ASKED, "gone")).unsettled,
        Fitted().unsettled,
    )  # fmt: skip
