"""Which files a name means, as common/download.cpp of llama.cpp chooses them."""

import pytest

from zoosup.core.estimation.hub_files import chosen, part_names, whole
from zoosup.spec.model.values.weight_names import HubName

QUANTS = ["m-BF16.gguf", "m-Q4_K_M.gguf", "m-Q4_K_S.gguf", "m-Q8_0.gguf", "mmproj-F16.gguf", "imatrix.gguf"]
PARTS = [f"UD-Q2/m-UD-Q2-{i:05}-of-00003.gguf" for i in (1, 2, 3)]


@pytest.mark.parametrize(
    ("tag", "files", "first"),
    [
        ("", QUANTS, "m-Q4_K_M.gguf"),
        ("", ["m-Q8_0.gguf", "m-Q2_K.gguf"], "m-Q8_0.gguf"),
        ("", ["mmproj-m.gguf", "m-IQ1_S.gguf", "m-Q2_K.gguf"], "m-IQ1_S.gguf"),
        ("q8_0", QUANTS, "m-Q8_0.gguf"),
        ("Q4_K", QUANTS, None),
        ("F16", QUANTS, "m-BF16.gguf"),
        ("Q6_K", QUANTS, None),
        ("", ["README.md", "mmproj-F16.gguf", "mtp-m.gguf"], None),
        ("", ["imatrix-tests/m-Q8_0.gguf"], "imatrix-tests/m-Q8_0.gguf"),  # only its own name says what it is
    ],
)
def test_the_model_is_chosen_by_its_quantization(tag, files, first):
    found = chosen(HubName("o/r", tag=tag), files)
    assert first == (found and found.parts[0])


@pytest.mark.parametrize("word", ["mmproj", "imatrix", "mtp-", "eagle3-", "dflash-", "dspark-"])
def test_what_goes_with_a_model_is_none(word):
    assert chosen(HubName("o/r"), [f"{word}m-Q4_K_M.gguf", f"{word}.gguf"]) is None


def test_a_count_of_parts_that_can_not_be_makes_it_one_file():
    most = part_names("m-00007-of-01024.gguf")
    assert ("m-00001-of-01024.gguf", "m-01024-of-01024.gguf", 1024) == (most[0], most[-1], len(most))
    assert ("m-00001-of-00001.gguf",) == part_names("m-00001-of-00001.gguf")
    for odd in ("m-00001-of-01025.gguf", "m-00001-of-00000.gguf", "m.gguf"):
        assert (odd,) == part_names(odd)


def test_a_split_model_has_all_its_parts_in_order_and_says_how_many_it_lacks():
    assert tuple(PARTS) == chosen(HubName("o/r", tag="UD-Q2"), reversed(PARTS)).parts
    lacking = chosen(HubName("o/r", tag="UD-Q2"), [PARTS[0], PARTS[2]])
    assert ((PARTS[0], PARTS[2]), 1) == (lacking.parts, lacking.missing)
    assert chosen(HubName("o/r", tag="UD-Q2"), PARTS[1:]) is None
    assert tuple(PARTS) == part_names(PARTS[1])


@pytest.mark.parametrize(
    ("files", "projector"),
    [
        (
            ["q/m-Q8_0.gguf", "mmproj-F16.gguf", "q/mmproj-BF16.gguf", "z/mmproj-Q8_0.gguf"],
            "q/mmproj-BF16.gguf",
        ),
        (["m-Q8_0.gguf", "mmproj-F16.gguf", "mmproj-Q8_0.gguf", "mmproj-F32.gguf"], "mmproj-Q8_0.gguf"),
        (["m-Q8_0.gguf", "mmproj-Q8_0.gguf", "mmproj-Q2_K.gguf"], "mmproj-Q8_0.gguf"),
        (["m-Q8_0.gguf", "mmproj-F16.gguf", "mmproj-m.gguf"], "mmproj-F16.gguf"),  # without bits: as far as 0
        (["a/b/m-Q8_0.gguf", "a/mmproj-Q8_0.gguf", "a/b/mmproj-F32.gguf"], "a/b/mmproj-F32.gguf"),
        (["m-Q8_0.gguf", "other/mmproj-Q8_0.gguf"], ""),
        (["m-Q8_0.gguf"], ""),
    ],
)
def test_its_projector_is_the_nearest_in_folders_then_in_bits(files, projector):
    assert projector == chosen(HubName("o/r", tag="Q8_0"), files).mmproj


def test_a_file_that_is_named_comes_alone_but_for_its_parts():
    assert ("m-Q8_0.gguf",) == chosen(HubName("o/r", file="m-Q8_0.gguf"), QUANTS).files
    assert tuple(PARTS) == chosen(HubName("o/r", file=PARTS[0]), PARTS).files
    assert chosen(HubName("o/r", file="gone.gguf"), QUANTS) is None


def test_a_whole_repository_is_without_what_other_frameworks_load():
    files = [
        ".gitattributes", "config.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors",
        "model.safetensors.index.json", "onnx/model.onnx", "original/consolidated.00.pth", "pytorch_model.bin",
        "tokenizer.json", "m-Q4_K_M.gguf",
    ]  # fmt: skip
    assert ("config.json", *files[2:5], "tokenizer.json") == whole(files)
    assert ("config.json", "pytorch_model.bin") == whole(["pytorch_model.bin", "config.json"])
