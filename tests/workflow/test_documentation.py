"""The files that the site's commands ask for are files that Snakemake makes."""

import re

from tests import site


def test_files_that_pages_ask_for_can_be_made(sources):
    asked = {
        re.sub(r"^runs/[\w.]+/", "runs/demo/", word)
        for found in site.commands()
        if found.words[0] in ("snakemake", "localcal")
        for word in found.words[1:]
        if word.startswith("runs/") and re.search(r"\.\w+$", word) and "{" not in word
    }
    assert {"runs/demo/areas/states/CA.h5", "runs/demo/sweeps/ctc/manifest.json"} <= asked
    result = sources.snakemake("-n", *sorted(asked))
    assert result.returncode == 0, result.stdout
