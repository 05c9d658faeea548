"""What zoo.yaml allows in each pool: the most that all models may hold, and what is always left to the host.

Pure arithmetic; bytes. Knows no model.
"""

from collections.abc import Mapping
from typing import Literal

from zoosup.core.state.pools import VRAM
from zoosup.spec.model.memory import BudgetSpec

_GIB = 2**30


def reserve_of(total: int, setting: int | Literal["auto"]) -> int:
    """Bytes always left to the rest of the host: auto is max(1.5 GiB, min(8 GiB, 10 %))."""
    return max(3 * _GIB // 2, min(8 * _GIB, total // 10)) if setting == "auto" else setting


def budget_of(total: int, reserve: int, setting: int | Literal["auto"]) -> int:
    """The most bytes all models may hold together: auto is the total less the reserve, and never below 0."""
    return max(0, total - reserve) if setting == "auto" else setting


def bounds(budget: BudgetSpec, pool: str, total: int, index: str = "") -> tuple[int, int]:
    """(reserve, budget) in bytes of a pool of `total` bytes, by what the file says of pools of its kind."""
    if not pool.startswith(VRAM):
        reserve = reserve_of(total, budget.ram_reserve)
        return reserve, budget_of(total, reserve, budget.ram)
    return budget.vram_reserve, budget_of(total, budget.vram_reserve, _of_gpu(budget, pool, index))


def _of_gpu(budget: BudgetSpec, pool: str, index: str) -> int | Literal["auto"]:
    if not isinstance(budget.vram, Mapping):
        return budget.vram
    return next((size for key, size in budget.vram.items() if names_gpu(key, pool, index)), "auto")


def names_gpu(key: str, pool: str, index: str) -> bool:
    """Whether an index or a UUID of the file means this pool; a UUID may be cut short, as CUDA allows."""
    return key == index or (not key[:1].isdigit() and pool.removeprefix(VRAM).startswith(key))
