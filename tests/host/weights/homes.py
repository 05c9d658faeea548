"""A home as people have it: the layouts of llama.cpp's cache, the hub's, LM Studio's and Ollama's, with small files."""

import hashlib
import json
import sys
from pathlib import Path

from tests.host.weight_files import LLAMA, gguf, safetensors

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def variant(seed: int, **metadata) -> bytes:
    """A GGUF file unlike the others."""
    return gguf({**LLAMA, **{key.replace("__", "."): value for key, value in metadata.items()}}, pad=seed)


def hub_file(root: Path, repository: str, name: str, content: bytes, revision: str = "main") -> Path:
    """A file of a snapshot: a link to its blob, as hf_hub_download leaves it."""
    folder = root / f"models--{repository.replace('/', '--')}"
    blob = folder / "blobs" / hashlib.sha256(content).hexdigest()
    path = folder / "snapshots" / COMMIT / name
    for each in (blob, path, folder / "refs" / revision):
        each.parent.mkdir(parents=True, exist_ok=True)
    blob.write_bytes(content)
    path.symlink_to(Path(*[".."] * (len(Path(name).parts) + 1), "blobs", blob.name))
    (folder / "refs" / revision).write_text(COMMIT)
    return path


def ollama_model(root: Path, name: str, **layers: bytes) -> None:
    """What `ollama pull` leaves: a manifest, and a blob for each layer."""
    listed = []
    for kind, content in layers.items():
        digest = hashlib.sha256(content).hexdigest()
        (root / "blobs").mkdir(parents=True, exist_ok=True)
        (root / "blobs" / f"sha256-{digest}").write_bytes(content)
        media = f"application/vnd.ollama.image.{kind}"
        listed.append({"mediaType": media, "digest": f"sha256:{digest}", "size": len(content)})
    path = root / "manifests" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"schemaVersion": 2, "layers": listed}))


def furnish(home: Path) -> None:
    """Everything, each once; and what lies beside it and is none of it."""
    flat = home / ("Library/Caches" if sys.platform == "darwin" else ".cache") / "llama.cpp"
    flat.mkdir(parents=True)
    (flat / "manifest=ggml-org=tiny-GGUF=latest.json").write_text("{}")
    (flat / "ggml-org_tiny-GGUF_tiny-Q8_0.gguf").write_bytes(variant(1))
    (flat / "ggml-org_tiny-GGUF_mmproj-tiny.gguf").write_bytes(variant(2, general__architecture="clip"))
    (flat / "other.gguf.downloadInProgress").write_bytes(b"GGUF")

    hub = home / ".cache/huggingface/hub"
    first = hub_file(hub, "org/Big-GGUF", "Q4/big-00001-of-00002.gguf", variant(3))
    hub_file(hub, "org/Big-GGUF", "Q4/big-00002-of-00002.gguf", variant(4))
    hub_file(hub, "org/Half-GGUF", "half-00001-of-00002.gguf", variant(5))
    hub_file(hub, "org/embedder", "embed.gguf", variant(6, **{"llama.pooling_type": 1}))
    hub_file(hub, "org/ranker", "rank.gguf", variant(7, **{"llama.pooling_type": 4}))
    hub_file(hub, "org/lora", "lora.gguf", variant(8, general__type="adapter"))
    hub_file(hub, "Qwen/Qwen3-0.6B", "config.json", b"{}")
    hub_file(hub, "Qwen/Qwen3-0.6B", "model.safetensors", safetensors([64]))
    hub_file(hub, "ggerganov/whisper.cpp", "ggml-tiny.bin", b"lmgg", revision="other")
    (hub / "models--org--Big-GGUF/blobs/abc.incomplete").write_bytes(b"GG")
    (hub / "version.txt").write_text("1")

    studio = home / ".lmstudio/models/lmstudio-community/Gemma-GGUF"
    studio.mkdir(parents=True)
    (studio / "Gemma-Q4_K_M.gguf").write_bytes(variant(9))
    (studio / "mmproj-Gemma.gguf").write_bytes(variant(10, general__architecture="clip"))
    (studio / "again.gguf").symlink_to(first)

    ollama = home / ".ollama/models"
    host = "registry.ollama.ai/library"
    ollama_model(ollama, f"{host}/llama3.2/3b", model=variant(11), template=b"{{ .Prompt }}")
    ollama_model(ollama, f"{host}/llava/latest", model=variant(12), projector=variant(13))
    ollama_model(ollama, "hf.co/org/repo/Q4_K_M", model=variant(14))
    ollama_model(ollama, f"{host}/list/latest", tensor=b"x", model=b"y")
    for name, digest in (("out", "../../../outside.gguf"), ("long", f"sha256:{'a' * 300}")):
        layer = {"mediaType": "application/vnd.ollama.image.model", "digest": digest}
        (ollama / "manifests" / host / name).mkdir()
        (ollama / "manifests" / host / name / "latest").write_text(json.dumps({"layers": [layer]}))
    (home / "outside.gguf").write_bytes(variant(15))
    (home / ".cache/huggingface/hub/models--gone--gone/snapshots/c").mkdir(parents=True)
    (home / ".cache/huggingface/hub/models--gone--gone/snapshots/c/gone.gguf").symlink_to("nowhere")
