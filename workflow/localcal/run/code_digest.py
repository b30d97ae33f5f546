"""What a rule's code is: a digest of its script and of everything that script imports.

A rule carries the digest as a parameter, so an edit to a kernel remakes exactly the files it went
into. Only what a file says to Python counts: its tokens without comments and docstrings. Checking
out, touching or documenting files changes nothing. The files digested are those that Python
imports, not those that lie in the checkout.
"""

import ast
import hashlib
import re
import sys
import tokenize
from collections.abc import Iterator
from functools import cache
from importlib.metadata import Distribution, PackageNotFoundError, distributions, version
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

from localcal.errors import InputError

PACKAGE = "localcal"

# The model's engine comes with it and decides its results as much.
COMPANIONS = {"policyengine-us": ("policyengine-core",)}

# A script that calls this uses the engine that the config names.
ENGINE_LOADER = "run_with_engine"

# Calls that import what they are given the name of, and which argument that is.
NAMING_CALLS = {"import_module": 0, ENGINE_LOADER: 1, "run_where_warm": 1}


class CodeDigest:
    """Digests of the code behind each rule of one checkout, each file read once.

    Args:
        scripts: the folder with one script per rule.
        engine: the configured engine, `module:Class`.
    """

    def __init__(self, scripts: str | Path, engine: str) -> None:
        self.scripts = Path(scripts)
        self.engine = engine.partition(":")[0]
        self._sources: dict[Path, _Source] = {}
        self._digests: dict[str, str] = {}
        self._reach: dict[str, list[tuple[str, Path | None]]] = {}
        self._versions: dict[str, str] = {}
        self._resolutions: dict[_Import, list[tuple[str, Path]]] = {}

    def __call__(self, rule: str) -> str:
        """Return the hexadecimal SHA-256 of a rule's code.

        Raises:
            InputError: there is no such script, it does not parse, or an import leads nowhere.
        """
        if rule not in self._digests:
            lines = [f"script {self._source(self.script(rule)).sha256}"]
            lines += [
                f"module {name} {self._source(path).sha256}"
                for name, path in sorted(self.modules(rule).items())
            ]
            lines += [
                f"run {path.name} {self._source(path).sha256}" for path in self.run_elsewhere(rule)
            ]
            lines += [f"{name}=={number}" for name, number in sorted(self.versions(rule).items())]
            self._digests[rule] = hashlib.sha256("\n".join(lines).encode()).hexdigest()
        return self._digests[rule]

    def script(self, rule: str) -> Path:
        """Return the path of a rule's script."""
        return self.scripts / f"{rule}.py"

    def rules(self) -> list[str]:
        """Return the rules that have a script."""
        return sorted(path.stem for path in self.scripts.glob("*.py"))

    def modules(self, rule: str) -> dict[str, Path]:
        """Return the modules of this project that a rule's script imports, however indirectly."""
        return {name: path for name, path in self._reached(rule) if path is not None}

    def run_elsewhere(self, rule: str) -> list[Path]:
        """Return the files that a rule's code has another interpreter run.

        They are part of the code; what they import is that interpreter's.

        Raises:
            InputError: one of them does not exist.
        """
        files = {
            path.with_name(name)
            for path in (self.script(rule), *self.modules(rule).values())
            for name in self._source(path).run_elsewhere
        }
        missing = sorted(str(path) for path in files if not path.is_file())
        if missing:
            raise InputError(f"{missing[0]}: no such file, but another names it to be run")
        return sorted(files)

    def versions(self, rule: str) -> dict[str, str]:
        """Return the versions of the installed distributions that a rule's code imports."""
        names = {
            distribution
            for name, path in self._reached(rule)
            if path is None
            for distribution in _distributions(name)
        }
        for name in names - self._versions.keys():
            self._versions[name] = version(name)
        return {name: self._versions[name] for name in names}

    def _reached(self, rule: str) -> list[tuple[str, Path | None]]:
        """Return name and file of every import; the file is None where others provide it."""
        if rule not in self._reach:
            self._reach[rule] = self._follow(rule)
        return self._reach[rule]

    def _follow(self, rule: str) -> list[tuple[str, Path | None]]:
        script = self._source(self.script(rule))
        waiting = [(found, self.script(rule)) for found in script.imports]
        if script.loads_engine:
            waiting.append((_Import(self.engine, certain=True), self.script(rule)))
        own = {PACKAGE, self.engine.partition(".")[0]}
        reached: dict[str, Path | None] = {}
        while waiting:
            imported, importer = waiting.pop()
            top = imported.name.partition(".")[0]
            if top in sys.stdlib_module_names:
                continue
            if top not in own:
                reached[top] = None
                continue
            for module, path in self._resolved(imported, importer):
                if module not in reached:
                    reached[module] = path
                    waiting += [(found, path) for found in self._source(path, module).imports]
        return list(reached.items())

    def _resolved(self, imported: "_Import", importer: Path) -> list[tuple[str, Path]]:
        if imported not in self._resolutions:
            self._resolutions[imported] = _resolve(imported, importer)
        return self._resolutions[imported]

    def _source(self, path: Path, module: str = "") -> "_Source":
        if path not in self._sources:
            self._sources[path] = _Source(path, module)
        return self._sources[path]


class _Source:
    """One Python file: its digest, what it imports and whether it speaks of the engine."""

    def __init__(self, path: Path, module: str) -> None:
        try:
            content = path.read_bytes()
            tree = ast.parse(content, filename=str(path))
        except OSError as error:
            raise InputError(f"{path}: {error.strerror}; every rule has a script") from error
        except SyntaxError as error:
            raise InputError(f"{path}: line {error.lineno}: {error.msg}") from error
        self.sha256 = hashlib.sha256("\n".join(_meaning(content, tree)).encode()).hexdigest()
        package = module if path.name == "__init__.py" else module.rpartition(".")[0]
        names = any(name.encode() in content for name in NAMING_CALLS)
        self.imports = list(dict.fromkeys(_imports(tree, package, names)))
        self.run_elsewhere = sorted(_named_beside(tree)) if b"with_name" in content else []
        self.loads_engine = ENGINE_LOADER.encode() in content


# What a file does is the same without them: comments, blank lines and how a file is encoded.
_SILENT = frozenset({tokenize.COMMENT, tokenize.NL, tokenize.ENCODING})
# How deep a block is indented is told by there being one.
_LAYOUT = frozenset({tokenize.INDENT, tokenize.DEDENT, tokenize.NEWLINE})


def _meaning(content: bytes, tree: ast.AST) -> Iterator[str]:
    """Yield a file's tokens, one line each, without comments and docstrings.

    Tokens rather than the syntax tree: the tree's names change between versions of Python.
    """
    documented = {(node.lineno, node.col_offset) for node in _docstrings(tree)}
    ends_docstring = False
    for token in tokenize.tokenize(BytesIO(content).readline):
        if token.type == tokenize.STRING and token.start in documented:
            ends_docstring = True
        elif token.type == tokenize.NEWLINE and ends_docstring:
            ends_docstring = False
        elif token.type not in _SILENT:
            text = "" if token.type in _LAYOUT else token.string
            yield f"{tokenize.tok_name[token.type]} {text!r}"


def _docstrings(tree: ast.AST) -> Iterator[ast.Expr]:
    """Yield every text that stands alone as a statement, those below attributes among them."""
    for node in _statements(tree):
        if (
            isinstance(node, ast.Expr)
            and isinstance(node.value, ast.Constant)
            and isinstance(node.value.value, str)
        ):
            yield node


def _statements(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield every statement of a file; most of its nodes are expressions, which have none."""
    waiting = _blocks(tree)
    while waiting:
        node = waiting.pop()
        yield node
        waiting += _blocks(node)


def _blocks(node: ast.AST) -> list[ast.AST]:
    """Return the statements of a node's blocks, with handlers and cases as nodes between."""
    fields = ("body", "handlers", "cases", "orelse", "finalbody")
    # The body of a conditional expression or of a lambda is an expression.
    found = [getattr(node, field, ()) for field in fields]
    return [child for below in found if isinstance(below, list) for child in below]


class _Import(NamedTuple):
    """A dotted name in an import; where it is not certain, it may be a module's attribute."""

    name: str
    certain: bool


def _imports(tree: ast.AST, package: str, names: bool) -> Iterator[_Import]:
    """Yield what a file imports anywhere in it, also as a name given to one of NAMING_CALLS.

    Imports for type checkers do not happen and are left out. Expressions are looked at only where
    `names` says that the file has one of those calls.
    """
    for node in _executed(tree, names):
        if isinstance(node, ast.Import):
            yield from (_Import(alias.name, certain=True) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, *([base] if base else [])])
            yield _Import(base, certain=True)
            yield from (_Import(f"{base}.{alias.name}", certain=False) for alias in node.names)
        elif isinstance(node, ast.Call) and _called(node) in NAMING_CALLS:
            for argument in node.args[NAMING_CALLS[_called(node)] :][:1]:
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                    yield _Import(argument.value.partition(":")[0], certain=True)


def _named_beside(tree: ast.AST) -> set[str]:
    """Return the Python files that a file names as lying beside it: `.with_name("other.py")`."""
    return {
        argument.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and _called(node) == "with_name"
        for argument in node.args[:1]
        if isinstance(argument, ast.Constant)
        and isinstance(argument.value, str)
        and argument.value.endswith(".py")
    }


def _executed(tree: ast.AST, expressions: bool) -> Iterator[ast.AST]:
    """Yield every statement, or every node, but those under `if TYPE_CHECKING:`."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            waiting += node.orelse
        elif expressions:
            waiting += ast.iter_child_nodes(node)
        else:
            waiting += _blocks(node)


def _called(node: ast.Call) -> str:
    return getattr(node.func, "attr", getattr(node.func, "id", ""))


def _resolve(imported: _Import, importer: Path) -> list[tuple[str, Path]]:
    """Return the files that importing a dotted name runs: its packages' and its own.

    Raises:
        InputError: the module does not exist.
    """
    top, *rest = imported.name.split(".")
    places, dotted, found = _places(top), top, []
    for part in (None, *rest):
        if part is not None:
            places, dotted = [place / part for place in places], f"{dotted}.{part}"
        candidates = [*(p / "__init__.py" for p in places), *(p.with_suffix(".py") for p in places)]
        file = next((candidate for candidate in candidates if candidate.is_file()), None)
        if file is not None:
            found.append((dotted, file))
        elif not any(place.is_dir() for place in places):
            if dotted == imported.name and not imported.certain:
                break
            raise InputError(f"{importer}: imports {dotted}, which does not exist")
    return found


@cache
def _places(top: str) -> list[Path]:
    """Return where a top-level package or module lies, without a module's suffix."""
    spec = find_spec(top)
    if spec is None:
        raise InputError(f"{top} cannot be imported; is it installed, or on PYTHONPATH?")
    if spec.submodule_search_locations is not None:
        return [Path(folder) for folder in spec.submodule_search_locations]
    return [Path(str(spec.origin)).with_suffix("")]


@cache
def _distributions(top: str) -> tuple[str, ...]:
    """Return the installed distributions that a top-level import stands for.

    Raises:
        InputError: none provides it, so nothing would notice when it changes.
    """
    try:
        version(top)
        names = [top.replace("_", "-")]
    except PackageNotFoundError:
        names = [found.name for found in distributions() if _provides(found, top)]
    if not names:
        raise InputError(f"{top} is imported, but no installed distribution provides it")
    return tuple(sorted({n for name in names for n in (name, *COMPANIONS.get(name, ()))}))


def _provides(distribution: Distribution, top: str) -> bool:
    """Return whether a distribution has a top-level package or module of this name.

    As `importlib.metadata.packages_distributions` does, which looks for every file of every
    distribution on the disk, a second's work at each start.
    """
    declared = (distribution.read_text("top_level.txt") or "").split()
    if declared:
        return top in declared
    listed = distribution.read_text("RECORD")
    if listed is None:
        listed = "\n".join(str(path) for path in distribution.files or ())
    own = re.compile(rf"^{re.escape(top)}(?:/|\.[^/,]+(?:,|$))", re.MULTILINE)
    return own.search(listed) is not None


def refuse_other_package(folder: str | Path) -> None:
    """Refuse to run one checkout's workflow with another copy of its package.

    Raises:
        InputError: `import localcal` does not lead into `folder`.
    """
    imported = Path(__file__).resolve().parents[1]
    if imported != Path(folder).resolve():
        raise InputError(
            f"localcal is imported from {imported}, not from {Path(folder)}; "
            "run `pip install -e . --no-deps` in this checkout"
        )
