"""The texts of several servers as one: read back with Prometheus' own parser, and by promtool where there is one."""

import math
import shutil
import subprocess

import pytest
from hypothesis import given, strategies as st
from prometheus_client.parser import text_string_to_metric_families

from zoosup.web.api.metrics.relabel import NoMetricsError, merged, read

LLAMA = """\
# HELP llamacpp:prompt_tokens_total Number of prompt tokens processed.
# TYPE llamacpp:prompt_tokens_total counter
llamacpp:prompt_tokens_total 120
# HELP llamacpp:kv_cache_usage_ratio KV-cache usage. 1 means 100 percent usage.
# TYPE llamacpp:kv_cache_usage_ratio gauge
llamacpp:kv_cache_usage_ratio 0.25
"""
VLLM = """\
# HELP vllm:e2e_request_latency_seconds Histogram of e2e request latency in seconds.
# TYPE vllm:e2e_request_latency_seconds histogram
vllm:e2e_request_latency_seconds_bucket{engine="0",le="0.3",model_name="q/w"} 1.0
vllm:e2e_request_latency_seconds_bucket{engine="0",le="+Inf",model_name="q/w"} 2.0
vllm:e2e_request_latency_seconds_sum{engine="0",model_name="q/w"} 1.5
vllm:e2e_request_latency_seconds_count{engine="0",model_name="q/w"} 2.0
"""
ODD = 'a_total{model="theirs",exported_model="x",path="C:\\\\d\\"{,}\\n",} +Inf 1700000000000\n\n# a remark\nb NaN'


def whole(**texts):
    return merged(read(model, text) for model, text in texts.items())


def samples(text):
    return [
        (sample.name, sample.labels, sample.value)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    ]


def test_each_series_has_its_model_and_each_family_stands_once():
    text = whole(a=LLAMA, b=LLAMA)
    assert 1 == text.count("# TYPE llamacpp:prompt_tokens_total counter")
    lines = text.splitlines()
    at = lines.index('llamacpp:prompt_tokens_total{model="a"} 120')
    assert 'llamacpp:prompt_tokens_total{model="b"} 120' == lines[at + 1]
    assert [("llamacpp:kv_cache_usage_ratio", {"model": name}, 0.25) for name in "ab"] == samples(text)[2:]


def test_the_parts_of_a_histogram_stay_together():
    found = samples(whole(a=VLLM, b=VLLM))
    assert 8 == len(found)
    assert {"engine": "0", "le": "0.3", "model_name": "q/w", "model": "b"} == found[4][1]
    assert 2 == whole(a=VLLM, b=LLAMA, c=VLLM).count("latency_seconds_sum")


def test_a_label_called_model_makes_room_and_odd_values_stay():
    name, labels, value = samples(whole(a=ODD))[0]
    assert ("a_total", math.inf) == (name, value)
    expected = {
        "model": "a",
        "exported_model": "x",
        "exported_exported_model": "theirs",
        "path": 'C:\\d"{,}\n',
    }
    assert expected == labels
    assert "1700000000000" in whole(a=ODD)


@given(st.text(min_size=1).filter(lambda name: "\r" not in name and len(name.splitlines()) == 1))
def test_a_model_of_any_name_can_be_read_back(name):
    assert name == samples(merged([read(name, "up 1")]))[0][1]["model"]


@pytest.mark.parametrize(
    "line",
    [
        "<html>",
        "a",
        "a one",
        "a 1_0",
        'a{b="c} 1',
        "a{b=c} 1",
        'a{b="c"d="e"} 1',
        "a 1 now",
        '{"a.b"} 1',
        "a 1 2 3",
    ],
)
def test_of_a_text_that_is_none_nothing_is_taken(line):
    with pytest.raises(NoMetricsError, match="line 2"):
        read("a", f"b 1\n{line}\n")


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_promtool_can_read_it():
    said = subprocess.run(
        ["promtool", "check", "metrics"],
        check=False,
        input=whole(a=LLAMA, b=VLLM, c=LLAMA),
        capture_output=True,
        text=True,
    )
    assert "error while linting" not in said.stderr
    assert "parsing" not in said.stderr
