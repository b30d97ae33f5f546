"""Small runs that can be released, without anything having been computed."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from localcal.files.atomic import sha256_file, write_json
from localcal.files.made import Made, record_path
from localcal.geography.areas import Area
from localcal.release.names import names

AREAS = [
    Area("nation", "US", "United States", "US", None, ()),
    Area("state", "CA", "California", "06", 6, ()),
    Area("district", "CA-12", "CA-12", "612", 6, ()),
]
NAMES = names(AREAS, replicated=["local"], l0=["national"])


def write_run(folder: Path, marker: str = "one") -> Path:
    """Write the files of a run, each with its record; their contents depend on the marker."""
    for name in NAMES:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name == "run.json":
            versions = {"policyengine-us": "1.2.3"}
            write_json(path, {"run_id": folder.name, "versions": versions, "marker": marker})
            continue
        if name.startswith("validation/") and name.count("/") == 2:
            path.write_text(f"level,area,error\nx,{path.stem},{len(marker)}\n")
        elif name.endswith((".csv", ".json", ".html")):
            path.write_text(json.dumps({"name": name, "marker": marker}))
        else:
            # Binary, so that the Hub keeps it beside git.
            path.write_bytes(b"\0" + f"{name} of {marker}".encode() * 20)
        record(folder, name)
    return folder


def record(folder: Path, name: str, content: Mapping | None = None) -> None:
    """Write the record of a file as it is."""
    path = folder / name
    made = Made(name, "write_area", {}, {}, sha256_file(path), path.stat().st_size)
    write_json(record_path(path, str(folder)), asdict(made))
