"""What the report reads of a fit's files."""

import numpy as np

from localcal.report.fits import read_fit
from localcal.weights.fit import FitOutputs, write_fit
from tests.fit_case import make_case


def test_a_fit_is_read_back_with_the_weights_and_factors_of_its_kept_columns(tmp_path):
    result = make_case().fit(records=150)
    names = {"fit": "fit.json", "trace": "trace.h5", "weights": "weights.npy"}
    names |= {"diagnostics": "diagnostics.csv", "areas": "areas.csv"}
    write_fit(result, {}, FitOutputs(**{key: tmp_path / name for key, name in names.items()}))
    fit = read_fit("local", tmp_path)
    kept = result.weights > 0
    assert fit.scope == "local" and fit.report["n_columns"] == kept.size
    assert np.array_equal(fit.weights, result.weights[kept])
    assert np.array_equal(fit.factor, result.trace.factor[kept])
    # Codes of areas stay texts, and an empty domain stays an empty text.
    assert set(fit.targets["geographic_id"].map(type)) == {str}
    assert fit.targets["domain_variable"].notna().all()
    assert fit.areas["area"].tolist() == result.areas["area"].tolist()
