"""Weights by where they come from: what each way of writing it means."""

import pytest

from zoosup.spec.model.values.weight_names import HubName, OllamaName, named_among, read_name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("hf://o/r", HubName("o/r")),
        ("hf://o/r@v1", HubName("o/r", revision="v1")),
        ("hf://o/r:Q4_K_M@refs/pr/1", HubName("o/r", tag="Q4_K_M", revision="refs/pr/1")),
        ("hf://o/r/sub/m.gguf@main", HubName("o/r", file="sub/m.gguf", revision="main")),
        ("ollama://qwen3", OllamaName("qwen3")),
        ("ollama://me/m:8b", OllamaName("m", "8b", "me")),
        ("ollama://hf.co/o/r:Q4_K_M", OllamaName("r", "Q4_K_M", "o", "hf.co")),
        ("hf://o/r/../x", None),
        ("hf://o", None),
        ("hf://../x", None),
        ("hf://o/r@../x", None),
        ("ollama://../../etc/passwd", None),
        ("/srv/m.gguf", None),
        ("https://o/r", None),
    ],
)
def test_a_name_is_read_as_it_is_written_and_leads_out_of_no_cache(text, name):
    assert name == read_name(text)


def test_names_are_found_in_a_command_and_within_a_word_for_a_shell():
    words = ("bash", "-c", "whisper-server -m hf://o/w/ggml.bin --x", "hf://o/r:Q4", "http://x/y")
    assert ("hf://o/w/ggml.bin", "hf://o/r:Q4") == named_among(words)
