"""Kernels that numba compiles once per machine, and not again in every process.

What was compiled is kept beside the module in `__pycache__`, or where NUMBA_CACHE_DIR says. Numba's
own cache has one index of a function for all argument types, which processes that compile at the
same time overwrite for each other. Here a file is for one set of types, one processor, one version
of numba and one content of the module and of those beside it, by its name, so it is right or not
there. For that a kernel may use nothing but numba, numpy and what is defined in its own folder.
"""

import hashlib
import inspect
import os
import pickle
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import numba
from numba.core.caching import FunctionCache
from numba.core.serialize import dumps

from localcal.files.atomic import atomic_path


def compiled(function: Callable) -> Callable:
    """Return a function as a compiled one; where nothing can be kept, each process compiles it."""
    kernel: Any = numba.njit(function)
    # Numba says so by this error: no folder that it may write into.
    try:
        kernel._cache = _Kept(function)
    except RuntimeError:
        return kernel
    return kernel


class _Kept(FunctionCache):
    """What a function was compiled to, in a file of its own for each set of argument types."""

    @cached_property
    def _sources(self) -> str:
        """The content of all modules in the folder of the function's own."""
        digest = hashlib.sha256()
        for path in sorted(Path(inspect.getfile(self._py_func)).parent.glob("*.py")):
            digest.update(repr((path.name, path.read_bytes())).encode())
        return digest.hexdigest()

    def _load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            content = self._path(sig, target_context.codegen()).read_bytes()
        except FileNotFoundError:
            return None
        return self._impl.rebuild(target_context, pickle.loads(content))

    def _save_overload(self, sig: Any, data: Any) -> None:
        if not self._impl.check_cachable(data):
            return
        with atomic_path(self._path(sig, data.codegen), suffix=f".{os.getpid()}") as part:
            part.write_bytes(dumps(self._impl.reduce(data)))

    def _path(self, sig: Any, codegen: Any) -> Path:
        what = (numba.__version__, self._sources)
        key = repr((what, self._index_key(sig, codegen)))
        digest = hashlib.sha256(key.encode()).hexdigest()
        return Path(self.cache_path) / f"{self._impl.filename_base}.{digest[:32]}.nbc"
