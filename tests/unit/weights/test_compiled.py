"""What is compiled once per machine, and what is compiled again."""

import ast
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import localcal.weights
from localcal.weights.compiled import compiled

MODULE = "def total(values):\n    found = 0.0\n    for value in values:\n        found += value\n"
KERNELS = sorted(Path(localcal.weights.__path__[0]).glob("*.py"))


@pytest.fixture
def kernel(tmp_path, monkeypatch):
    """Return a function that gives a module this content and returns its kernel."""

    def make(result: str = "found"):
        path, module = tmp_path / "kernels.py", ModuleType("kernels")
        path.write_text(f"{MODULE}    return {result}\n")
        monkeypatch.setitem(sys.modules, module.__name__, module)
        exec(compile(path.read_text(), path, "exec"), module.__dict__)
        return compiled(module.total)

    return make


def counts(kernel) -> tuple[int, int]:
    """Return how often it was found, and how often compiled."""
    return sum(kernel.stats.cache_hits.values()), sum(kernel.stats.cache_misses.values())


def test_a_kernel_is_compiled_once_for_each_set_of_types(kernel):
    arrays = [np.arange(4.0), np.arange(4.0, dtype=np.float32), np.arange(4)]
    arrays[1].flags.writeable = False
    first, second = kernel(), kernel()
    for array in arrays:
        assert first(array) == 6
    # In another order, so that nothing is found by its place.
    for array in reversed(arrays):
        assert second(array) == 6
    assert (counts(first), counts(second)) == ((0, 3), (3, 0))


def test_an_edited_module_is_compiled_again_and_what_was_kept_of_the_other_stays(kernel):
    values = np.arange(4.0)
    # The same bytecode with another constant.
    for factor in (1, 2, 1):
        assert kernel(f"found * {factor}")(values) == 6 * factor
    again = kernel("found * 2")
    assert (again(values), counts(again)) == (12, (1, 0))


def test_an_edit_of_a_module_beside_it_has_a_kernel_compiled_again(kernel, tmp_path):
    values = np.arange(4.0)
    assert kernel()(values) == 6
    (tmp_path / "beside.py").write_text("FACTOR = 2\n")
    again = kernel()
    assert (again(values), counts(again)) == (6, (0, 1))


def test_a_kernel_of_a_folder_that_cannot_be_written_is_compiled_here(
    kernel, monkeypatch, tmp_path
):
    def refuse(*_):
        raise RuntimeError("cannot cache function: no locator available")

    monkeypatch.setattr("numba.core.caching.CompileResultCacheImpl.__init__", refuse)
    alone = kernel()
    assert (alone(np.arange(4.0)), counts(alone)) == (6, (0, 1))
    assert not list(tmp_path.rglob("*.nbc"))


@pytest.mark.parametrize("path", KERNELS, ids=lambda path: path.stem)
def test_a_kernel_uses_nothing_of_another_folder_whose_edits_would_not_be_noticed(path):
    tree = ast.parse(path.read_text())
    ours = {
        name.asname or name.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        and (node.module or "").startswith("localcal")
        and (node.module or "").rpartition(".")[0] != "localcal.weights"
        for name in node.names
    }
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and "compiled" in {
            ast.unparse(decorator) for decorator in node.decorator_list
        }:
            body = [inner for line in node.body for inner in ast.walk(line)]
            assert not ours & {name.id for name in body if isinstance(name, ast.Name)}, node.name


def test_kernels_are_found_by_their_decorator():
    assert sum(path.read_text().count("\n@compiled\n") for path in KERNELS) > 10
    assert "njit" not in "".join(p.read_text() for p in KERNELS if p.stem != "compiled")
