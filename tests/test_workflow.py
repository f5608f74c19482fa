"""The workflow can be trusted: killed, edited, resumed and run twice, it says the same.

What is marked `workflow` calls Snakemake: first to plan only, then to run Figs 2 (on drawn cells)
and 4 and the example recordings at scale tiny, once; what follows works on copies of the result.
"""

import ast
import hashlib
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
import yaml
from drawn import challenge_sequence

from magik import layers

ROOT = Path(__file__).parents[1]
SCRIPTS = sorted((ROOT / "workflow" / "scripts").glob("*.py"))
RULES = sorted((ROOT / "workflow" / "rules").glob("*.smk"))
SCALES = sorted(path.stem for path in (ROOT / "workflow" / "scales").glob("*.yaml"))
PARTS = ("Snakefile", "config.yaml", "data", "envs", "magik", "profiles", "workflow")
EVERYTHING = (*PARTS, "results", ".snakemake")
LEARNING_RULES = {"train", "predict", "predict_edges", "predict_videos", "attention"}
CELLS = "DIC-C2DH-HeLa"

SHIPPED = yaml.safe_load((ROOT / "config.yaml").read_text())

UNLESS_OWN: dict[bool, tuple[str, ...]] = {True: ("cells",), False: ()}
"""What a copy leaves out: the recordings of cells that a developer has at hand."""

slow = pytest.mark.workflow


class Project:
    """A copy of the project in a folder of its own, whose modules may be edited."""

    def __init__(self, folder: Path, source: Path = ROOT, parts: tuple[str, ...] = PARTS):
        self.folder = folder
        folder.mkdir()
        for part in parts:
            if (source / part).is_dir():
                ignored = shutil.ignore_patterns("__pycache__", *UNLESS_OWN[source == ROOT])
                shutil.copytree(source / part, folder / part, ignore=ignored)
            else:
                shutil.copy2(source / part, folder / part)

    @property
    def command(self) -> list[str]:
        """Snakemake, with this Python."""
        return [sys.executable, "-m", "snakemake"]

    @property
    def environment(self) -> dict[str, str]:
        """A user's, in which the copy's own modules come before the installed ones."""
        users = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
        return users | {"PYTHONPATH": str(self.folder)}

    def run(self, *words: str, scale: str = "tiny") -> subprocess.CompletedProcess[str]:
        """Snakemake with these words, targets first, whatever comes of it."""
        return subprocess.run(
            [*self.command, *words, "--config", f"scale={scale}"],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
        )

    def make(self, *words: str) -> str:
        """What Snakemake says of a run that must succeed."""
        done = self.run(*words)
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stderr

    def plan(self, *words: str) -> Counter[str]:
        """How many jobs of each rule a run would start."""
        done = self.run(*words, "--dry-run", "--quiet", "rules")
        assert done.returncode == 0, done.stderr[-3000:]
        table = re.search(r"^job +count\n[- ]+\n(.*?)^total ", done.stdout, re.M | re.S)
        lines = table[1].splitlines() if table else []
        return Counter({rule: int(count) for rule, count in map(str.split, lines)})

    def refuses(self, *words: str, scale: str = "tiny") -> str:
        """What Snakemake says of a run that must fail, without a traceback."""
        done = self.run(*words, scale=scale)
        assert done.returncode != 0
        assert "Traceback" not in done.stdout + done.stderr
        return done.stdout + done.stderr

    def overlay(self, settings: dict) -> tuple[str, str]:
        """Words for the command line that change some settings."""
        path = self.folder / "overlay.yaml"
        path.write_text(yaml.safe_dump(settings))
        return "--configfile", str(path)

    def hashes(self) -> dict[str, str]:
        """Of every result; logs and run times are no results."""
        results = self.folder / "results"
        return {
            str(path.relative_to(results)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(results.rglob("*"))
            if path.is_file() and path.relative_to(results).parts[0] not in ("logs", "benchmarks")
        }

    def times(self, rule: str) -> list[tuple[float, float]]:
        """Begin and end of each job of a rule, from Snakemake's records."""
        folder = self.folder / ".snakemake" / "metadata"
        records = [json.loads(path.read_text()) for path in folder.rglob("*") if path.is_file()]
        own = [record for record in records if record.get("rule") == rule]
        return sorted((record["starttime"], record["endtime"]) for record in own)


def with_cells(project: Project) -> Project:
    """The project with a drawn pair of sequences where those of Fig. 2 belong."""
    for seed, number in enumerate(("01", "02")):
        challenge_sequence(project.folder / "data" / "cells" / CELLS, number, seed)
    return project


@pytest.fixture(scope="module")
def fresh(tmp_path_factory) -> Project:
    """A project in which nothing has been run, and nothing is: recordings need only be there."""
    project = with_cells(Project(tmp_path_factory.mktemp("fresh") / "magik"))
    for name in ("epidermis-area1", "bacteria"):
        folder = project.folder / "data" / "cells" / name
        folder.mkdir()
        for file in ("TRA.tif", "man_track.txt"):
            (folder / file).touch()
    return project


# what the rules say ---------------------------------------------------------------------------


def rules() -> list[tuple[str, str]]:
    """Name and text of each rule that runs a script."""
    texts = "\n".join(path.read_text() for path in RULES)
    found = re.findall(r"^rule (\w+):\n(.*?)(?=^\S|\Z)", texts, re.M | re.S)
    return [(name, text) for name, text in found if "script:" in text]


@pytest.mark.parametrize(("name", "text"), rules(), ids=[name for name, _ in rules()])
def test_every_rule_says_what_it_needs(name, text):
    for directive in ("log", "benchmark", "conda", "threads", "resources", "params"):
        assert re.search(rf"^    {directive}:", text, re.M), directive
    assert re.search(r"mem_mb=", text)
    assert re.search(r"runtime=", text)
    assert "gpus" not in text  # nothing limits this one
    learns = {f"{rule}.py" for rule in LEARNING_RULES} & set(re.findall(r"\w+\.py", text))
    assert ("gpu=" in text) == bool(learns)
    script = re.search(r'"\.\./scripts/(\w+)\.py"', text)
    assert script
    assert f'code=code("{script[1]}")' in text, "its trigger is the hash of its own script"


def test_every_script_has_its_rule():
    used = {script for _, text in rules() for script in re.findall(r"scripts/(\w+)\.py", text)}
    assert used == {path.stem for path in SCRIPTS}


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_scripts_are_thin(script):
    text = script.read_text()
    lines = [line for line in text.splitlines() if line.strip()]
    assert len(lines) <= 25
    assert "job.start(snakemake.log[0]" in text
    tree = ast.parse(text)
    kinds = (ast.FunctionDef, ast.ClassDef, ast.If, ast.For, ast.While, ast.Try)
    assert not [node for node in ast.walk(tree) if isinstance(node, kinds)]
    names = {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert not names & {"os.environ", "snakemake.config"}


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_torch_comes_with_learning_only(script):
    modules = set(layers.closure(*layers.imported_by(script)))
    learns = bool(modules & set(layers.SHELVES["learning"]))
    assert learns == (script.stem in LEARNING_RULES)


@pytest.mark.parametrize("profile", sorted((ROOT / "profiles").iterdir()), ids=lambda p: p.name)
def test_profiles_name_rules_that_exist(profile):
    """Snakemake itself would ignore an unknown rule."""
    settings = yaml.safe_load((profile / "config.yaml").read_text())
    known = {name for name, _ in rules()}
    named = {**settings.get("set-resources", {}), **settings.get("set-threads", {})}
    assert set(named) <= known
    assert any(limit.startswith("gpu=") for limit in settings["resources"])
    assert "code" not in settings["rerun-triggers"]


@slow
@pytest.mark.parametrize("words", [["snakemake", "--lint"], ["snakefmt", "--check"]], ids=str)
def test_snakemakes_own_linters_are_content(words):
    files = ["Snakefile", "workflow/rules"] if words[0] == "snakefmt" else []
    done = subprocess.run(
        [sys.executable, "-m", *words, *files], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr + done.stdout


# planning -------------------------------------------------------------------------------------


@slow
@pytest.mark.parametrize("scale", SCALES)
@slow
def test_every_scale_can_be_planned(fresh, scale):
    """The whole study, what is made by name, too, with recordings that ask for all there is."""
    water = SHIPPED["samples"]["water"]
    asked = {"alpha": "exponent", "parts": "model_fractions"}
    samples = {name: water | {"experiment": of} for name, of in asked.items()}
    targets = ["all", *SHIPPED["figures"], *SHIPPED["tables"], *SHIPPED["scores"], "crowding"]
    targets += ["results/weights/recordings.md"]
    floor = {"crowded": {"link_free": {}}}  # off unless asked for
    overlay = fresh.overlay({"samples": samples, "datasets": floor})
    done = fresh.run(*targets, "--dry-run", "--quiet", "rules", *overlay, scale=scale)
    assert done.returncode == 0, done.stderr
    for rule in [name for name, _ in rules() if name != "fetch"]:
        assert re.search(rf"^{rule} +[1-9]", done.stdout, re.M), rule


@slow
def test_recordings_that_are_not_here_are_left_out_and_named(tmp_path):
    """Unless one of their figures is asked for: then they are fetched. A table has other tasks."""
    project = Project(tmp_path / "magik")
    assert not project.plan().keys() & {"cells", "fetch", "score_tracks"}
    done = project.run("results/data/brownian/test/truth.zarr.zip", "--cores", "1")
    assert "magik, scale tiny: jobs: 1, none of them a training" in done.stderr
    assert "skipped" not in done.stderr, "nothing of what was not asked for"
    done = project.run("all", "ed_table1", "--cores", "1", "--until", "still")
    assert "fig2: skipped, 'data/cells/DIC-C2DH-HeLa/01_ST' is not on this machine" in done.stderr
    named = f"ed_table1: without ablation_links, 'data/cells/{CELLS}/01_ST' is not on this machine"
    assert named in done.stderr
    assert f"`snakemake --cores 1 data/cells/{CELLS}` downloads it" in done.stderr
    table = project.plan("ed_table1")
    assert (table["train"], table["sweep"], table["fetch"]) == (2 * 10, 3, 0)
    plan = project.plan("fig2")
    assert plan["fetch"] == 1
    assert plan["cells"] == 2
    with_cells(project)
    assert project.plan("fig2").keys() >= {"cells", "link", "score_tracks", "figure"}
    assert not project.plan("fig2")["fetch"]
    table = project.plan("ed_table1")
    assert (table["train"], table["sweep"]) == (3 * 10, 4)


@slow
def test_planning_is_cheap(fresh):
    """No torch, no plots, no data: settings and file names are enough to plan."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "snakemake", "--dry-run", "--quiet", "all"],
        cwd=fresh.folder,
        env=fresh.environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0
    imported = set(re.findall(r"\| +([\w.]+)$", done.stderr, re.M))
    assert "magik.config" in imported, "test invalid"
    assert not imported & {"torch", "matplotlib", "xarray", "zarr", "scipy", "deeptrack"}


@slow
@pytest.mark.parametrize(
    ("figure", "trainings"),
    [("fig4", 2), ("fig5", 4), ("fig6", 1), ("ed_fig2", 2), ("ed_fig3", 2), ("ed_fig4", 60)],
)
def test_a_figure_plans_what_it_needs_and_no_more(fresh, figure, trainings):
    plan = fresh.plan(figure)
    assert plan["train"] == trainings
    assert not plan.keys() & {"render", "localize", "sample_predict", "scores"}


@slow
def test_a_score_table_has_all_trainings_of_its_experiments(fresh):
    """Seven experiments of one tier, four of two; of one seed each."""
    plan = fresh.plan("motion_scores")
    assert plan["train"] == plan["score_motion"] == 7 + 4 * 2
    assert plan["named_scores"] == 1
    assert not plan.keys() & {"figure", "scores"}


@slow
def test_networks_are_trained_on_one_kind_of_cells_and_tested_on_all(fresh):
    """Four networks; each on four kinds as it is and after more training; four from nothing."""
    plan = fresh.plan("transfer")
    assert plan["train"] == 4 + 16 + 16 + 4
    assert plan["score_tracks"] == 36
    assert plan["rival"] in (4 * 2, 4 * 4), "once for each kind; LapTrack is an extra"
    assert plan["cells"] == 8
    assert plan["fetch"] == 1


@slow
def test_points_of_a_sweep_share_their_simulations(fresh):
    """Four points of two tasks, each by two networks that are trained once."""
    plan = fresh.plan("missed")
    assert plan["score"] == plan["score_links"] == 8
    assert plan["simulate"] == 3 + 2 + 2  # tested, and what both kinds of network learn from
    assert plan["observe"] == 4 * 3 + 2 + 2


@slow
def test_floors_of_motion_share_what_their_points_share(fresh):
    """Another graph is built from the same localizations, from which the trees learn, too."""
    of = ["holography_model", "switching"]  # trees learn classes; D that switches has a law
    sweep = {"of": of, "grid": {"dataset.graph.radius": [0.1, 0.2]}}
    plan = fresh.plan("mine", *fresh.overlay({"sweep": {"mine": sweep}}))
    assert plan["floor_motion"] == 2 * 2
    assert plan["observe"] == plan["simulate"] == 2 * 3  # training, validation, test


@slow
def test_the_link_free_floor_is_made_where_it_is_asked_for(fresh):
    assert not fresh.plan("crowding")["floor_link_free"]
    words = fresh.overlay({"datasets": {"crowded": {"link_free": {"videos": 2}}}})
    asked = fresh.plan("crowding", *words)
    assert asked["floor_link_free"] == 7  # one of each sampling time, shared by eight experiments


@slow
def test_a_sample_plans_what_it_needs_and_no_more(fresh):
    assert fresh.plan("water").keys() >= {"sample_movie", "sample_predict", "sample_figure"}
    assert fresh.plan("embryo").keys() >= {"sample_cells", "sample_link", "sample_lineages"}
    for name in ("water", "embryo"):
        assert not fresh.plan(name)["train"], "its network ships"


@slow
@pytest.mark.parametrize(
    "target",
    [
        "results/figures/fig9.pdf",
        "results/runs/diffusivity/pixels/seed0/checkpoint.safetensors",
        "results/runs/diffusivity/coordinates/seed7/checkpoint.safetensors",
        "results/data/brownian/everything/truth.zarr.zip",
        "results/samples/nobody/summary.json",
        "results/runs/crowded_links@dt=3/coordinates/seed0/checkpoint.safetensors",
        "results/sweeps/nothing.csv",
    ],
)
def test_what_config_does_not_declare_is_refused(fresh, target):
    assert "MissingRuleException" in fresh.refuses(target, "--dry-run")


@slow
@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("radius: 0.12", "raduis: 0.12", "has no setting 'raduis'. Did you mean 'radius'?"),
        (
            "radius: 0.12",
            "radius: 12",
            "landscape.graph: radius = 12 fields of view; expected > 0 and <= 1",
        ),
        ("defaults:", "defaults: {", "config.yaml:8: not YAML"),
        ("examples/water.tif", "waiter.tif", "samples.water.movie: no file 'data/waiter.tif'"),
    ],
)
def test_a_mistake_in_config_is_one_line_and_no_job_starts(tmp_path, before, after, message):
    project = Project(tmp_path / "magik")
    config = project.folder / "config.yaml"
    text = config.read_text()
    assert before in text, "test invalid"
    config.write_text(text.replace(before, after, 1))
    said = project.refuses("--cores", "1")
    errors = [line for line in said.splitlines() if line.startswith("error: config.yaml")]
    assert len(errors) == 1, said
    assert message in errors[0] or before == "defaults:"
    assert not (project.folder / "results").exists()


@slow
def test_a_mistake_beside_config_is_told_from_one_in_it(fresh):
    said = fresh.refuses("--dry-run", *fresh.overlay({"recipes": {"tracks": {"epoch": 1}}}))
    assert "has no setting 'epoch'. Did you mean 'epochs'? (`--config` or `--configfile`" in said
    assert "changed: recipes)" in said


@slow
def test_a_scale_that_does_not_exist_is_refused(fresh):
    said = fresh.refuses("--dry-run", scale="papr")
    assert "error: config.yaml: scale: no 'papr'. Did you mean 'paper'?" in said


# running --------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Project:
    """Everything, at scale tiny, on two cores. Not to be changed: see `copy`."""
    project = with_cells(Project(tmp_path_factory.mktemp("finished") / "magik"))
    project.make("--cores", "2")
    return project


@pytest.fixture
def copy(finished, tmp_path) -> Project:
    """A copy of the finished project, with its file times, to be spoilt."""
    return Project(tmp_path / "magik", finished.folder, EVERYTHING)


@pytest.fixture(scope="module")
def replanned(finished, tmp_path_factory) -> Project:
    """A copy of the finished project in which files are edited and put back; nothing is run."""
    return Project(tmp_path_factory.mktemp("replanned") / "magik", finished.folder, EVERYTHING)


class Job(NamedTuple):
    """A job as a dry run tells of it; a file is a name, `wildcards` is "dataset=brownian, …"."""

    rule: str
    wildcards: str
    inputs: frozenset[str]
    outputs: frozenset[str]


@pytest.fixture(scope="module")
def dag(replanned) -> list[Job]:
    """All jobs of the study."""
    told = replanned.run("--dry-run", "--forceall").stdout
    jobs = []
    for rule, text in re.findall(r"^(?:local)?rule (\w+):\n((?: +.*\n)+)", told, re.M):
        said = dict(re.findall(r"^ +(\w+): (.*)$", text, re.M))
        inputs, outputs = (
            frozenset(said.get(name, "").split(", ")) - {""} for name in ("input", "output")
        )
        jobs.append(Job(rule, said.get("wildcards", ""), inputs, outputs))
    assert len(jobs) > 50
    return jobs


def rerun(dag: list[Job], direct: Callable[[Job], bool]) -> Counter[str]:
    """Jobs to be made again when some are: what they feed, and the movies that were temporary."""
    todo = [job for job in dag if direct(job)]
    planned: set[Job] = set()
    while todo:
        job = todo.pop()
        if job not in planned:
            planned.add(job)
            todo += [other for other in dag if other.inputs & job.outputs]
            todo += [one for one in dag if one.rule == "render" and one.outputs & job.inputs]
    return Counter(job.rule for job in planned)


@slow
def test_everything_is_made_and_nothing_is_left_to_do(finished):
    results = finished.folder / "results"
    for name, kind in itertools.product(("fig2", "fig4", "fig4_images"), ("pdf", "png", "csv")):
        assert (results / "figures" / f"{name}.{kind}").stat().st_size > 1000
    for sample in ("water", "nucleus", "embryo"):
        assert json.loads((results / "samples" / sample / "summary.json").read_text())
    assert (results / "scores.csv").stat().st_size > 100
    assert not list(results.rglob("movie.zarr.zip")), "movies are temporary"
    assert not list(results.rglob("*.resume")), "a training that has ended resumes no more"
    hidden = {path.name for path in results.rglob(".*")} - {".snakemake_timestamp"}
    left = {name for name in hidden if not name.startswith(".z")}  # Zarr has such files
    assert not left, "half-written"
    assert finished.plan() == Counter()


@slow
def test_a_network_ships_with_its_card(copy):
    copy.make("--cores", "1", "results/weights/diffusivity.md")
    shipped = copy.folder / "results" / "weights"
    trained = copy.folder / "results/runs/diffusivity/coordinates/seed0/checkpoint.safetensors"
    assert (shipped / "diffusivity.safetensors").read_bytes() == trained.read_bytes()
    card = (shipped / "diffusivity.md").read_text("utf-8")
    assert "| mae_displacement_scaling (px/frame^½) |" in card
    assert "| edge_f1 |" in card, "a score without a unit"
    assert "scale `tiny`" in card


@slow
def test_recordings_are_asked_for_exponents(tmp_path):
    """Of each localization, and of the whole: networks are trained, and all files are there."""
    project = Project(tmp_path / "magik")
    walk = np.random.default_rng(0).normal(size=(2, 20, 3)).cumsum(axis=1) + 20
    columns = {"frame": np.repeat(np.arange(20), 3), "x": walk[0].ravel(), "y": walk[1].ravel()}
    pd.DataFrame(columns).to_csv(project.folder / "data" / "walk.csv", index=False)
    one = {"table": "data/walk.csv", "pixel_size_um": 0.1, "frame_interval_s": 0.03}
    of = {"alpha": "recordings_exponents", "whole": "recordings_shared_exponent"}
    settings = {
        "samples": {name: one | {"experiment": experiment} for name, experiment in of.items()},
        # they may as well learn from the same videos
        "experiments": {of["alpha"]: {"dataset": SHIPPED["experiments"][of["whole"]]["dataset"]}},
    }
    project.make("alpha", "whole", *project.overlay(settings), "--cores", "2")

    results = project.folder / "results" / "samples"
    texts = {name: (results / name / "summary.json").read_text() for name in of}
    told = {name: json.loads(text, parse_constant=pytest.fail) for name, text in texts.items()}
    assert told["alpha"]["localizations"] == told["whole"]["localizations"] == 60
    assert {"median", "mean"} < told["alpha"]["exponent"].keys()
    assert "value" in told["whole"]["exponent"]
    rows = pd.read_csv(results / "alpha" / "localizations.csv")
    assert rows["exponent"].between(rows["exponent_lower"], rows["exponent_upper"]).all()
    assert len(pd.read_parquet(results / "alpha" / "localizations.parquet")) == len(rows) == 60
    assert pd.read_csv(results / "whole" / "video.csv")["quantity"].tolist() == ["exponent"]


@slow
def test_a_sweep_is_made_point_by_point_and_goes_on_where_it_was_left(copy):
    sweep = {
        "of": ["crowded_diffusivity", "crowded_links", "crowded_links_by_any"],
        "grid": {"dataset.simulate.dt": [0.5, 32]},
    }
    floor = {"crowded": {"link_free": {"videos": 1, "sweeps": 20, "most_sweeps": 20}}}
    words = copy.overlay({"sweep": {"mine": sweep}, "datasets": floor})
    copy.make(
        "results/runs/crowded_links@dt=32/coordinates/seed0/scores.csv", *words, "--cores", "2"
    )
    # two for D, the other for links, one that learns from all, and that twice as it is
    assert copy.plan("mine", *words)["train"] == 6
    copy.make("mine", *words, "--cores", "2")
    table = pd.read_csv(copy.folder / "results" / "sweeps" / "mine.csv")
    assert set(table["of"]) == set(sweep["of"])
    assert sorted(set(table["dt"])) == [0.5, 32]
    assert table["value"].notna().all()
    network = table[table["method"] == "network"]
    assert set(network["quantity"]) >= {"mae_displacement_scaling", "edge_f1", "candidate_f1"}
    told = table[(table["method"] == "link_free_intensity") & (table["quantity"] == "converged")]
    assert told["n"].tolist() == [1] * 6  # a video; of every training
    assert not copy.plan("mine", *words)


@slow
def test_every_job_left_a_log_that_says_what_ran(finished):
    logs = list((finished.folder / "results" / "logs").rglob("*.log"))
    benchmarks = list((finished.folder / "results" / "benchmarks").rglob("*.tsv"))
    assert len(logs) == len(benchmarks) > 50
    for log in logs:
        rule = log.relative_to(finished.folder / "results" / "logs").parts[0]
        assert re.match(rf"magik [\d.]+ rule={rule}\b", log.read_text()), log


@slow
def test_no_job_took_more_memory_than_it_asked_for(finished):
    plan = finished.run("--dry-run", "--forceall").stdout
    asked = re.findall(r"benchmark: (\S+).*?mem_mb=(\d+)", plan, re.S)
    assert len(asked) > 50
    for path, megabytes in asked:
        header, values = (finished.folder / path).read_text().splitlines()[:2]
        took = dict(zip(header.split("\t"), values.split("\t"), strict=True))["max_rss"]
        assert took == "NA" or float(took) < float(megabytes), path


@slow
def test_trainings_never_share_a_gpu(finished, copy):
    """The default profile has one; jobs that want none do run side by side."""

    def overlaps(times: list[tuple[float, float]]) -> bool:
        return any(one[1] > two[0] + 0.01 for one, two in itertools.pairwise(times))

    assert overlaps(finished.times("simulate")), "test invalid"
    on_gpu = copy.overlay({"recipes": {"tracks": {"device": "auto"}}})
    copy.make(CHECKPOINT, CHECKPOINT.replace("coordinates", "images"), "--cores", "2", *on_gpu)
    latest = copy.times("train")[-2:]
    assert latest[0][0] > finished.times("train")[-1][1], "test invalid"
    assert not overlaps(latest)


@slow
@pytest.mark.parametrize("module", ["sweeps", "physics", "graphs", "network", "metrics"])
def test_editing_a_module_reruns_exactly_what_rests_on_it(replanned, dag, module):
    resting = {
        name
        for name, text in rules()
        if module
        in layers.closure(
            *layers.imported_by(ROOT / "workflow" / "scripts" / f"{script_of(text)}.py")
        )
    }
    path = replanned.folder / "magik" / f"{module}.py"
    source = path.read_text()
    try:
        path.write_text(source + "# edited\n")
        assert replanned.plan() == rerun(dag, lambda job: job.rule in resting)
    finally:
        path.write_text(source)


def script_of(text: str) -> str:
    return re.findall(r"scripts/(\w+)\.py", text)[0]


@slow
def test_touching_files_plans_nothing(replanned):
    """As git checkout does."""
    for path in (replanned.folder / "magik").glob("*.py"):
        path.touch()
    for folder in ("workflow", "profiles", "envs"):
        for path in (replanned.folder / folder).rglob("*"):
            path.touch()
    assert replanned.plan() == Counter()


def of(rules: str, *wildcards: str) -> Callable[[Job], bool]:
    """Jobs of any of these rules that have all these wildcards."""
    return lambda job: job.rule in rules.split() and all(w in job.wildcards for w in wildcards)


@slow
@pytest.mark.parametrize(
    ("settings", "direct"),
    [
        ({"experiments": {"diffusion_map": {"map": {"kernel_sd": 4}}}}, of("map")),
        (
            {"datasets": {"landscape": {"graph": {"radius": 0.1}}}},
            of("graph floor", "dataset=landscape"),
        ),
        (
            {"datasets": {"brownian": {"localize": {"minmass": 31}}}},
            of("localize", "dataset=brownian"),
        ),
        (
            {"recipes": {"tracks_map": {"learning_rate": 0.002}}},
            of("train", "experiment=diffusion_map"),
        ),
        ({"figures": {"fig4_images": {"title": "Another"}}}, of("figure", "figure=fig4_images")),
        (
            {"datasets": {"dic_hela_published": {"graph": {"max_lag": 3}}}},
            of("cells graph reach", "dataset=dic_hela_published"),
        ),
        (
            {"samples": {"water": {"map": {"durations": [45]}}}},
            of("sample_map sample_export sample_figure", "sample=water"),
        ),
        ({"seed": 2}, of("simulate observe render still train")),
    ],
    ids=lambda given: str(given) if isinstance(given, dict) else "",
)
def test_changing_a_setting_reruns_only_what_depends_on_it(replanned, dag, settings, direct):
    plan = replanned.plan(*replanned.overlay(settings))
    assert plan == rerun(dag, direct)
    assert plan


@slow
def test_one_core_or_two_the_same_bytes(finished, tmp_path):
    other = Project(tmp_path / "magik", finished.folder)
    other.make("fig4", "--cores", "1")
    theirs, ours = other.hashes(), finished.hashes()
    assert len(theirs) > 20
    assert {name: ours[name] for name in theirs} == theirs


# kills, damage and mistakes -------------------------------------------------------------------

CHECKPOINT = "results/runs/diffusivity/coordinates/seed0/checkpoint.safetensors"


def process_of(project: Project, script: str) -> int | None:
    """The running job of a script, by its working directory."""
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            here = Path(os.readlink(entry / "cwd")) == project.folder
            if here and f"{script}.py".encode() in (entry / "cmdline").read_bytes():
                return int(entry.name)
        except OSError:
            continue
    return None


def wait_for(what: Callable[[], object], seconds: float = 60) -> None:
    begin = time.monotonic()
    while not what():
        assert time.monotonic() - begin < seconds, "it never happened"
        time.sleep(0.02)


@slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("victim", ["job", "snakemake"])
def test_a_killed_training_goes_on_to_the_same_bytes(copy, victim):
    longer = copy.overlay({"recipes": {"tracks": {"epochs": 60, "checkpoint_seconds": 0.2}}})
    checkpoint = copy.folder / CHECKPOINT
    copy.make(CHECKPOINT, "--cores", "1", *longer)
    undisturbed = checkpoint.read_bytes()
    checkpoint.unlink()

    command = [*copy.command, CHECKPOINT, "--cores", "1", *longer, "--config", "scale=tiny"]
    snakemake = subprocess.Popen(
        command,
        cwd=copy.folder,
        env=copy.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_for(lambda: list(checkpoint.parent.glob("*.resume")))
    job = process_of(copy, "train")
    assert job
    assert not checkpoint.exists()
    if victim == "job":
        os.kill(job, signal.SIGKILL)
        assert snakemake.wait() == 0, "the retry goes on"
    else:
        snakemake.kill()
        snakemake.wait()
        wait_for(lambda: not process_of(copy, "train"))
        assert not checkpoint.exists()
        copy.make("--unlock")
        copy.make(CHECKPOINT, "--cores", "1", *longer)

    log = (copy.folder / "results/logs/train/diffusivity/coordinates/seed0.log").read_text()
    assert int(re.search(r"from step (\d+)", log)[1]) > 0, "test invalid"
    assert checkpoint.read_bytes() == undisturbed


@slow
@pytest.mark.parametrize(
    ("file", "content", "target", "log", "message"),
    [
        (
            "results/data/brownian/test/coordinates/localizations.zarr.zip",
            None,
            "results/data/brownian/test/coordinates/graphs.zarr.zip",
            "graph/brownian/test/coordinates",
            "truncated or damaged",
        ),
        (
            "data/examples/water.tif",
            b"not a picture",
            "results/samples/water/localizations.zarr.zip",
            "sample_movie/water",
            "data/examples/water.tif: ",
        ),
        (
            "data/examples/nucleus.csv.gz",
            None,
            "results/samples/nucleus/localizations.zarr.zip",
            "sample_table/nucleus",
            "data/examples/nucleus.csv.gz: ",
        ),
    ],
    ids=["truncated store", "corrupt movie", "truncated table"],
)
def test_a_damaged_file_is_one_line_in_the_log(copy, file, content, target, log, message):
    path = copy.folder / file
    before = copy.hashes()
    path.write_bytes(path.read_bytes()[:1000] if content is None else content)
    said = copy.refuses(target, "--cores", "1")
    lines = (copy.folder / "results" / "logs" / f"{log}.log").read_text().splitlines()
    assert len(lines) == 2, lines
    assert lines[1].startswith("error: ")
    assert message in lines[1]
    assert lines[1] in said, "the log of a failed job is shown"
    lost = before.keys() - copy.hashes().keys()
    assert lost <= {target.removeprefix("results/")}


@slow
def test_the_report_stands_alone(copy):
    copy.make("--report", "report.html")
    page = (copy.folder / "report.html").read_text()
    for part in ("Figures", "Scores", "Recordings", "fig4", "water", "nucleus"):
        assert part in page
    assert not re.search(r'<(script|link|img)[^>]+(src|href)="https?:', page)
