"""Conditions are named, repeat themselves, and notice another file of the package."""

import localcal
from localcal.experiments import conditions
from localcal.experiments.conditions import code, machine, under_test


def test_machine_and_code_are_the_same_twice_and_say_something_of_each():
    found = machine() | code()
    assert found == machine() | code()
    assert all(value not in (None, "") for value in found.values())
    assert {*conditions.MACHINE, "python", "code", "package.numpy"} <= found.keys()
    assert found["cores"] >= 1 and found["memory_mb"] > 100


def test_another_line_or_name_of_code_is_another_condition(tmp_path, monkeypatch):
    monkeypatch.setattr(localcal, "__file__", str(tmp_path / "__init__.py"))
    digests = []
    for name, text in (("one", "x = 1"), ("one", "x = 2"), ("other", "x = 2")):
        (tmp_path / f"{name}.py").write_text(text)
        digests.append(code()["code"])
    assert len(set(digests)) == 3


def test_a_processor_has_its_name_where_the_system_says_it(tmp_path, monkeypatch):
    monkeypatch.setattr(conditions, "CPU_INFO", tmp_path / "cpuinfo")
    assert machine()["cpu"]
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nmodel name\t: Fast One\nflags\t\t: a\n")
    assert machine()["cpu"] == "Fast One"


def test_a_group_stands_for_its_conditions_and_packages_for_all_of_them():
    known = {"host": 1, "package.a": 1, "package.b": 2, "code": 3}
    assert under_test("packages", known) == {"package.a", "package.b"}
    assert under_test("machine", known) == set(conditions.MACHINE)
    assert under_test("code", known) == {"code"}
