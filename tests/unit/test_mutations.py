"""The script that looks for lines whose mistakes no test notices."""

import ast
from pathlib import Path

import pytest

from tests.mutations import SURVIVED, main, mirrored_tests, mutations, sites, table

RULES = '''"""A toy; 1 + 1 here is no code."""
import logging


def fee(age: int | None, member: bool) -> int:
    logging.info("asked %d", 1 + 1)
    if age < 18 and not member:
        return 5
    return 9
'''
LOOP = """def count(steps: int) -> int:
    while steps > 4:
        steps -= 4
    return steps
"""
TESTS = """from toy.rules import fee


def test_children_pay_less():
    assert fee(17, False) == 5


def test_others_pay_more():
    assert fee(19, False) == fee(17, True) == 9
"""


@pytest.fixture
def checkout(tmp_path) -> Path:
    """A checkout with one package whose tests leave out the age of eighteen."""
    for name, text in (
        ("workflow/toy/__init__.py", ""),
        ("workflow/toy/rules.py", RULES),
        ("tests/unit/toy/test_rules.py", TESTS),
        (".venv/lib/large", "is not copied"),
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_survivors_and_killers_are_told_apart_and_the_checkout_stays_as_it_is(checkout):
    arguments = ["workflow/toy", "--tests", "tests/unit/toy"]
    *rows, total = [line for line in main(arguments, checkout).splitlines()[2:] if line]
    cells = [row.strip("| ").split(" | ") for row in rows]
    found = {what: test for _, what, test in cells}
    assert found["age < 18 -> age <= 18"] == SURVIVED
    assert found["5 -> 6"] == "toy/test_rules.py::test_children_pay_less"
    assert found["not member -> not not member"] == "toy/test_rules.py::test_children_pay_less"
    assert found["age < 18 and (not member) -> age < 18 or not member"].endswith("_pay_more")
    survivors = sum(test == SURVIVED for _, _, test in cells)
    assert total == f"{len(rows)} mutations: {len(rows) - survivors} killed, {survivors} survived"
    assert (checkout / "workflow/toy/rules.py").read_text() == RULES
    assert not list(checkout.rglob("__pycache__"))


def test_a_loop_without_end_is_killed_by_the_time_limit(checkout, monkeypatch):
    monkeypatch.setattr("tests.mutations.SECONDS_MORE", 0)
    (checkout / "workflow/toy/rules.py").write_text(LOOP)
    (checkout / "tests/unit/toy/test_rules.py").write_text(
        "from toy.rules import count\n\n\ndef test_steps():\n    assert count(7) == 3\n"
    )
    shown = main(["workflow/toy/rules.py", "--tests", "tests/unit/toy"], checkout)
    assert "| steps -= 4 -> steps += 4 | the time limit |" in shown


def test_tests_that_fail_as_they_are_prove_nothing(checkout):
    (checkout / "tests/unit/toy/test_rules.py").write_text(TESTS.replace("== 5", "== 6"))
    with pytest.raises(RuntimeError, match="test_children_pay_less fails without any mutation"):
        main(["workflow/toy", "--tests", "tests/unit/toy"], checkout)


def test_a_sample_depends_on_its_seed_only(checkout, monkeypatch):
    monkeypatch.setattr("tests.mutations.killer", lambda *_: SURVIVED)
    (checkout / "workflow/toy/rules.py").write_text(f"fees = {list(range(50))}")

    def sample(seed):
        return main(["workflow/toy", "--most", "4", "--seed", seed, "--tests", "x"], checkout)

    assert sample("1") == sample("1") != sample("2")
    assert "4 mutations: 0 killed, 4 survived" in sample("1")


@pytest.mark.parametrize(
    ("code", "changed"),
    [
        ("a <= b", ["a < b"]),
        ("a in b", ["a not in b"]),
        ("a * b", ["a / b"]),
        ("a += 2", ["a -= 2", "a += 3"]),
        ("x = True", ["x = False"]),
        ("a and b", ["a or b"]),
        ("~a", ["~~a"]),
        ("check(a)", ["..."]),
        # Neither texts nor types nor log lines, and no check that both lists are as long.
        ("'text'", []),
        ("def f(a: int | str = 1) -> int | None: pass", ["def f(a: int | str=2) -> int | None: p"]),
        ("logger.info('%d', a + 1)", []),
        ("zip(a, b, strict=True)", ["..."]),
    ],
)
def test_each_kind_of_mutation_is_made(tmp_path, code, changed):
    (tmp_path / "m.py").write_text(code)
    texts = [" ".join(found.text.split()) for found in mutations(tmp_path, Path("m.py"))]
    assert [text.startswith(want) for text, want in zip(texts, changed, strict=True)] == [
        True for _ in changed
    ]
    assert len(texts) == sum(1 for _ in sites(ast.parse(code)))


def test_a_package_has_its_tests_in_the_mirrored_place():
    assert mirrored_tests(Path("workflow/localcal/clones")) == Path("tests/unit/clones")
    module = Path("workflow/localcal/weights/l0/run.py")
    assert mirrored_tests(module) == Path("tests/unit/weights/l0/test_run.py")


def test_a_table_without_mutations_says_so():
    assert table([]).endswith("\n0 mutations: 0 killed, 0 survived\n")
