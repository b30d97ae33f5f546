"""The config as one model: every key with its type, default and meaning, and what fits together.

The fits' sections are in a module of their own. A field's default is what config/config.yaml
says, and the text below it what config/README.md says.

Read while Snakemake parses the workflow, so nothing heavy is imported here.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, WrapValidator, model_validator

from localcal.database.agencies.sources import DEFAULT_SOURCES, SOURCES
from localcal.files.folders import FILES_IN
from localcal.run.fit_section import FitSection, NationalFit
from localcal.run.values import (
    AS_TUPLE,
    AS_WRITTEN,
    EACH_ONCE,
    FINITE,
    UNIQUE,
    Count,
    ExcludeRules,
    GivenFile,
    Names,
    Section,
    TargetRule,
    TargetRules,
    allowing,
    as_one,
    needed_with,
    one_of,
    refused,
)

# What rules choose targets by.
TARGET_KEYS = tuple(TargetRule.__annotations__)
# The number of a chunk has six digits in file names.
MOST_CHUNKS = 10**6
# A job with production's targets then takes less than 2 GB; the more, the cheaper each column.
MOST_CHUNK_COLUMNS = 110_000

RunId = Annotated[
    str,
    Field(pattern="^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100),
    allowing("letters, digits, '.', '_' and '-', starting with a letter or digit, at most 100"),
]
Engine = Annotated[
    str,
    Field(pattern="^[A-Za-z_][A-Za-z0-9_.]*:[A-Za-z_][A-Za-z0-9_]*$"),
    allowing("module:Class"),
]
SourceFile = Annotated[GivenFile, needed_with("file")]
PopulationPath = Annotated[GivenFile, needed_with("file", *FILES_IN)]
Repository = Annotated[str | None, needed_with("huggingface"), allowing("owner/name, or null")]
RepositoryFile = Annotated[
    str | None, needed_with("huggingface"), allowing("a path inside the repository, or null")
]
Revision = Annotated[
    str | None,
    needed_with("huggingface"),
    allowing("a tag, branch or commit as text, or null"),
]
SourceNames = Annotated[
    tuple[Annotated[str, one_of(SOURCES), allowing(", ".join(SOURCES), enum=[*SOURCES])], ...],
    AS_TUPLE,
    UNIQUE,
    EACH_ONCE,
    allowing("a list of sources, no entry twice"),
]
# As semver.org has it, without a leading v.
VERSION_PATTERN = (
    r"^(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)"
    r"(-[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?(\+[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?$"
)
ReleaseVersion = Annotated[
    Annotated[str, Field(pattern=VERSION_PATTERN)] | None,
    WrapValidator(as_one),
    allowing("a semantic version as text, such as 1.90.0, or null"),
]
ReleaseRepository = Annotated[
    Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*/[A-Za-z0-9_.-]+$")] | None,
    WrapValidator(as_one),
    allowing("owner/name, or null"),
]
Bucket = Annotated[
    Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]$")] | None,
    WrapValidator(as_one),
    allowing("a bucket's name, or null"),
]
Prefix = Annotated[
    str,
    Field(pattern=r"^([^/]+(/[^/]+)*)?$"),
    allowing("a path without a slash at either end, or empty"),
]
Limit = Annotated[
    Annotated[float, FINITE, Field(ge=0), AS_WRITTEN] | None,
    WrapValidator(as_one),
    allowing("a number, at least 0, or null"),
]
Command = Annotated[
    Annotated[str, Field(min_length=1)] | None,
    WrapValidator(as_one),
    allowing("a command, or null"),
]
AreaNames = Annotated[
    Literal["all"] | Names,
    WrapValidator(as_one),
    allowing("all, or a list of areas, each once"),
]


class Population(Section):
    """The base households."""

    source: Literal["survey", "synthetic", "file", "tables", "cps", "huggingface"] = "survey"
    """Where households come from: the public survey in the folder `survey`, made up from the seed,
    a dataset at `path`, a folder of tables there, a folder of the Census Bureau's CPS ASEC files,
    or a dataset from a Hugging Face repository."""
    households: Count = 1000
    """Households to keep, exactly; a larger dataset is sampled by income bracket, a smaller one is
    refused."""
    survey: str = "config/survey"
    """Folder of survey households, for `source: survey`."""
    path: PopulationPath = None
    """The given file, for `source: file`, or folder of files, for `source: tables` and `cps`, see
    below."""
    repo_id: Repository = None
    """Hugging Face repository, for `source: huggingface`."""
    repo_type: Literal["model", "dataset"] = "dataset"
    """Kind of Hugging Face repository."""
    filename: RepositoryFile = None
    """The file's path inside the repository."""
    revision: Revision = None
    """Tag or commit of the repository; a branch may move, so prefer a commit."""
    drop: Names = ()
    """Variables of the dataset to leave out, for instance ones that the model computes by now."""


class Geography(Section):
    """Where the clones of each household live."""

    source: Literal["random", "file"] = "random"
    """Drawn from the seed, or given at `path`."""
    clones: Count = 10
    """Clones of each household; a given file must have as many."""
    path: SourceFile = None
    """The given file, for `source: file`."""
    places: str = "config/geography/county_district.csv"
    """Table of P(county or block given the district)."""
    district_population: str = "config/geography/district_population.csv"
    """Table of the districts' populations."""
    state_exponent: Annotated[float, FINITE, Field(ge=-1, le=1), AS_WRITTEN] = -0.3
    """A state's share of clones is its population times population to this power; below 0 small
    states get more."""
    income_percentile: Annotated[float, FINITE, Field(ge=0, le=100), AS_WRITTEN] = 90
    """Households at or above this percentile of income are placed by the districts' income instead
    of population; 100 switches it off."""


class TakeUp(Section):
    """Who takes up the programs they are eligible for."""

    enabled: bool = True
    """Draw take-up anew for every clone; false keeps what the dataset says."""
    rates: str = "config/take_up.csv"
    """Table of take-up rates."""


class Targets(Section):
    """The official totals."""

    source: Literal["demo", "agencies", "file", "huggingface"] = "demo"
    """Where the target database comes from: built from the tables in `published`, built from the
    agencies' raw files, a `policy_data.db` at `path`, or one from a Hugging Face
    repository."""
    path: SourceFile = None
    """The given file, for `source: file`."""
    repo_id: Repository = None
    """Hugging Face repository, for `source: huggingface`."""
    repo_type: Literal["model", "dataset"] = "dataset"
    """Kind of Hugging Face repository."""
    filename: RepositoryFile = None
    """The file's path inside the repository."""
    revision: Revision = None
    """Tag or commit of the repository; a branch may move, so prefer a commit."""
    published: str = "config/published"
    """Folder of published figures, for `source: demo`."""
    raw_files: str = "config/raw_files.csv"
    """Table of the agencies' raw files and where they are downloaded from, for `source:
    agencies`."""
    cache: GivenFile = None
    """Folder that keeps the raw files; what is there, at any depth, is not downloaded. null for
    `localcal` in the user's cache, which is `~/.cache` or what `XDG_CACHE_HOME` names."""
    agencies: SourceNames = DEFAULT_SOURCES
    """The agencies' sources to build from, for `source: agencies`; `irs_districts` is one more."""
    figures: Annotated[Names, allowing("a list of paths, no entry twice")] = (
        "config/agencies/irs_nation.csv",
        "config/agencies/nation.csv",
        "config/agencies/tax_expenditures.csv",
    )
    """CSV tables of published figures beside the sources, for `source: agencies`."""
    tables: Annotated[Names, allowing("a list of paths, no entry twice")] = ()
    """CSV tables of targets of your own, beside the database's, see below."""
    compare: GivenFile = "config/totals.csv"
    """Table of totals in the same form, which the report shows beside what the weights come to and
    no fit is told; null for none. Only for a database that the run builds."""
    include: TargetRules = ()
    """Rules; a target must match one of them, or there must be none. Each gives one or more of
    `variable`, `geo_level`, `domain_variable`, `constraints`."""
    exclude: ExcludeRules = ()
    """Rules like those of `include`, each perhaps with a `reason`; a target that matches one is
    left out."""


class Matrix(Section):
    """The matrix of targets by columns."""

    workers: Count = 2
    """Chunks that can be built at a time, on the cores of one machine or in containers."""
    chunk_columns: Annotated[
        int | None, Field(ge=1), allowing("an integer, at least 1, or null")
    ] = None
    """Columns per chunk; null for whole households in as many chunks as there are workers, or in
    a multiple of that where one would not fit into memory. It changes no byte of the matrix."""

    def columns_per_chunk(self, households: int, clones: int) -> int:
        """Return how many columns every chunk has but the last, which may have fewer."""
        if self.chunk_columns is not None:
            return self.chunk_columns
        at_most = max(1, MOST_CHUNK_COLUMNS // clones)
        rounds = -(-households // (self.workers * at_most))
        return -(-households // (rounds * self.workers)) * clones


class Weights(Section):
    """The two fits."""

    local: FitSection = Field(default_factory=FitSection)
    national: NationalFit = Field(default_factory=NationalFit)


class Areas(Section):
    """The areas that `rule all` writes; any other can be asked for by its file name."""

    path: str = "config/areas.tsv"
    """Table of all areas there are."""
    national: AreaNames = ("US",)
    """`all` or a list: US."""
    states: AreaNames = ("CA", "NY", "VT")
    """`all` or a list of states: CA."""
    districts: AreaNames = ("CA-12", "CA-30", "NY-10", "VT-01")
    """`all` or a list of districts: CA-12; the only district of a state is VT-01."""
    cities: AreaNames = ("NYC",)
    """`all` or a list of cities: NYC."""


class Validation(Section):
    """What the written files come to in the model."""

    simulated_districts: Annotated[int, Field(ge=0)] = 3
    """Districts, drawn by the seed from those in `areas.districts`, whose own files are simulated
    too and compared with what their states' simulations say of them."""


class CloudStorage(Section):
    """Where a release is put beside the Hugging Face Hub."""

    bucket: Bucket = None
    """Bucket of Google Cloud Storage that gets a release's files too; null for the Hub only."""
    prefix: Prefix = ""
    """Folder of the bucket that the files are put under; empty for its root."""


class Gates(Section):
    """What a run must keep to be released; null switches a limit off."""

    median_error: Limit = 0.02
    """Largest median of the absolute relative errors of fitted targets, in each fit and level by
    itself, and of what the files come to in the model."""
    largest_error: Limit = 0.5
    """Largest relative error of a fitted target."""
    share_met: Annotated[
        Annotated[float, FINITE, Field(ge=0, le=1), AS_WRITTEN] | None,
        WrapValidator(as_one),
        allowing("a number from 0 to 1, or null"),
    ] = 0.95
    """Smallest share of fitted targets that are met, in each fit and level by itself."""
    held_out_error: Limit = 0.25
    """Largest median of the errors of held-out targets, which no fit was told, in each fit and
    level by itself."""
    design_effect: Limit = 5
    """Largest design effect of a fit's weights: records over Kish's effective number of them."""
    effective_households: Limit = 400
    """Smallest effective number of households of a fit's weights; with 400, a share of one half is
    known to 5 percentage points."""
    unpublishable: Limit = 0.25
    """Largest share of states, and of districts, with fewer than 10 effective households."""
    live_total_moved: Limit = 0.1
    """Largest relative change of a total of the nation's or a state's file since the live
    release."""
    live_error_ratio: Limit = 2
    """How many times the live release's a median or largest error may be, where it is above 1 %."""
    live_fewer_targets: Limit = 0.05
    """By what share there may be fewer fitted targets than in the live release, in each fit and
    level by itself."""


class Release(Section):
    """How a run gets out; it decides nothing that the run contains."""

    version: ReleaseVersion = None
    """Version to publish the run as, asked for when it is staged."""
    repo_id: ReleaseRepository = None
    """Hugging Face repository that gets the release."""
    repo_type: Literal["model", "dataset"] = "model"
    """Kind of Hugging Face repository."""
    gcs: CloudStorage = Field(default_factory=CloudStorage)
    gates: Gates = Field(default_factory=Gates)
    override: Names = ()
    """Gates whose refusal is accepted, by name; it is recorded with the release."""
    hook: Command = None
    """Command for the shell that runs after publishing, with `LOCALCAL_VERSION` and
    `LOCALCAL_RUN_ID` in its environment; what becomes of it is no part of the release."""


class Config(Section):
    """Everything that describes a run."""

    run_id: RunId = "demo"
    """Name of the run; its files are under `runs/{run_id}/`. Taken as text from
    `--config run_id=...`."""
    period: Annotated[int, Field(ge=2000, le=2100)] = 2024
    """The year everything is about. Population files must be of this year; targets of other years
    are uprated to it."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Seed of everything random."""
    engine: Engine = "localcal.engine:PolicyEngineUS"
    """The tax-benefit model, as `module:Class`."""
    population: Population = Field(default_factory=Population)
    geography: Geography = Field(default_factory=Geography)
    take_up: TakeUp = Field(default_factory=TakeUp)
    targets: Targets = Field(default_factory=Targets)
    build_database: bool = False
    """true builds the target database from the agencies' raw files, as `targets.source: agencies`
    does."""
    matrix: Matrix = Field(default_factory=Matrix)
    weights: Weights = Field(default_factory=Weights)
    areas: Areas = Field(default_factory=Areas)
    validation: Validation = Field(default_factory=Validation)
    release: Release = Field(default_factory=Release)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        """Refuse what only sections together can get wrong."""
        problems: list[tuple[tuple[str, ...], str]] = []
        columns = self.population.households * self.geography.clones
        per_chunk = self.matrix.columns_per_chunk(self.population.households, self.geography.clones)
        chunks = chunks_of(columns, per_chunk)
        if chunks >= MOST_CHUNKS:
            words = f"makes {chunks:,} chunks; allowed: fewer than {MOST_CHUNKS:,}"
            problems.append((("matrix", "chunk_columns"), words))
        if self.targets.include and all(map(self._is_excluded, self.targets.include)):
            words = "leaves out all that targets.include lets in; change one of them"
            problems.append((("targets", "exclude"), words))
        for scope, section in (("local", self.weights.local), ("national", self.weights.national)):
            own = ("runs", self.run_id)
            for key in ("path", "prior"):
                path = getattr(section, key)
                if path is not None and Path(os.path.relpath(path)).parts[:2] == own:
                    words = f"{path} is this run's and would be overwritten; name another run's"
                    problems.append((("weights", scope, key), words))
            problems += [
                (("weights", scope, *key), words) for key, words in self._contradicted(section)
            ]
        if problems:
            raise refused(problems)
        return self

    def _contradicted(self, section: FitSection) -> Iterator[tuple[tuple[str, ...], str]]:
        """Yield the keys of a fit that other keys leave nothing for, and what to say of them."""
        columns = self.population.households * self.geography.clones
        if section.method == "given" and section.path is None:
            words = "null is not allowed with method: given; name a calibration_weights.npy"
            yield ("path",), words
        if section.method != "given" and section.path is not None:
            words = (
                f"{section.path} is not used with method: {section.method}; allowed: null, or "
                "method: given for weights that are not fitted"
            )
            yield ("path",), words
        if section.method == "given" and section.prior is not None:
            words = f"{section.prior} is not used with method: given, which fits nothing; set null"
            yield ("prior",), words
        if section.records != "all" and section.records > columns:
            words = (
                f"{section.records:,} is more than there are columns, population.households x "
                f"geography.clones = {columns:,}"
            )
            yield ("records",), words
        for number, rule in enumerate(section.groups):
            chosen = {key: value for key, value in rule.items() if key in TARGET_KEYS}
            if rule.get("geo_level", section.levels[0]) not in section.levels:
                words = f"{rule['geo_level']} is not among the levels of this fit; correct one"
                yield ("groups", str(number), "geo_level"), words
            elif self._is_excluded(chosen) or not self._is_included(chosen):
                words = "targets.include and targets.exclude leave no target that it chooses"
                yield ("groups", str(number)), words

    def _is_excluded(self, rule: Mapping[str, object]) -> bool:
        """Say whether all that a rule chooses is left out."""
        excluding = (
            {key: value for key, value in other.items() if key in TARGET_KEYS}
            for other in self.targets.exclude
        )
        return any(other.items() <= rule.items() for other in excluding)

    def _is_included(self, rule: Mapping[str, object]) -> bool:
        """Say whether what a rule chooses may be let in."""
        return not self.targets.include or any(
            # A target may have more constraints than either rule asks for.
            all(
                rule.get(key, value) == value
                for key, value in other.items()
                if key != "constraints"
            )
            for other in self.targets.include
        )


def chunks_of(columns: int, chunk_columns: int) -> int:
    """Return how many chunks hold that many columns."""
    return -(-columns // chunk_columns)
