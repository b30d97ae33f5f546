"""Change one thing in a package at a time, and see whether its tests notice.

    python tests/mutations.py workflow/localcal/clones --most 25 --seed 1

Works on a copy of the checkout, one mutation after the other, and prints a table of what killed
each. A survivor is a line that could be wrong without a test to say so, or a change that changes
nothing; which of the two it is, only a reader can tell.
"""

import argparse
import ast
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

REPOSITORY = Path(__file__).parents[1]
PACKAGE = Path("workflow/localcal")
UNIT_TESTS = Path("tests/unit")
NOT_COPIED = (".git", ".venv*", "runs", ".snakemake", "__pycache__", ".*_cache", ".hypothesis")

SURVIVED = "SURVIVED"
# A mutation may make a loop endless. Over the time of the tests as they are.
TIMES_AS_LONG = 5
SECONDS_MORE = 20

COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult, ast.Mod: ast.Mult, ast.Pow: ast.Mult, ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd, ast.LShift: ast.RShift, ast.RShift: ast.LShift,
}  # fmt: skip
# What says nothing about behaviour: types, and what only readers or mistakes of ours would notice.
SKIPPED_FIELDS = {"annotation", "returns", "decorator_list", "type_params"}
SKIPPED_KEYWORDS = {"strict", "copy", "exist_ok"}
SKIPPED_CALLS = {"logger", "logging"}


class Mutation(NamedTuple):
    """One change of one file."""

    path: Path
    """Relative to the checkout."""
    line: int
    what: str
    text: str
    """The whole file after it."""


def sites(tree: ast.AST) -> Iterator[tuple[ast.expr | ast.stmt, Callable[[], None]]]:
    """Yield what can be changed and a function that does so, in the order of the source."""
    if isinstance(tree, ast.keyword) and tree.arg in SKIPPED_KEYWORDS:
        return
    yield from _changes(tree)
    for name, field in ast.iter_fields(tree):
        if name in SKIPPED_FIELDS:
            continue
        for child in field if isinstance(field, list) else [field]:
            if isinstance(child, ast.AST) and not _only_logs(child):
                yield from sites(child)


def _only_logs(node: ast.AST) -> bool:
    if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)):
        return False
    return ast.unparse(node.value.func).partition(".")[0] in SKIPPED_CALLS


def _changes(node: ast.AST) -> Iterator[tuple[ast.expr | ast.stmt, Callable[[], None]]]:
    match node:
        case ast.Compare(ops=operators):
            for place, comparison in enumerate(operators):
                swapped = COMPARISONS[type(comparison)]()
                yield node, partial(operators.__setitem__, place, swapped)
        case ast.BinOp(op=operator) | ast.AugAssign(op=operator) if type(operator) in ARITHMETIC:
            yield node, lambda: setattr(node, "op", ARITHMETIC[type(operator)]())
        case ast.BoolOp(op=operator):
            other = ast.Or() if isinstance(operator, ast.And) else ast.And()
            yield node, lambda: setattr(node, "op", other)
        case ast.UnaryOp(op=ast.Not() | ast.Invert() as operator):
            twice = ast.UnaryOp(operator, node.operand)
            yield node, lambda: setattr(node, "operand", twice)
        case ast.Constant(value=bool(value)):
            yield node, lambda: setattr(node, "value", not value)
        case ast.Constant(value=int(value) | float(value)):
            yield node, lambda: setattr(node, "value", value + 1)
        case ast.Expr(value=ast.Call()):
            yield node, lambda: setattr(node, "value", ast.Constant(...))


def mutations(checkout: Path, package: Path) -> list[Mutation]:
    """Return every mutation of a package, or of one module."""
    whole = checkout / package
    found = []
    for path in sorted(whole.rglob("*.py")) if whole.is_dir() else [whole]:
        source = path.read_text()
        for number in range(sum(1 for _ in sites(ast.parse(source)))):
            tree = ast.parse(source)
            node, change = list(sites(tree))[number]
            before = ast.unparse(node)
            change()
            ast.fix_missing_locations(tree)
            what = f"{before} -> {ast.unparse(node)}"
            relative = path.relative_to(checkout)
            found.append(Mutation(relative, node.lineno, what, ast.unparse(tree)))
    return found


def mirrored_tests(package: Path) -> Path:
    """Return where the tests of a package or module are."""
    inside = package.relative_to(PACKAGE)
    return UNIT_TESTS / (inside.with_name(f"test_{inside.name}") if inside.suffix else inside)


def killer(checkout: Path, tests: list[Path], seconds: float | None) -> str:
    """Run tests until one fails, and return which, or SURVIVED if all pass."""
    with tempfile.TemporaryDirectory() as kernels:
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider"]
        # What is compiled from a file does not notice a change of another one.
        environment = os.environ | {
            "PYTHONPATH": str(checkout / "workflow"),
            "PYTHONDONTWRITEBYTECODE": "1",
            "NUMBA_CACHE_DIR": kernels,
            # They take seconds to load, and no unit test needs them.
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        }
        process = subprocess.Popen(
            [*command, *map(str, tests)],
            cwd=checkout,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            output, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            return "the time limit"
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
    if process.returncode == 0:
        return SURVIVED
    first = re.search(r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", output, flags=re.MULTILINE)
    if first is None:
        raise RuntimeError(f"pytest ended with {process.returncode}:\n{output}")
    return first[1]


def try_all(
    checkout: Path, chosen: list[Mutation], tests: list[Path]
) -> Iterator[tuple[Mutation, str]]:
    """Yield each mutation with what killed it."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "checkout"
        shutil.copytree(checkout, copy, ignore=shutil.ignore_patterns(*NOT_COPIED))
        start = time.monotonic()
        if (failing := killer(copy, tests, None)) != SURVIVED:
            raise RuntimeError(f"{failing} fails without any mutation")
        limit = TIMES_AS_LONG * (time.monotonic() - start) + SECONDS_MORE
        for mutation in chosen:
            path = copy / mutation.path
            source = path.read_bytes()
            path.write_text(mutation.text)
            yield mutation, killer(copy, tests, limit)
            path.write_bytes(source)


def table(results: list[tuple[Mutation, str]]) -> str:
    """Return the results as a table, with totals."""
    lines = ["| place | mutation | killed by |", "|---|---|---|"]
    for mutation, killed_by in results:
        what = re.sub(r"\s+", " ", mutation.what).replace("|", "\\|")
        test = re.sub(r"^tests/unit/", "", killed_by)
        lines.append(f"| {mutation.path}:{mutation.line} | {what} | {test} |")
    survivors = sum(killed_by == SURVIVED for _, killed_by in results)
    total = len(results)
    lines.append(f"\n{total} mutations: {total - survivors} killed, {survivors} survived\n")
    return "\n".join(lines)


def main(arguments: list[str], checkout: Path = REPOSITORY) -> str:
    """Try what the command line asks for and return the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("package", type=Path, help="folder or module, from the checkout")
    parser.add_argument("--most", type=int, help="try a random sample of so many")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument("--tests", type=Path, nargs="+", help="instead of the mirrored ones")
    asked = parser.parse_args(arguments)
    package = Path(os.path.relpath(checkout / asked.package, checkout))
    chosen = mutations(checkout, package)
    if asked.most is not None and asked.most < len(chosen):
        numbers = random.Random(asked.seed).sample(range(len(chosen)), asked.most)
        chosen = [chosen[number] for number in sorted(numbers)]
    return table(list(try_all(checkout, chosen, asked.tests or [mirrored_tests(package)])))


if __name__ == "__main__":
    sys.stdout.write(main(sys.argv[1:]))
