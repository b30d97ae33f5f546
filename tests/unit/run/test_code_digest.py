"""A rule's code is its script and what that imports, by content."""

import os
import sys
from importlib.metadata import distributions
from pathlib import Path

import pytest

from localcal.errors import InputError
from localcal.run import code_digest
from localcal.run.code_digest import CodeDigest, refuse_other_package


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """A package of its own name, with three modules and two scripts."""
    package = tmp_path / "project"
    (package / "deep").mkdir(parents=True)
    files = {
        "project/__init__.py": "",
        "project/errors.py": "import os\n",
        "project/kernel.py": "import numpy as np\nfrom project.errors import Trouble\n",
        "project/other.py": "from .errors import Trouble\nfrom . import kernel as k\n",
        "project/typed.py": (
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from project import kernel\n"
        ),
        "project/deep/__init__.py": "",
        "project/deep/leaf.py": "from ..errors import Trouble\n",
        "toy/model.py": "import project.errors\nimport toy.helper\n",
        "toy/helper.py": "",
        "scripts/light.py": "import project.errors\n",
        "scripts/heavy.py": "with open('x'):\n    from project.kernel import run\n",
        "scripts/lazy.py": "def f():\n    importlib.import_module('project.deep.leaf')\n",
        "scripts/loader.py": "from project.errors import run_with_engine\nrun_with_engine('x')\n",
        "scripts/named.py": (
            "from project.errors import run_with_engine\n"
            "run_with_engine(engine, 'project.kernel:run')\n"
        ),
        "scripts/typing.py": "from project import typed\n",
        "scripts/relative.py": "from project.other import x\n",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(code_digest, "PACKAGE", "project")
    code_digest._places.cache_clear()
    yield tmp_path
    code_digest._places.cache_clear()


def digests(project: Path, engine: str = "toy.model:Toy") -> dict[str, str]:
    """Return every script's digest, read anew."""
    code = CodeDigest(project / "scripts", engine)
    return {rule: code(rule) for rule in code.rules()}


def changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    """Return the rules whose digests differ."""
    return {rule for rule in before if before[rule] != after[rule]}


def modules(project: Path, rule: str) -> set[str]:
    """Return the names of the modules a script reaches."""
    return set(CodeDigest(project / "scripts", "toy.model:Toy").modules(rule))


def test_an_edit_shows_for_exactly_the_scripts_that_reach_the_module(project):
    before = digests(project)
    (project / "project/kernel.py").write_text("import numpy as np\nedited = 1\n")
    assert changed(before, digests(project)) == {"heavy", "named", "relative"}


def test_a_file_run_by_another_interpreter_counts_but_its_imports_do_not(project):
    (project / "project/kernel.py").write_text("RUNNER = path.with_name('runner.py')\n")
    with pytest.raises(InputError, match="runner.py: no such file"):
        digests(project)
    (project / "project/runner.py").write_text("import installed_elsewhere\n")
    before = digests(project)
    (project / "project/runner.py").write_text("import installed_elsewhere as it\n")
    assert changed(before, digests(project)) == {"heavy", "named", "relative"}


def test_an_edited_script_shows_for_itself_alone(project):
    before = digests(project)
    (project / "scripts/light.py").write_text("import project.errors as e\n")
    assert changed(before, digests(project)) == {"light"}


def test_a_package_is_part_of_its_modules(project):
    before = digests(project)
    (project / "project/deep/__init__.py").write_text("edited = 1\n")
    assert changed(before, digests(project)) == {"lazy"}


DOCUMENTED = '''"""What it is for,
in two lines."""

# Why.
import numpy as np  # and again


class Kernel:
    """A class."""

    size: int
    """An attribute."""

    def run(self):
        """Docstring."""
        # a comment
        return f"{self.size} // 2" + "# no comment"
'''
PLAIN = """import numpy as np
class Kernel:
    size: int
    def run(self):
      return f"{self.size} // 2" + "# no comment"
"""


def test_comments_docstrings_and_layout_say_nothing_to_python(project):
    (project / "project/kernel.py").write_text(DOCUMENTED)
    before = digests(project)
    (project / "project/kernel.py").write_text(PLAIN)
    assert changed(before, digests(project)) == set()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# no comment", "# none"),
        ("// 2", "// 3"),
        ("    return", "    pass\n      return"),
        ("      return", "      'a text that stands alone' + ''\n      return"),
        ("    def run(self):\n      return", "def run(self):\n  return"),
    ],
)
def test_everything_else_does(project, old, new):
    (project / "project/kernel.py").write_text(PLAIN)
    before = digests(project)
    assert old in PLAIN
    (project / "project/kernel.py").write_text(PLAIN.replace(old, new))
    assert changed(before, digests(project)) == {"heavy", "named", "relative"}


def test_touching_changes_nothing(project):
    before = digests(project)
    for path in project.rglob("*.py"):
        os.utime(path, (2_000_000_000, 2_000_000_000))
    assert changed(before, digests(project)) == set()


def test_the_place_of_the_checkout_does_not_matter(project, monkeypatch):
    before = digests(project)
    moved = project / "elsewhere"
    moved.mkdir()
    for name in ("project", "toy", "scripts"):
        (project / name).rename(moved / name)
    monkeypatch.syspath_prepend(moved)
    code_digest._places.cache_clear()
    assert digests(moved) == before


def test_imports_inside_functions_and_blocks_count(project):
    assert modules(project, "heavy") == {"project", "project.kernel", "project.errors"}
    assert "project.deep.leaf" in modules(project, "lazy")


def test_relative_imports_are_followed(project):
    assert modules(project, "relative") >= {"project.other", "project.errors", "project.kernel"}
    assert "project.errors" in modules(project, "lazy")


def test_imports_for_type_checkers_do_not_count(project):
    assert modules(project, "typing") == {"project", "project.typed"}


def test_the_configured_engine_belongs_to_the_scripts_that_load_one(project):
    assert modules(project, "loader") >= {"toy.model", "toy.helper"}
    assert "toy.model" not in modules(project, "light")


def test_versions_of_what_is_imported_count(project, monkeypatch):
    assert CodeDigest(project / "scripts", "toy.model:Toy").versions("heavy").keys() == {"numpy"}
    before = digests(project)
    monkeypatch.setattr(code_digest, "version", lambda name: "0.0.0")
    assert changed(before, digests(project)) == {"heavy", "named", "relative"}


@pytest.mark.parametrize(
    ("folder", "file", "text", "provided"),
    [
        ("x.dist-info", "RECORD", "yaml/__init__.py,sha256=a/b,9\n_yaml.so,,\n", {"yaml", "_yaml"}),
        ("x.dist-info", "RECORD", "x.dist-info/RECORD,,\nyaml.libs/y.so,,\nb/yaml.py,,\n", {"b"}),
        # What it declares counts, whatever its files are.
        ("x.dist-info", "top_level.txt", "yaml\n_yaml\n", {"yaml", "_yaml"}),
        ("x.egg-info", "SOURCES.txt", "setup.cfg\nyaml/a.py\n", {"yaml"}),
    ],
)
def test_what_a_distribution_provides_is_read_of_its_own_list(
    tmp_path, folder, file, text, provided
):
    described = tmp_path / folder
    described.mkdir()
    (described / file).write_text(text)
    (tmp_path / "yaml").mkdir()
    (tmp_path / "yaml/a.py").touch()
    (found,) = distributions(path=[str(tmp_path)])
    tops = ("yaml", "_yaml", "b", "yam", "x")
    assert {top for top in tops if code_digest._provides(found, top)} == provided


def test_the_models_engine_comes_with_the_model(project):
    (project / "project/kernel.py").write_text("import policyengine_us\n")
    versions = CodeDigest(project / "scripts", "toy.model:Toy").versions("heavy")
    assert versions.keys() == {"policyengine-us", "policyengine-core"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("from project.nothing import x\n", "imports project.nothing, which does not exist"),
        ("import no_such_distribution\n", "no_such_distribution is imported, but no installed"),
        ("def f(:\n", "light.py: line 1: "),
    ],
)
def test_an_import_that_leads_nowhere_is_refused(project, text, message):
    (project / "scripts/light.py").write_text(text)
    with pytest.raises(InputError, match=message):
        digests(project)


def test_an_engine_that_does_not_exist_is_refused(project):
    with pytest.raises(InputError, match="nowhere cannot be imported"):
        digests(project, engine="nowhere.model:Model")


def test_nothing_is_imported_to_find_out(project):
    digests(project)
    assert not [name for name in sys.modules if name.partition(".")[0] in ("project", "toy")]


def test_another_copy_of_the_package_is_refused(tmp_path):
    refuse_other_package(Path(code_digest.__file__).parents[1])
    with pytest.raises(InputError, match=r"pip install -e \."):
        refuse_other_package(tmp_path)


def test_writing_a_problem_down_does_not_depend_on_solving_it():
    code = CodeDigest(Path(code_digest.__file__).parents[3] / "scripts", "toy")
    solving = {"localcal.weights.solver", "localcal.weights.descent", "localcal.weights.newton"}
    assert not solving & code.modules("prepare_l0").keys()
    assert solving <= code.modules("fit_weights").keys()


def test_every_script_that_works_with_the_model_depends_on_its_version():
    scripts = Path(code_digest.__file__).parents[3] / "scripts"
    code = CodeDigest(scripts, "localcal.engine:PolicyEngineUS")
    working = [path.stem for path in scripts.glob("*.py") if "run_with_engine" in path.read_text()]
    assert {"freeze_values", "simulate_area"} <= set(working)
    # These leave it to a supervisor.
    working += ["build_chunk", "plan_sweep", "run_batch"]
    lacking = [rule for rule in working if "policyengine-us" not in code.versions(rule)]
    assert not lacking
