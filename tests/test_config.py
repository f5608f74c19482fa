"""A wrong setting is refused before any job starts, in one line that helps."""

import copy
import itertools
from pathlib import Path

import pytest
from pydantic import ValidationError

from magik import config
from magik.errors import InputError

ROOT = Path(__file__).parents[1]
SCALES = ROOT / "workflow" / "scales"
SHIPPED = config.read_yaml(ROOT / "config.yaml")


def study(**changes) -> config.Study:
    """The shipped study with some settings changed."""
    return config.load(config.merge(SHIPPED, changes), SCALES)


def sample(**settings) -> dict:
    """A recording named `mine`, complete but for `settings`."""
    complete = {
        "movie": "mine.tif",
        "pixel_size_um": 0.1,
        "frame_interval_s": 0.03,
        "experiment": "diffusivity",
    }
    given = {key: value for key, value in (complete | settings).items() if value is not None}
    return {"samples": {"mine": given}}


def simulate(**settings) -> dict:
    return {"datasets": {"brownian": {"simulate": settings}}}


def panel(**settings) -> dict:
    """A figure named `mine` of one panel, right but for `settings`."""
    return {
        "figures": {"mine": {"title": "Mine", "panels": {"a": {"of": "diffusivity"} | settings}}}
    }


def published(**settings) -> dict:
    """One number of the paper, right but for `settings`."""
    number = {"experiment": "diffusivity", "score": "edge_f1", "value": 1, "source": "Fig. 4"}
    return {"published": [number | settings]}


@pytest.mark.parametrize("scale", [path.stem for path in SCALES.glob("*.yaml")])
def test_what_ships_is_accepted_at_every_scale(scale):
    assert study(scale=scale).scale == scale


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        # holograms
        (
            {"datasets": {"brownian": {"render": {"modality": "holography"}}}},
            "render.modality: holography needs simulate.dimensions: 3 and simulate.refractive",
        ),
        (
            {"datasets": {"brownian": {"render": {"numerical_aperture": 1.4}}}},
            "numerical_aperture = 1.4 must be below medium_index = 1.33",
        ),
        (
            {"datasets": {"brownian": {"render": {"pixel_size_um": 0.4}}}},
            "pixel_size_um = 0.4; expected at most wavelength_um / (2 numerical_aperture) = 0.317",
        ),
        (
            {"datasets": {"brownian": {"localize": {"refractive_index": [1.5, 1.4]}}}},
            "from 1.5 to 1.4; expected 0 <= lowest <= highest",
        ),
        # names that are not known
        ({"datsets": {}}, "the top level has no setting 'datsets'. Did you mean 'datasets'?"),
        (
            {"datasets": {"landscape": {"graph": {"raduis": 0.1}}}},
            "datasets.landscape.graph has no setting 'raduis'. Did you mean 'radius'?",
        ),
        ({"scale": "papr"}, "scale: no 'papr'. Did you mean 'paper'?"),
        (
            {"experiments": {"diffusivity": {"network": "magic"}}},
            "experiments.diffusivity.network: no 'magic'. Did you mean 'magik'?",
        ),
        (
            {"figures": {"fig4": {"panels": {"a": {"panel": "frame", "of": "difusivity"}}}}},
            "figures.fig4.panels.a.of: no 'difusivity'. Did you mean 'diffusivity'?",
        ),
        (sample(experiment="qqq"), "samples.mine.experiment: no 'qqq'. Known: "),
        (
            sample(experiment="diffusivity_without_intensity")
            | {"experiments": {"diffusivity_without_intensity": {"tiers": ["images"]}}},
            "samples.mine.experiment: 'diffusivity_without_intensity' has no tier 'coordinates'",
        ),
        (
            sample(experiment="holography_model"),
            "samples.mine: experiment 'holography_model' sees refractive_index of every "
            "localization, but a movie gives x, y, z, intensity, relative_intensity, mass, size, "
            "eccentricity. Choose an experiment that does not",
        ),
        (
            sample(movie=None, table="t.csv", experiment="holography_model_images")
            | {"experiments": {"holography_model_images": {"tiers": ["coordinates", "images"]}}},
            "sees refractive_index, area of every localization, but a table gives x, y, z, "
            "intensity, relative_intensity. Choose an experiment that does not, or say columns: "
            "{refractive_index: <its name>}",
        ),
        (sample(pixelsize_um=1, pixel_size_um=None), "Did you mean 'pixel_size_um'?"),
        ({"scores": {"mine": ["exponnt"]}}, "scores.mine: no 'exponnt'. Did you mean 'exponent'?"),
        ({"scores": {"mine": ["exponent"] * 2}}, "scores.mine: 'exponent' stands there twice"),
        (
            {"scores": {"crowding": ["exponent"]}},
            "scores.crowding: a figure, sweep, table or sample has this name too",
        ),
        (
            published(experiment="x"),
            "published.0.experiment: no 'x'. Known: ",
        ),
        (published(score="mae"), "published.0.score = 'mae': expected 'mae_displacement_scaling',"),
        (
            simulate(diffusivity={"loguniform": [0.1, 1]}),
            "datasets.brownian.simulate.diffusivity has no setting 'loguniform'. "
            "Did you mean 'log_uniform'?",
        ),
        # values out of range, with the range and the unit
        (
            {"defaults": {"graph": {"radius": -1}}},
            "defaults.graph.radius = -1: expected > 0 and <= 20 (reach in space, in the unit of",
        ),
        ({"recipes": {"paper": {"learning_rate": 0}}}, "paper.learning_rate = 0: expected > 0"),
        ({"seed": -1}, "seed = -1: expected >= 0"),
        (sample(pixel_size_um=0), "samples.mine.pixel_size_um = 0: expected > 0 (µm per px)"),
        (simulate(diffusivity=[0.7, 0.005]), "from 0.7 to 0.005 px²/frame; expected 0 <= lowest"),
        (simulate(frames=[55, 50]), "simulate.frames: from 55 to 50; expected 0 <= lowest <="),
        (
            {"tasks": {"displacement_scaling": {"level": "edge"}}},
            "tasks.displacement_scaling: level, target, loss = edge, displacement_scaling, l1; "
            "expected one of: node, displacement_scaling, l1; node, exponent, l1",
        ),
        (
            {"experiments": {"diffusivity": {"network": "magik"}}},
            "experiments.diffusivity: recipe 'tracks' has a link_loss, but network 'magik' of",
        ),
        (
            {"samples": {"fig4": SHIPPED["samples"]["water"]}},
            "samples.fig4: a figure has this name too; choose another",
        ),
        (
            simulate(motion="anomalous"),
            "classes: 0 with motion: anomalous; they belong to motion: anomalous, which needs",
        ),
        (
            simulate(motion="anomalous", classes={"wait": {"model": "ctrw", "exponent": [1, 1.2]}}),
            "exponent: from 1 to 1.2; ctrw needs 0.03 <= α <= 1",
        ),
        (simulate(dimensions=3), "dimensions: 3 with motion: brownian; only anomalous motion has"),
        (
            {"tasks": {"displacement_scaling": {"quantiles": [0.2, 0.6, 0.8]}}},
            "quantiles = [0.2, 0.6, 0.8]; expected 0 < lower < 0.5 < upper < 1",
        ),
        (
            {"experiments": {"lineages": {"linking": {"parents": 2}}}},
            "experiments.lineages.linking.parents = 2, but the network of 'lineages' chooses one",
        ),
        (
            {"datasets": {"holograms": {"localize": {"depth": 20}}}},
            "localize is told that depth, object_radius = 20, 4 px, but they are 32, [4.0, 4.0]",
        ),
        ({"networks": {"magik": {"heads": 7}}}, "heads = 7 must divide the latent width 96"),
        (
            {"defaults": {"predict": {"context": -1}}},
            "predict.context = -1: expected >= 0 (further frames",
        ),
        ({"defaults": {"localize": {"diameter": 4}}}, "diameter must be odd, but is 4 px"),
        ({"defaults": {"seeds": [0, 0]}}, "defaults.seeds: [0, 0]; expected each seed once"),
        (panel(panel="confusion"), "'diffusivity' predicts displacement_scaling"),
        (panel(panel="density", motion="fbm"), "'diffusivity' predicts displacement_scaling"),
        (panel(panel="frame", motion="fbm"), "figures.mine.panels.a.motion: no 'fbm'"),
        (panel(panel="trace"), "the objects of 'diffusivity' do not switch"),
        (panel(panel="depth_graph"), "'diffusivity' is of objects in the plane"),
        (panel(panel="contrast"), "kind 'magik_tracks', without attention; expected kind 'magik'"),
        (
            panel(panel="truth_graph", of="link_dic_hela"),
            "shows what is predicted of each node, but 'link_dic_hela' is of level 'edge'",
        ),
        (
            {"figures": {"fig4": {"panels": {"g": {"duration": 70}}}}},
            "figures.fig4.panels.g.duration: 70 is not among experiments.diffusion_map",
        ),
        # values of the wrong kind
        ({"defaults": {"graph": {"radius": "wide"}}}, "defaults.graph.radius = 'wide': expected a"),
        ({"datasets": [1]}, "datasets = [1]: expected settings by name"),
        (simulate(frames=50), "simulate.frames = 50: expected a list of values (frames per video"),
        (simulate(frames=[50]), "simulate.frames: 1 values; expected at least 2"),
        ({"recipes": {"paper": {"device": "gpu"}}}, "expected 'auto', 'cpu' or 'cuda'"),
        (
            {"experiments": {"Bad Name": {}}},
            "experiments: 'Bad Name' is not a name that fits here; expected [a-z][a-z0-9_]*",
        ),
        # what is missing, or there twice
        ({"experiments": {"mine": {}}}, "experiments.mine.dataset: this setting is required"),
        (sample(pixel_size_um=None), "samples.mine.pixel_size_um: this setting is required"),
        (sample(experiment=None), "samples.mine.experiment: this setting is required"),
        (sample(movie=None), "samples.mine: a sample has one of 'movie', 'table' and 'cells'"),
        (
            sample(table="mine.csv"),
            "samples.mine: a sample has one of 'movie', 'table' and 'cells'",
        ),
    ],
)
def test_a_wrong_setting_is_refused_in_one_line(changes, message):
    with pytest.raises(InputError) as refused:
        study(**changes)
    said = str(refused.value)
    assert said.startswith("config.yaml: ")
    assert message in said
    assert "\n" not in said


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("defaults: {graph: {radius: 0.2}\nseed: 1\n", "mine.yaml:2: not YAML"),
        ("scale: laptop\n\tseed: 1\n", "mine.yaml:2: not YAML"),
        ("- 1\n", "mine.yaml: expected settings by name, found list"),
        ("a: {b: 1}\na: {c: 2}\n", "mine.yaml:2: not YAML: 'a' stands here twice"),
        (None, "mine.yaml: no such file"),
    ],
)
def test_what_is_not_yaml_is_refused_with_file_and_line(tmp_path, content, message):
    path = tmp_path / "mine.yaml"
    if content:
        path.write_text(content)
    with pytest.raises(InputError, match=message):
        config.read_yaml(path)


def test_cells_are_told_of_their_own_settings():
    cells = {"table": "t.csv", "masks": "m.tif"}
    for given, message in (
        ({"mask": "m.tif"}, "samples.mine.cells has no setting 'mask'. Did you mean 'masks'?"),
        (cells, "samples.mine.cells: found masks and table of folder, masks, table, geff"),
        ({"table": "t.csv", "pixel_size_um": 1}, "samples.mine.cells: pixel_size_um belongs to"),
    ):
        with pytest.raises(InputError) as refused:
            study(**sample(movie=None, cells=given, experiment="lineages"))
        assert message in str(refused.value)
    with pytest.raises(InputError, match="write columns into cells"):
        study(**sample(movie=None, cells={"table": "t.csv"}, columns={"frame": "t"}))


def test_a_table_may_have_any_feature_whose_column_is_named():
    columns = {"frame": "t", "refractive_index": "n"}
    given = sample(movie=None, table="t.csv", columns=columns, experiment="holography_model")
    assert study(**given).samples["mine"].columns == columns


def test_cells_are_linked_by_the_network_that_ships_for_their_kind():
    for kind, network in (
        ("masks", "lineages"),
        ("folder", "lineages"),
        ("table", "lineages_points"),
        ("geff", "lineages_points"),
    ):
        mine = study(**sample(movie=None, cells={kind: "mine"}, experiment=None)).samples["mine"]
        assert mine.experiment == network
        mine = study(**sample(movie=None, cells={kind: "mine"}, experiment="link_dic_hela"))
        assert mine.samples["mine"].experiment == "link_dic_hela"


def test_a_recording_that_is_not_there_is_refused(tmp_path):
    mine = study(**sample(movie="mine.tif"))
    with pytest.raises(InputError, match=r"experiments\.\w+\.weights: no file '.*null trains"):
        mine.must_find_files(tmp_path)
    (tmp_path / "magik").symlink_to(ROOT / "magik")
    with pytest.raises(InputError, match=r"samples\.\w+\.[\w.]+: no file '"):
        mine.must_find_files(tmp_path)
    study().must_find_files(ROOT)


@pytest.mark.parametrize("there", ["01_ST", "01"])
def test_a_sequence_is_there_where_its_masks_are(tmp_path, there):
    """As `magik.cells` reads it: images may be missing."""
    for shipped in ("magik", "data"):
        (tmp_path / shipped).symlink_to(ROOT / shipped)
    (tmp_path / "mine" / there).mkdir(parents=True)
    mine = study(**sample(movie=None, cells={"folder": "mine/01/"}, experiment="lineages"))
    if there == "01_ST":
        mine.must_find_files(tmp_path)
        return
    with pytest.raises(InputError, match=r"samples\.mine\.cells\.folder: no file '.*01_ST'"):
        mine.must_find_files(tmp_path)


def test_defaults_are_inherited_and_overridden_one_by_one():
    given = study(defaults={"graph": {"max_lag": 3}}, datasets={"mine": {"graph": {"radius": 0.5}}})
    assert given.datasets["mine"].graph == config.Graph(radius=0.5, max_lag=3)
    assert given.datasets["brownian"].graph == config.Graph(radius=0.20, max_lag=3)


def test_crowding_is_the_papers():
    """Ext. Data Fig. 4: c of seven sampling times, to the two or three digits that it gives."""
    paper = {0.5: 0.0015, 1: 0.0029, 2: 0.0059, 4: 0.0117, 8: 0.0234, 16: 0.0468, 32: 0.0936}
    law = config.Exponential(exponential=0.1, within=(0.001, 1))
    found = {
        dt: config.Simulate(particles=(30, 30), field_of_view=32, diffusivity=law, dt=dt).crowding
        for dt in paper
    }
    assert found == pytest.approx(paper, rel=0.02)


def test_crowding_counts_the_mean_number_of_objects():
    some = config.Simulate(particles=(10, 30), field_of_view=10, diffusivity=(0.2, 0.6), dt=2)
    assert some.crowding == pytest.approx(20 / 100 * 0.4 * 2)


@pytest.mark.parametrize("dataset", ["landscape", "holography_models"])
def test_there_is_no_crowding_in_space_and_in_a_landscape(dataset):
    assert study().datasets[dataset].simulate.crowding is None


@pytest.mark.parametrize(
    "settings",
    [
        {"simulate": {"motion": "switching"}},
        {"simulate": {"dt": {"log_uniform": [0.5, 32]}}},
        {"simulate": {"intensity_sd": {"log_uniform": [1, 9]}}},
        {"observe": {"missed": [0, 0.1]}},
        {"observe": {"localization_error": [0.1, 0.1]}},
    ],
)
def test_links_are_sampled_only_where_their_law_is_known(settings):
    asked = study(datasets={"mine": {"link_free": {"videos": 2}}}).datasets["mine"]
    assert (asked.link_free.videos, asked.link_free.most_sweeps) == (2, 8000)
    assert study().datasets["crowded"].link_free is None  # dear: only where asked for
    with pytest.raises(InputError, match="mine: link_free needs simulate"):
        study(datasets={"mine": {"link_free": {}} | settings})


def test_a_scale_overlays_the_defaults():
    tiny, paper = study(scale="tiny"), study(scale="paper")
    assert tiny.datasets["brownian"].splits.train.videos < 10
    assert paper.datasets["brownian"].splits.train.videos == 2000
    assert tiny.datasets["brownian"].graph == paper.datasets["brownian"].graph


def test_the_scale_paper_trains_as_long_as_the_paper():
    """Methods: 100 epochs of 1,024 samples, on a GPU; of every network that sees simulations."""
    paper = study(scale="paper")
    for name, one in paper.experiments.items():
        recipe = paper.recipes[one.recipe]
        if recipe.epochs and not paper.datasets[one.dataset].cells:
            trained = (recipe.epochs, recipe.samples_per_epoch, recipe.device)
            assert trained == (100, 1024, "auto"), name


def test_a_larger_scale_has_no_less_data():
    """In any split of any data set."""

    def videos(scale: str) -> dict[tuple[str, str], int]:
        datasets = study(scale=scale).datasets.items()
        return {(name, split): of.of_split(split)[1]
                for name, of in datasets if not of.cells for split in config.SPLITS}  # fmt: skip

    grown = [videos(scale) for scale in ("tiny", "laptop", "workstation", "paper")]
    for smaller, larger in itertools.pairwise(grown):
        assert not {of: n for of, n in smaller.items() if larger[of] < n}


def test_one_table_has_every_task_of_motion():
    """But those that sweeps repeat, and those that serve recordings."""
    given = study()
    about = {
        name
        for name, one in given.experiments.items()
        if given.tasks[one.task].target in ("exponent", "fractions")
        or given.datasets[one.dataset].simulate.motion == "switching"
    }
    repeated = {of for sweep in given.sweep.values() for of in sweep.of}
    listed = {name for name in about - repeated if not name.startswith("recordings")}
    assert set(given.scores["motion_scores"]) == listed


def test_an_experiment_named_as_a_setting_is_merged_like_any_other():
    """`diffusivity` is an experiment and a setting; only the setting is one value."""
    changed = study(experiments={"diffusivity": {"predict": {"window": 7}}})
    assert changed.experiments["diffusivity"].predict.window == 7
    merged = config.merge(
        {"diffusivity": {"log_uniform": [0.1, 1]}},
        {"diffusivity": {"exponential": 0.1, "within": [0, 1]}},
    )
    assert merged == {"diffusivity": {"exponential": 0.1, "within": [0, 1]}}


def test_text_from_the_command_line_is_read_as_numbers():
    """Snakemake's --config hands over nested values as text."""
    given = study(seed="3", datasets={"brownian": {"graph": {"radius": "0.25"}}})
    assert (given.seed, given.datasets["brownian"].graph.radius) == (3, 0.25)


def test_settings_are_frozen():
    with pytest.raises(ValidationError, match="frozen"):
        study().seed = 2


def test_a_section_survives_the_way_to_a_job():
    """What a script rebuilds from its params is what the study said."""
    for name, dataset in study().datasets.items():
        again = config.Dataset(**dataset.model_dump(mode="json"))
        assert again == dataset, name


def test_seeds_differ_between_stages_and_follow_the_studys_seed():
    names = [("simulate", "brownian", split) for split in config.SPLITS] + [("train", "x", 0)]
    seeds = [study().seed_of(*each) for each in names]
    assert len(set(seeds)) == len(seeds)
    assert seeds == [study().seed_of(*each) for each in names]
    assert not set(seeds) & {study(seed=2).seed_of(*each) for each in names}


def test_the_command_line_wins_over_the_scale_and_the_scale_over_the_file():
    mine = {"defaults": {"splits": {"test": {"videos": 77}}}}
    given = config.load(config.merge(SHIPPED, mine), SCALES, file=SHIPPED)
    assert given.defaults.splits.test.videos == 77
    laptop = config.read_yaml(SCALES / "laptop.yaml")["defaults"]["splits"]
    assert given.defaults.splits.train.videos == laptop["train"]["videos"]
    in_the_file = config.merge(SHIPPED, mine)
    given = config.load(in_the_file, SCALES, file=in_the_file)
    assert given.defaults.splits.test.videos == laptop["test"]["videos"]


def test_a_scale_says_nothing_of_what_the_file_does_not_have():
    """A study of one's own, with fewer data sets and experiments, has every scale, too."""
    file = copy.deepcopy(SHIPPED)
    file["figures"] = {"fig4": file["figures"]["fig4"]}
    file["samples"], file["published"], file["sweep"], file["tables"] = {}, [], {}, {}
    file["scores"] = {}
    kept = ("diffusivity", "diffusion_map")
    file["experiments"] = {name: file["experiments"][name] for name in kept}
    file["datasets"] = {name: file["datasets"][name] for name in ("brownian", "landscape")}
    for scale in SCALES.glob("*.yaml"):
        fewer = config.load(file | {"scale": scale.stem}, SCALES, file=file)
        assert set(fewer.experiments) == set(kept)
