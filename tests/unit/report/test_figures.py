"""The report's pictures."""

import numpy as np
import pandas as pd

from localcal.report import figures


def test_errors_have_a_panel_per_fit_and_a_line_per_family(fit):
    figure = figures.draw_errors([fit, fit])
    assert len(figure.axes) == 2
    drawn = [row for row in fit.report["errors"] if row["role"] in figures.ROLE_COLOURS]
    labels = figure.axes[0].get_yticklabels()
    assert len(labels) == len(drawn)
    colours = {text.get_color() for text in labels}
    assert colours == {figures.ROLE_COLOURS["fitted"], figures.ROLE_COLOURS["held_out"]}


def test_sizes_say_how_many_areas_are_not_publishable(fit, tmp_path):
    (axes,) = figures.draw_sizes([fit]).axes
    texts = [text.get_text() for text in axes.get_legend().get_texts()]
    areas = pd.read_csv(tmp_path / "areas.csv")
    low = areas[~areas["is_publishable"]].groupby("level").size()
    for level, text in zip(("state", "district"), texts, strict=True):
        count = (fit.areas["level"] == level).sum()
        assert text == f"{level}s, {low.get(level, 0)} of {count} not publishable"


def test_the_path_of_penalties_is_drawn_with_its_standard_errors(fit):
    axes, beside = figures.draw_penalties([fit]).axes
    path = pd.DataFrame(fit.report["penalty"]["path"])
    assert axes.lines[0].get_ydata().tolist() == path["error_fitted"].tolist()
    assert beside.lines[0].get_ydata().tolist() == path["design_effect"].tolist()
    (bars,) = axes.collections
    lengths = [segment[1, 1] - segment[0, 1] for segment in bars.get_segments()]
    assert np.allclose(lengths, 2 * path["standard_error"])


def test_an_area_without_targets_has_no_point(simulated):
    (axes,) = figures.draw_simulated(simulated).axes
    assert [len(points.get_offsets()) for points in axes.collections] == [2]
    (axes,) = figures.draw_simulated(simulated[simulated["level"] == "city"]).axes
    assert not axes.collections


def test_the_same_picture_has_the_same_bytes(fit):
    first, second = (figures.png(figures.draw_weights([fit])) for _ in range(2))
    assert first == second and first.startswith(b"\x89PNG")
