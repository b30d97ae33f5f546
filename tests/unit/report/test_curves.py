"""Pictures of a sweep: what is drawn is what there is."""

import numpy as np
import pandas as pd
import pytest

from localcal.report.curves import (
    CLASSES,
    FEWEST_FOR_MEANS,
    MOST_POINTS,
    draw_parameter,
    draw_parts,
    means,
    spaced,
)


def points(x, delta, margin=np.nan, area="US"):
    return pd.DataFrame({"x": x, "area": area, "delta": delta, "margin": margin})


def draw(given, areas=("US",), unit="dollars", alone=True, parameter="gov.x"):
    (axes,) = draw_parameter(given, parameter, areas, unit, alone).axes
    return axes


def test_one_parameter_makes_a_line_in_its_order_with_the_interval_around_it():
    axes = draw(points([3.0, 1.0, 2.0], [3e9, 1e9, 2e9], 5e8))
    line = axes.lines[0]
    assert line.get_xdata().tolist() == [1, 2, 3] and line.get_ydata().tolist() == [1, 2, 3]
    assert axes.get_ylabel() == "change, billion dollars"
    edge = axes.collections[0].get_paths()[0].vertices
    assert (edge[:, 1].min(), edge[:, 1].max()) == (0.5, 3.5)


def test_what_is_not_sure_has_no_interval():
    axes = draw(points([1.0, 2.0], [1.0, 2.0]))
    assert not any(len(path.vertices) for one in axes.collections for path in one.get_paths())


def test_each_area_has_a_line_and_a_name():
    given = pd.concat([points([1.0, 2.0], [1.0, 2.0]), points([1.0, 2.0], [3.0, 4.0], area="CA")])
    axes = draw(given, ("US", "CA"))
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["US", "CA"]
    assert axes.lines[1].get_color() != axes.lines[0].get_color()


def test_of_many_points_some_are_drawn_and_the_means_are_of_all():
    x = np.linspace(0, 1, 10 * MOST_POINTS)
    axes = draw(points(x, 2 * x), alone=False, unit="number")
    (cloud,) = axes.collections
    assert len(cloud.get_offsets()) == MOST_POINTS
    middle = axes.lines[-2]
    assert len(middle.get_xdata()) == CLASSES
    assert np.allclose(middle.get_ydata(), 2 * np.asarray(middle.get_xdata()))


def test_means_are_over_the_values_where_these_are_few_and_none_of_few_points():
    values = np.repeat([1.0, 2.0], FEWEST_FOR_MEANS)
    given = points(values, values + np.tile([-1.0, 1.0], FEWEST_FOR_MEANS))
    assert means(given)["delta"].tolist() == [1.0, 2.0]
    assert means(given.iloc[: FEWEST_FOR_MEANS - 1]).empty


def test_true_and_false_are_called_so_and_dates_are_said():
    axes = draw(points([True, False], [1.0, 0.0]), parameter="gov.x@2024-01-01.")
    assert [text.get_text() for text in axes.get_xticklabels()] == ["false", "true"]
    assert axes.get_xlabel() == "gov.x\nfrom 2024-01-01"


def test_parts_lie_in_their_order_and_no_words_of_a_user_are_a_formula():
    rows = pd.DataFrame(
        {"set_idx": [5, 5, 7], "group": ["b", "a", "a"], "delta": [1.0, 2.0, 3.0], "margin": np.nan}
    )
    figure = draw_parts(rows, ["a", "b"], {5: "$x_$ and $", 7: "other"}, "number")
    figure.canvas.draw()
    (axes,) = figure.axes
    first, second = (one[0] for one in axes.containers)
    assert first.get_xdata().tolist() == [1.0, 2.0] and second.get_xdata().tolist() == [3.0]
    assert np.round(first.get_ydata().astype(float)).tolist() == [1, 0]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["a", "b"]
    assert axes.get_legend().get_texts()[0].get_text() == r"\$x_\$ and \$"


@pytest.mark.parametrize(("count", "most"), [(3, 5), (5, 5), (6, 5), (10_000, 5), (9, 1)])
def test_what_is_chosen_evenly_has_both_ends(count, most):
    found = spaced(count, most)
    assert len(found) == min(count, most) == len(set(found.tolist()))
    assert found[0] == 0 and (most == 1 or found[-1] == count - 1)
    assert np.ptp(np.diff(found)) <= 1 if len(found) > 1 else True
