"""What llama.cpp keeps of a context: keys and values, recurrent state, checkpoints; bytes, from a GGUF's metadata.

The layout is llama.cpp's (llama-hparams.cpp, llama-kv-cache.cpp, llama-kv-cache-iswa.cpp, llama-memory-recurrent.cpp).
Where the metadata don't say which layers have a sliding window, all count in full. Metadata come from a file that
anybody may have made: whatever is not as it should be raises UnusableError.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from zoosup.core.estimation.servers.server import Server
from zoosup.core.state.weights import Value

BYTES = {
    "f32": (1, 4), "f16": (1, 2), "bf16": (1, 2), "q8_0": (32, 34), "q5_1": (32, 24), "q5_0": (32, 22),
    "q4_1": (32, 20), "q4_0": (32, 18), "iq4_nl": (32, 18),
}  # fmt: skip
"""Cache type -> (elements, bytes they take)."""

PADDING = 256
"""Cells come in multiples of this."""

AUTO_SLOTS = 4
"""llama-server's choice where -np is not given; the slots then share one cache."""

_WINDOWED = {
    "afmoe": 4, "cohere2": 4, "exaone-moe": 4, "exaone4": 4, "gemma2": 2, "gemma3": 6, "gemma3n": 5,
    "gpt-oss": 2, "llama4": 4, "mellum": 4, "olmo2": 4, "plamo3": 8,
}  # fmt: skip
_DENSE_FIRST = {"cohere2moe": 4, "laguna": 4, "smallthinker": 4}
_BY_ARRAY = frozenset({"dots3note", "gemma4", "granite-swa", "maple", "mimo2", "spark2-5", "step35"})
"""Architectures whose sliding windows llama.cpp honours, with one full layer in so many; others' don't count."""

_CACHELESS = frozenset(
    {"bert", "gemma-embedding", "jina-bert-v2", "jina-bert-v3", "modern-bert", "neo-bert", "nomic-bert"}
    | {"nomic-bert-moe", "t5encoder"}
)
_BOTH = frozenset({"falcon-h1"})
"""Architectures each of whose layers has keys, values and a recurrent state."""

_INTERVAL = {"qwen3next": 4, "qwen35": 4, "qwen35moe": 4}
_MOST_LAYERS, _MOST = 4096, 2**31


class UnusableError(ValueError):
    """Metadata that no estimate can be made from; the text says which."""


class Metadata:
    """The keys of one architecture, checked as they are read."""

    def __init__(self, values: Mapping[str, Value]) -> None:
        self._values = values
        arch = values.get("general.architecture")
        if not isinstance(arch, str) or not arch:
            raise UnusableError("general.architecture is missing")
        self.arch = arch
        self.layers = self.whole("block_count")
        if not 0 < self.layers <= _MOST_LAYERS:
            raise UnusableError(f"block_count is {self.layers}")

    def __contains__(self, name: str) -> bool:
        return f"{self.arch}.{name}" in self._values

    def raw(self, name: str) -> Value | None:
        """The value as it stands; None where it is missing."""
        return self._values.get(f"{self.arch}.{name}")

    def whole(self, name: str, default: int = 0) -> int:
        """A whole number from 0 to 2^31; of an array the greatest element."""
        value = self.raw(name)
        if value is None:
            return default
        return max(_checked(name, value if isinstance(value, tuple) else (value,)), default=default)

    def each(self, name: str, default: int) -> Sequence[int]:
        """One whole number a layer, from a scalar or an array of them."""
        value = self.raw(name)
        if not isinstance(value, tuple):
            return [self.whole(name, default)] * self.layers
        if len(value) < self.layers:
            raise UnusableError(f"{name} has {len(value)} elements for {self.layers} layers")
        return _checked(name, value[: self.layers])


def _checked(name: str, values: Sequence[Value]) -> list[int]:
    checked = [v for v in values if isinstance(v, int) and 0 <= v <= _MOST]
    if len(checked) != len(values):
        raise UnusableError(f"{name} is not a whole number of sensible size")
    return checked


@dataclass(frozen=True, slots=True)
class Layer:
    """Elements that one token costs in one layer. `keys` 0: no cache; `recurrent`: it has a state for each slot."""

    keys: int
    values: int
    sliding: bool
    recurrent: bool


def layers(meta: Metadata) -> list[Layer]:
    """What each layer keeps."""
    heads = meta.each("attention.head_count", 0)
    kv_heads = meta.each("attention.head_count_kv", max(heads))
    full, near = _widths(meta, max(heads))
    sliding, recurrent, kept = _sliding(meta), _recurrent(meta, kv_heads), _kept(meta)
    shape = []
    for i in range(meta.layers):
        keys, values = near if sliding[i] else full
        attends = kept[i] and (not recurrent[i] or meta.arch in _BOTH)
        count = kv_heads[i] if attends else 0
        shape.append(Layer(keys * count, values * count, sliding[i], recurrent[i]))
    return shape


def _widths(meta: Metadata, heads: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Elements of one head's key and value: of full layers, and of sliding ones."""
    default = meta.whole("embedding_length") // heads if heads else 0
    key, value = (meta.whole(f"attention.{each}_length", default) for each in ("key", "value"))
    if "attention.key_length_mla" in meta:
        return (_latent(meta), 0), (_latent(meta), 0)
    near = meta.whole("attention.key_length_swa", key), meta.whole("attention.value_length_swa", value)
    return (key, value), near


def _latent(meta: Metadata) -> int:
    """MLA: the compressed key with the part that carries the position; values are made from it."""
    return meta.whole("attention.kv_lora_rank") + meta.whole("rope.dimension_count")


def _kept(meta: Metadata) -> list[bool]:
    """The last layers may use the cache of earlier ones."""
    if meta.arch in _CACHELESS:
        return [False] * meta.layers
    own = meta.layers - meta.whole("attention.shared_kv_layers")
    return [i < own for i in range(meta.layers)]


def _sliding(meta: Metadata) -> list[bool]:
    full = [False] * meta.layers
    if not meta.whole("attention.sliding_window"):
        return full
    said = meta.raw("attention.sliding_window_pattern")
    known = meta.arch in _WINDOWED or meta.arch in _DENSE_FIRST or meta.arch in _BY_ARRAY
    if isinstance(said, tuple) and known:
        return [bool(each) for each in said[: meta.layers]] + full[len(said) :]
    one_in = meta.whole("attention.sliding_window_pattern", 0)
    if meta.arch in _WINDOWED:
        one_in = one_in or _WINDOWED[meta.arch]
        return [i % one_in < one_in - 1 for i in range(meta.layers)]
    if meta.arch in _DENSE_FIRST:
        one_in = one_in or _DENSE_FIRST[meta.arch]
        return [i % one_in != 0 for i in range(meta.layers)]
    return full


def _recurrent(meta: Metadata, kv_heads: Sequence[int]) -> list[bool]:
    if not _state_elements(meta):
        return [False] * meta.layers
    if meta.arch in _BOTH:
        return [True] * meta.layers
    interval = meta.whole("full_attention_interval", _INTERVAL.get(meta.arch, 0))
    if interval:
        return [(i + 1) % interval != 0 for i in range(meta.layers)]
    return [heads == 0 for heads in kv_heads]


def _state_elements(meta: Metadata) -> int:
    """Elements of one layer's recurrent state, for one slot (llama_hparams::n_embd_r, n_embd_s)."""
    width, convolution = meta.whole("embedding_length"), meta.whole("ssm.conv_kernel")
    if head := meta.whole("wkv.head_size"):
        return width * (meta.whole("token_shift_count", 2) + head)
    if cached := meta.whole("shortconv.l_cache"):
        return width * (cached - 1)
    if head := meta.whole("kda.head_dim"):
        heads = meta.whole("attention.head_count")
        return head * heads * (3 * max(0, convolution - 1) + head)
    inner, state = meta.whole("ssm.inner_size"), meta.whole("ssm.state_size")
    groups = meta.whole("ssm.group_count")
    return max(0, convolution - 1) * (inner + 2 * groups * state) + state * inner


@dataclass(frozen=True, slots=True)
class Cells:
    """How many tokens there is room for: in full, in a sliding window, and in how many such caches."""

    full: int
    window: int
    streams: int
    slots: int
    context: int


def slots(server: Server) -> tuple[int, bool]:
    """How many requests llama-server answers at once, and whether they share one cache."""
    if server.parallel < 0:
        return AUTO_SLOTS, True
    return server.parallel, bool(server.unified)


def cells(meta: Metadata, server: Server) -> Cells:
    """The room that a server makes; UnusableError where neither it nor the file says how long the context is."""
    count, unified = slots(server)
    context = server.context or server.per_slot * count or meta.whole("context_length")
    if not context:
        raise UnusableError("neither -c nor context_length says how long the context is")
    streams = 1 if unified else count
    full = _padded(_padded(context) // streams)
    near = meta.whole("attention.sliding_window") * (count if unified else 1)
    window = full if server.swa_full else _padded(min(full, near + server.ubatch))
    return Cells(full, window, streams, count, full * streams)


def _padded(count: int) -> int:
    return -(-count // PADDING) * PADDING


def cache_bytes(room: Cells, shape: Sequence[Layer], types: tuple[str, str]) -> int:
    """Keys and values of all streams; UnusableError for a cache type that llama.cpp does not have."""
    (keys_in, key_bytes), (values_in, value_bytes) = (_element(each) for each in types)
    total = 0
    for layer in shape:
        count = room.window if layer.sliding else room.full
        total += count * (layer.keys * key_bytes // keys_in + layer.values * value_bytes // values_in)
    return total * room.streams


def _element(name: str) -> tuple[int, int]:
    if name not in BYTES:
        raise UnusableError(f"{name!r} is no cache type; there are {', '.join(BYTES)}")
    return BYTES[name]


def state_bytes(meta: Metadata, room: Cells, shape: Sequence[Layer]) -> int:
    """The recurrent states of all slots, kept as f32."""
    return 4 * _state_elements(meta) * sum(layer.recurrent for layer in shape) * room.slots


def checkpoint_bytes(meta: Metadata, room: Cells, shape: Sequence[Layer], server: Server) -> int:
    """One context checkpoint: what of one slot can't be rolled back, that is windows and recurrent states.

    None are made where the whole context is kept anyway (--swa-full, or no such layers).
    """
    near = [] if server.swa_full else [layer for layer in shape if layer.sliding]
    tokens = min(room.full, meta.whole("attention.sliding_window"))
    one = Cells(tokens, tokens, 1, 1, tokens)
    return cache_bytes(one, near, server.types) + state_bytes(meta, one, shape)
