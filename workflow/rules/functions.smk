"""What inputs, parameters and resources of rules are computed by."""

import dataclasses


def memory(mb):
    """Memory that grows with every attempt, so that a retry mends a job that ran out of it."""

    def by_attempt(wildcards, attempt):
        return mb * attempt

    return by_attempt


def settings(section):
    """A section of the config as a parameter: sorted, without the places of given files."""
    return configuration.canonical(provenance.science(config)[section])


def given(key):
    """The content of a given file as a parameter; None where the run does not read it."""
    return GIVEN[key]["sha256"] if key in GIVEN else None


def given_all(key):
    """The contents of a list of given files as a parameter."""
    return [file["sha256"] for name, file in GIVEN.items() if name.startswith(f"{key}.")]


def given_in(key):
    """The contents of the files that are read of a given folder as a parameter, by name."""
    below = f"{key}."
    return {
        name.removeprefix(below): file["sha256"]
        for name, file in GIVEN.items()
        if name.startswith(below)
    }


def database_origin():
    """Where the target database comes from, as a parameter."""
    chosen = ("source", "repo_id", "repo_type", "filename", "revision")
    return {name: config["targets"][name] for name in chosen}


def raw_of(wildcards):
    """The raw files that a source's table is made of."""
    folder = f"runs/{wildcards.run_id}/targets/raw"
    return [f"{folder}/{file}" for file in SOURCES[wildcards.source].files]


def database_is_built():
    """Whether the target database is made here, of figures, as a parameter."""
    return config["targets"]["source"] in ("demo", "agencies")


def database_engine():
    """The model whose variables a target database lists that is built here, as a parameter."""
    return config["engine"] if database_is_built() else None


def source_tables(wildcards):
    """The tables of the agencies' sources, where the config asks for a database of them."""
    targets = config["targets"]
    wanted = targets["agencies"] if targets["source"] == "agencies" else ()
    folder = f"runs/{wildcards.run_id}/targets/sources"
    return {source: f"{folder}/{source}.csv" for source in wanted}


def replicate_settings(wildcards):
    """The settings of one scope's replicates, which are those of its fit and more."""
    return settings("weights")[wildcards.scope]


def fit_settings(wildcards):
    """The settings of one scope's fit, as a parameter."""
    found = replicate_settings(wildcards)
    return {key: found[key] for key in found if key not in ("replicates", "replicate_method")}


def fit_prior(wildcards):
    """The content of the fit that one scope's begins from, as a parameter; None without one."""
    return given(f"weights.{wildcards.scope}.prior")


def fit_prior_columns(wildcards):
    """The contents of the files that say what its columns are, as a parameter, by name."""
    return given_in(f"weights.{wildcards.scope}.prior")


def prior_households(wildcards):
    """The households that a fit's columns are matched by, where it begins from another one."""
    path = f"runs/{wildcards.run_id}/population/population.h5"
    return {"population": path} if config["weights"][wildcards.scope]["prior"] else {}


def given_weights(wildcards):
    """The content of weights that are taken as they are, as a parameter; None where they are fitted."""
    return given(f"weights.{wildcards.scope}.path")


def l0_settings(wildcards):
    """The settings of l0-python for one scope, as a parameter."""
    return fit_settings(wildcards)["l0"]


def l0_weights(wildcards):
    """What l0-python made of a scope, where the config asks for that."""
    path = f"runs/{wildcards.run_id}/weights/{wildcards.scope}/l0_weights.h5"
    return {"l0": path} if wildcards.scope in L0_SCOPES else {}


def area_row(wildcards):
    """What the table of areas says about an area, as a parameter."""
    return dataclasses.asdict(AREAS[wildcards.area])


def weights_of(wildcards):
    """The weights that an area's file is made with."""
    return f"runs/{wildcards.run_id}/weights/{AREAS[wildcards.area].scope}/weights.npy"


def fit_of(wildcards):
    """The report of the fit that an area's weights come from."""
    return weights_of(wildcards).replace("weights.npy", "fit.json")


def replicates_of(wildcards):
    """The replicates of the weights that an area's file is made with."""
    return weights_of(wildcards).replace("weights.npy", "replicates.h5")


def estimates_of(wildcards):
    """What the matrix comes to with an area's weights."""
    return weights_of(wildcards).replace("weights.npy", "estimates.h5")


def cities_of(wildcards):
    """The cities of a scope that have a file, as a parameter."""
    wanted = [AREAS[area] for _, area in WANTED]
    return [
        dataclasses.asdict(area)
        for area in wanted
        if area.level == "city" and area.scope == wildcards.scope
    ]


def own_file(wildcards):
    """An area's dataset."""
    return f"runs/{wildcards.run_id}/areas/{AREAS[wildcards.area].folder}/{wildcards.area}.h5"


def parent_file(wildcards):
    """The dataset whose simulation contains an area: its state's, or its own."""
    parent = AREAS[PARENTS[wildcards.area]]
    return f"runs/{wildcards.run_id}/areas/{parent.folder}/{parent.area}.h5"


def parent_totals(wildcards):
    """The totals of the simulation that contains an area."""
    return f"runs/{wildcards.run_id}/validation/totals/{PARENTS[wildcards.area]}.h5"


def released_names():
    """The files of the run that its release is made of, below its folder."""
    areas = [AREAS[area] for _, area in WANTED]
    return [name for name in releases.names(areas, REPLICATED, L0_SCOPES) if name != "run.json"]


def released_files(wildcards):
    """The files that a release is made of."""
    return [f"runs/{wildcards.run_id}/{name}" for name in released_names()]


def released_records(wildcards):
    """Their records."""
    return records_of(released_files(wildcards), wildcards)


def uploaded_files(wildcards):
    """Those of them that a bucket gets too: what the repository has is not sent again."""
    return released_files(wildcards) if config["release"]["gcs"]["bucket"] else []


def uploaded_records(wildcards):
    """Their records."""
    return records_of(uploaded_files(wildcards), wildcards)


def records_of(paths, wildcards):
    """The records of files of the run."""
    return [made.record_path(path, f"runs/{wildcards.run_id}") for path in paths]


def report_assets():
    """What the report's page is made of besides code, as a parameter."""
    folder = CHECKOUT / "workflow" / "localcal" / "report" / "assets"
    files = [path for kind in ("css", "js", "csv") for path in sorted(folder.rglob(f"*.{kind}"))]
    return seal.digest({path.relative_to(folder).as_posix(): sha256_file(path) for path in files})
