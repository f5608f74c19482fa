"""The training loop: it learns, resumes to the same bytes, and says what is wrong."""

import json
import pickle
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr
from drawn import brownian, dividing
from safetensors import safe_open
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode

import magik
from magik import dataset, graphs, network, predict, schema, store, train
from magik.config import Features, Graph, Network, Predict, Recipe, Task
from magik.errors import InputError

TASK = Task(level="node", target="displacement_scaling", loss="l1")
NET = Network(kind="magik_tracks", encoder=(8, 12), decoder=(12, 8), heads=3, evidence=5)
RECIPE = Recipe(
    epochs=2,
    samples_per_epoch=8,
    batch_size=2,
    window=(4, 6),
    link_loss=0.3,
    device="cpu",
    checkpoint_seconds=1e-6,  # after each step
)
FEATURES = Features(
    node=("x", "y", "intensity"), edge=("distance", "displacement_x", "displacement_y", "lag")
)


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sets")
    for seed, (name, videos) in enumerate([("train", 20), ("validation", 4)]):
        built = graphs.build(brownian(videos, 8, 8, seed=seed), Graph())
        store.save(built, folder / f"{name}.zarr.zip", schema.GRAPHS)
    return folder


def fit(sets, folder, recipe=RECIPE, net=NET, features=FEATURES, task=TASK, seed=1, start=None):
    path = folder / "checkpoint.safetensors"
    train.fit(
        sets / "train.zarr.zip",
        sets / "validation.zarr.zip",
        path,
        folder / "resume",
        task=task,
        settings=net,
        recipe=recipe,
        features=features,
        seed=seed,
        start=start,
    )
    return path


@pytest.mark.parametrize(
    "given",
    [{"kind": "magik"}, {"kind": "magik", "laplacian": 2}, {"kind": "magik_tracks"}],
    ids=["magik", "laplacian", "magik_tracks"],
)
def test_a_killed_training_goes_on_to_the_same_bytes(sets, tmp_path, given, monkeypatch):
    net = NET.model_copy(update=given)
    for name in ("whole", "killed", "other"):
        (tmp_path / name).mkdir()
    whole = fit(sets, tmp_path / "whole", net=net).read_bytes()

    real, steps = train.loss_of, iter(range(100))

    def dies(*arguments):
        if next(steps) == 5:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(train, "loss_of", dies)
    with pytest.raises(KeyboardInterrupt):
        fit(sets, tmp_path / "killed", net=net)
    assert not (tmp_path / "killed" / "checkpoint.safetensors").exists()
    monkeypatch.setattr(train, "loss_of", real)
    assert fit(sets, tmp_path / "killed", net=net).read_bytes() == whole
    assert not (tmp_path / "killed" / "resume").exists()
    assert fit(sets, tmp_path / "other", net=net, seed=2).read_bytes() != whole, "test invalid"


def test_a_resume_file_of_another_training_is_ignored(sets, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(train.Path, "unlink", lambda self, missing_ok=False: None)
    fit(sets, tmp_path)
    fit(sets, tmp_path, seed=2)
    assert "belongs to another training" in capsys.readouterr().out


def test_a_damaged_resume_file_is_left_aside(sets, tmp_path, capsys):
    whole = fit(sets, tmp_path).read_bytes()
    (tmp_path / "resume").write_bytes(b"cut short")
    assert fit(sets, tmp_path).read_bytes() == whole
    assert "starting afresh" in capsys.readouterr().out


def test_it_learns(sets, tmp_path):
    """Sixty steps on small videos beat the constant guess on videos never seen."""
    recipe = RECIPE.model_copy(
        update={
            "epochs": 2,
            "samples_per_epoch": 240,
            "batch_size": 8,
            "window": (8, 8),
            "learning_rate": 0.01,
            "schedule": "one_cycle",
        }
    )
    path = fit(sets, tmp_path, recipe=recipe)
    with safe_open(path, framework="pt") as file:
        said = json.loads(file.metadata()["magik"])
    assert said["validation_error"] < 0.85 * said["validation_constant"]


def test_a_checkpoint_needs_nothing_else(sets, tmp_path):
    path = fit(sets, tmp_path)
    drawn = brownian(2, 8, 8, seed=9)
    said = predict.run(path, graphs.build(drawn, Graph()), drawn, Predict())
    schema.check(said, schema.PREDICTIONS, "here")
    assert np.isfinite(said["prediction"]).all()
    covered = json.loads(said.attrs["trained_on"])
    assert covered["density"] == pytest.approx([8 / 32**2] * 2)


def test_a_network_with_eigenvectors_is_used_as_it_was_trained(sets, tmp_path):
    path = fit(sets, tmp_path, net=NET.model_copy(update={"kind": "magik", "laplacian": 2}))
    net = train.load(path).net
    assert isinstance(net, network.MAGIK)
    assert net.eigenvectors == 2
    assert net.node_encoder.mean[-2:].tolist() == [0, 0]
    drawn = brownian(1, 6, 7, seed=9)
    built = graphs.build(drawn, Graph())
    said = predict.run(path, built, drawn, Predict())
    assert np.isfinite(said["prediction"]).all()
    xr.testing.assert_identical(predict.run(path, built, drawn, Predict()), said)


def test_predictions_scale_with_the_unit_of_length(sets, tmp_path):
    """A video twice as large, in graphs whose unit is twice as long: √(2D) doubles."""
    path = fit(sets, tmp_path)
    drawn = brownian(1, 8, 8, seed=9)
    large = drawn.assign(x=2 * drawn["x"], y=2 * drawn["y"])
    large.attrs["field_of_view"] = [64.0, 64.0]
    a = predict.run(path, graphs.build(drawn, Graph()), drawn, Predict())
    b = predict.run(path, graphs.build(large, Graph()), large, Predict())
    np.testing.assert_allclose(b["prediction"], 2 * a["prediction"], rtol=1e-4)


def test_windows_share_out_the_frames():
    assert list(predict.windows(100, Predict(window=50))) == [(0, 50), (50, 100)]
    assert list(predict.windows(55, Predict(window=50))) == [(0, 55)]
    assert list(predict.windows(3, Predict(window=50))) == [(0, 3)]
    edges = list(predict.windows(1517, Predict(window=50)))
    assert edges[0][0] == 0
    assert edges[-1][1] == 1517
    assert all(a[1] == b[0] for a, b in pairwise(edges))
    assert {b - a for a, b in edges} == {50, 51}
    assert list(predict.windows(90, Predict(window=50))) == [(0, 45), (45, 90)]


def test_windows_with_all_the_context_change_nothing(sets, tmp_path):
    path = fit(sets, tmp_path)
    drawn = brownian(2, 8, 8, seed=9)
    built = graphs.build(drawn, Graph())
    whole = predict.run(path, built, drawn, Predict(window=8))
    seen = predict.run(path, built, drawn, Predict(window=2, context=8))
    np.testing.assert_allclose(seen["prediction"], whole["prediction"], atol=1e-5)
    blind = predict.run(path, built, drawn, Predict(window=2))
    assert not np.allclose(blind["prediction"], whole["prediction"], atol=1e-5), "test invalid"


def test_windows_without_localizations_are_skipped(sets, tmp_path):
    path = fit(sets, tmp_path)
    drawn = brownian(1, 8, 8, seed=9)
    late = drawn.assign(frame=drawn["frame"] + 100, n_frames=drawn["n_frames"] + 100)
    said = predict.run(path, graphs.build(late, Graph()), late, Predict(window=8))
    assert np.isfinite(said["prediction"]).all()


def test_a_checkpoint_for_other_graphs_is_refused(sets, tmp_path):
    path = fit(sets, tmp_path)
    drawn = brownian(1, 8, 8, seed=9)
    with pytest.raises(InputError, match=r"trained on graphs with radius = 0\.2, .* have 0\.1\."):
        predict.run(path, graphs.build(drawn, Graph(radius=0.1)), drawn, Predict())
    dark = drawn.drop_vars("intensity")
    with pytest.raises(InputError, match="no node feature 'intensity'"):
        predict.run(path, graphs.build(dark, Graph()), dark, Predict())


def test_a_damaged_checkpoint_is_refused(sets, tmp_path):
    path = fit(sets, tmp_path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match="not a whole checkpoint"):
        train.load(path)
    with pytest.raises(InputError, match="no such checkpoint"):
        train.load(tmp_path / "nowhere")


def test_a_flipped_bit_anywhere_is_noticed(sets, tmp_path):
    """In a weight, and in the settings, which stay readable JSON."""
    path = fit(sets, tmp_path)
    whole = path.read_bytes()
    for place in (len(whole) - 50, whole.index(b'target_mean\\": 0.') + 18):
        flipped = bytearray(whole)
        flipped[place] ^= 1
        path.write_bytes(flipped)
        with pytest.raises(InputError, match=r"damaged: .* Delete it and run snakemake again\.$"):
            train.load(path)
    path.write_bytes(whole)
    train.load(path)


def test_a_pickle_is_never_opened(tmp_path):
    """It would write a file if it were."""

    class Trap:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "sprung",))

    bare, zipped = tmp_path / "bare.pkl", tmp_path / "zipped.pt"
    bare.write_bytes(pickle.dumps(Trap()))
    torch.save(Trap(), zipped)
    for path in (bare, zipped):
        for read in (train.load, store.said_by):
            with pytest.raises(InputError, match=r"a pickle .* expected safetensors"):
                read(path)
    assert not (tmp_path / "sprung").exists()
    pickle.loads(bare.read_bytes())
    assert (tmp_path / "sprung").exists(), "test invalid"


def test_weights_that_ship_are_those_that_were_listed(tmp_path):
    listed = Path(magik.__file__).parent / "weights"
    names = [path.name for path in listed.glob("*.safetensors")]
    for name in names:
        train.load(listed / name)
    (tmp_path / "SHA256SUMS").write_text((listed / "SHA256SUMS").read_text())
    wrong, new = tmp_path / names[0], tmp_path / "new.safetensors"
    wrong.write_bytes((listed / names[1]).read_bytes())
    new.write_bytes((listed / names[1]).read_bytes())
    for read in (train.load, store.said_by):
        with pytest.raises(InputError, match=r"has sha256 .* expects .* damaged or replaced"):
            read(wrong)
        with pytest.raises(InputError, match=r"not listed in .*SHA256SUMS"):
            read(new)


def test_graphs_without_truth_cannot_be_learnt_from(tmp_path):
    blind = graphs.build(brownian(1, 4, 4, seed=0).drop_vars("diffusivity"), Graph())
    for name in ("train", "validation"):
        store.save(blind, tmp_path / f"{name}.zarr.zip", schema.GRAPHS)
    with pytest.raises(InputError, match="no target 'displacement_scaling'"):
        fit(tmp_path, tmp_path)


def test_a_validation_set_without_truth_is_refused(sets, tmp_path):
    unknown = store.load(sets / "validation.zarr.zip", schema.GRAPHS)
    unknown["displacement_scaling"][:] = np.nan
    store.save(unknown, tmp_path / "validation.zarr.zip", schema.GRAPHS)
    (tmp_path / "train.zarr.zip").symlink_to(sets / "train.zarr.zip")
    with pytest.raises(InputError, match=r"validation\.zarr\.zip: not one node with a known"):
        fit(tmp_path, tmp_path)


def test_a_training_that_diverges_leaves_no_checkpoint(sets, tmp_path):
    with pytest.raises(InputError, match=r"diverged.*Lower the recipe's learning_rate"):
        fit(sets, tmp_path, recipe=RECIPE.model_copy(update={"learning_rate": 1e30}))
    assert not (tmp_path / "checkpoint.safetensors").exists()


def test_a_set_larger_than_memory_trains_to_the_same_bytes(sets, tmp_path, monkeypatch):
    whole = fit(sets, tmp_path).read_bytes()
    monkeypatch.setattr(dataset, "LOAD_BELOW_BYTES", 0)
    assert fit(sets, tmp_path).read_bytes() == whole


def test_a_checkpoint_says_what_it_was_trained_on(sets, tmp_path):
    covered = train.load(fit(sets, tmp_path)).trained_on
    assert covered["frames"] == [4, 6], "the windows of the recipe, not the videos of 8"
    assert covered["axes"] == ["x", "y"]
    assert covered["intensity"][0] < 30 < 70 < covered["intensity"][1]


def test_a_checkpoint_can_be_read_by_others(sets, tmp_path):
    assert fit(sets, tmp_path).stat().st_mode & 0o044 == 0o044


def test_one_cycle_rises_and_falls():
    recipe = Recipe(schedule="one_cycle", learning_rate=1.0)
    rates = [train.learning_rate(recipe, p) for p in np.linspace(0, 1, 101)]
    assert rates[0] == pytest.approx(0.04)
    assert max(rates) == pytest.approx(1, abs=1e-3)
    assert rates[-1] == pytest.approx(1e-3)
    assert train.learning_rate(Recipe(learning_rate=0.5), 0.3) == 0.5


def test_windows_grow_over_the_training():
    recipe = Recipe(window=(12, 50))
    assert [train.window(recipe, p) for p in (0, 0.5, 1)] == [12, 31, 50]
    assert train.window(Recipe(), 0.5) is None


def test_edges_can_be_the_task(sets, tmp_path):
    linking = Task(level="edge", target="linked", loss="binary_cross_entropy")
    path = fit(sets, tmp_path, task=linking, net=NET.model_copy(update={"kind": "magik"}))
    assert train.load(path).task == linking
    drawn = brownian(1, 8, 8, seed=9)
    with pytest.raises(InputError, match="linked of each edge; expected a network for nodes"):
        predict.run(path, graphs.build(drawn, Graph()), drawn, Predict())


def test_cuda_without_a_gpu_is_refused():
    if torch.cuda.is_available():
        assert train.pick_device("cuda").type == "cuda"
    else:
        with pytest.raises(InputError, match="finds no CUDA device"):
            train.pick_device("cuda")


CHOICE = Task(level="edge", target="linked", loss="parent_choice")


def test_one_annotated_recording_is_enough(sets, tmp_path):
    """Without a validation set the last weights are kept, and it still learns to link."""
    path = tmp_path / "checkpoint.safetensors"
    train.fit(
        sets / "train.zarr.zip",
        None,
        path,
        tmp_path / "resume",
        task=CHOICE,
        settings=NET,
        recipe=RECIPE.model_copy(
            update={"epochs": 6, "samples_per_epoch": 64, "link_loss": 0.0, "drop": 0.1}
        ),
        features=FEATURES,
        seed=0,
    )
    held_out = graphs.build(brownian(4, 8, 8, seed=9), Graph())
    edges = predict.run_edges(path, held_out, Predict(window=4))
    schema.check(edges, schema.EDGES, "edges")
    found, true = edges["probability"].values > 0.5, edges["linked"].values
    f1 = 2 * (found & true).sum() / (found.sum() + true.sum())
    everything = 2 * true.sum() / (len(true) + true.sum())
    assert f1 > everything + 0.15


@pytest.mark.parametrize("kind", ["magik", "magik_tracks"])
@pytest.mark.parametrize("target", ["linked", "same_track"])
def test_edges_are_judged_alike_in_windows_that_see_all(sets, tmp_path, kind, target):
    """With all frames as context, windows change nothing; every edge is judged once."""
    task = Task(level="edge", target=target, loss="binary_cross_entropy")
    path = fit(sets, tmp_path, task=task, net=NET.model_copy(update={"kind": kind}),
               recipe=RECIPE.model_copy(update={"link_loss": 0.0, "window": None,
                                                "window_share": (0.5, 1.0)}))  # fmt: skip
    drawn = graphs.build(brownian(2, 8, 6, seed=4), Graph())
    whole = predict.run_edges(path, drawn, Predict(window=8))
    parts = predict.run_edges(path, drawn, Predict(window=2, context=8))
    np.testing.assert_allclose(whole["probability"], parts["probability"], atol=1e-5)
    assert np.all((whole["probability"] > 0) & (whole["probability"] < 1))
    np.testing.assert_array_equal(whole["linked"], drawn["linked"])


def test_what_counts_as_linked_is_the_tasks_choice():
    """Particle 3 of the drawing makes 3 edges over a detection of its own."""
    built = graphs.build(dividing(), Graph(radius=0.3))
    batch = dataset.GraphSet(built, Features(node=(), edge=("distance",))).cut(0)
    same = CHOICE.model_copy(update={"target": "same_track"})
    only, all_of_it = (train.wanted(batch, task) for task in (CHOICE, same))
    assert int(all_of_it.sum()) == int(only.sum()) + 3
    assert torch.all(all_of_it[only])


@pytest.mark.parametrize("class_weights", [False, True])
@pytest.mark.parametrize("linked", [[], [False, False], [True, True, True]])
def test_batches_without_a_class_or_without_edges_survive(linked, class_weights):
    logit = torch.zeros(len(linked), requires_grad=True)
    loss = train.edge_loss(logit, torch.tensor(linked, dtype=torch.bool), class_weights)
    loss.backward()
    assert float(loss.detach()) == pytest.approx(np.log(2) if linked else 0)
    assert torch.all(torch.isfinite(logit.grad))


def test_class_weights_make_both_classes_count_the_same():
    """One linked edge judged wrong among nine unlinked ones judged right."""
    logit = torch.tensor([-4.0] * 10)
    linked = torch.tensor([True] + [False] * 9)
    wrong, right = np.log1p(np.exp(4)), np.log1p(np.exp(-4))
    plain, fair = (float(train.edge_loss(logit, linked, weighted)) for weighted in (False, True))
    assert plain == pytest.approx((wrong + 9 * right) / 10, rel=1e-5)
    assert fair == pytest.approx((wrong + right) / 2, rel=1e-5)


def test_noise_is_a_share_of_each_descriptors_spread_and_spares_positions(sets):
    examples = dataset.GraphSet(store.load(sets / "train.zarr.zip", schema.GRAPHS), FEATURES)
    noise = train.descriptor_noise(examples, RECIPE.model_copy(update={"noise": 0.5}))
    spread = examples.graphs["node_features"].values[:, 2].std()
    np.testing.assert_allclose(noise, [0, 0, 0.5 * spread], rtol=1e-5)
    assert train.descriptor_noise(examples, RECIPE) is None


def moving(videos, seed):
    """Brownian videos that say how they move: the first class not at all, the second freely.

    All particles of a video are of one class; its α is made up: 0.5 or 1.5.
    """
    drawn = brownian(videos, 8, 8, seed=seed)
    fast = np.repeat(np.arange(videos) % 2, 64)
    begin = {
        axis: np.repeat(drawn[axis].to_numpy().reshape(videos, 8, 8)[:, :1], 8, axis=1).ravel()
        for axis in ("x", "y")
    }
    return drawn.assign(
        x=("localization", np.where(fast, drawn["x"], begin["x"])),
        y=("localization", np.where(fast, drawn["y"], begin["y"])),
        exponent=("localization", 0.5 + fast),
        motion=("localization", fast),
    ).assign_attrs(motions=["still", "free"])


@pytest.fixture(scope="module")
def moving_sets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("moving")
    for seed, (name, videos) in enumerate([("train", 20), ("validation", 4)]):
        built = graphs.build(moving(videos, seed), Graph())
        store.save(built, folder / f"{name}.zarr.zip", schema.GRAPHS)
    return folder


LEARNS = RECIPE.model_copy(
    update={
        "epochs": 5,
        "samples_per_epoch": 160,
        "batch_size": 8,
        "window": None,
        "learning_rate": 0.01,
        "schedule": "one_cycle",
        "checkpoint_seconds": 60.0,
    }
)


@pytest.mark.parametrize("kind", ["magik", "magik_tracks"])
@pytest.mark.parametrize("loss", ["l1", "cross_entropy"])
def test_it_learns_what_a_video_is_made_of(moving_sets, tmp_path, kind, loss):
    task = Task(level="graph", target="fractions", loss=loss)
    weight = 0.5 if kind == "magik_tracks" else 0.0
    recipe = LEARNS.model_copy(update={"link_loss": 0.0, "object_loss": weight})
    path = fit(
        moving_sets, tmp_path, task=task, net=NET.model_copy(update={"kind": kind}), recipe=recipe
    )
    drawn = graphs.build(moving(6, seed=9), Graph())
    said = predict.run_videos(path, drawn, Predict())
    schema.check(said, schema.VIDEO_PREDICTIONS, "here")
    assert said.attrs["output"] == ["still", "free"]
    right = said["prediction"].argmax("output") == [0, 1, 0, 1, 0, 1]
    assert right.sum() >= 5
    np.testing.assert_allclose(said["target"], np.eye(2)[[0, 1, 0, 1, 0, 1]])
    if loss == "cross_entropy":
        np.testing.assert_allclose(said["prediction"].sum("output"), 1, rtol=1e-5)


@pytest.mark.parametrize("level", ["node", "graph"])
def test_an_interval_holds_its_middle_and_does_not_cross(moving_sets, tmp_path, level):
    task = Task(level=level, target="exponent", loss="l1", quantiles=(0.16, 0.5, 0.84))
    path = fit(moving_sets, tmp_path, task=task, recipe=LEARNS)
    drawn = moving(2, seed=9)
    built = graphs.build(drawn, Graph())
    if level == "node":
        said = predict.run(path, built, drawn, Predict())
        schema.check(said, schema.PREDICTIONS, "here")
    else:
        said = predict.run_videos(path, built, Predict())
        schema.check(said, schema.VIDEO_PREDICTIONS, "here")
    assert np.all(said["lower"] <= said["prediction"])
    assert np.all(said["prediction"] <= said["upper"])
    slow, fast = np.split(said["prediction"].to_numpy().ravel(), 2)
    assert slow.mean() < 1 < fast.mean(), "not learned"


def test_quantiles_are_where_the_pinball_loss_is_least():
    """Of the numbers 0 … 100 the quantiles 0.16, 0.5 and 0.84 are 16, 50 and 84."""
    task = Task(level="node", target="exponent", loss="l1", quantiles=(0.16, 0.5, 0.84))
    truth = torch.arange(101.0)[:, None]

    def loss(*ends):
        return float(train._regression_loss(torch.tensor([ends]).expand(101, 3), truth, task, 0, 1))

    best = loss(16.0, 50.0, 84.0)
    for moved in [(14.0, 50.0, 84.0), (16.0, 53.0, 84.0), (16.0, 50.0, 88.0)]:
        assert loss(*moved) > best
    plain = Task(level="node", target="exponent", loss="l1")
    middle = train._regression_loss(torch.full((101, 1), 50.0), truth, plain, 0.0, 1.0)
    assert float(middle) == pytest.approx(np.abs(np.arange(101) - 50).mean())


def test_a_network_for_nodes_says_nothing_of_videos(moving_sets, tmp_path):
    task = Task(level="node", target="exponent", loss="l1")
    path = fit(moving_sets, tmp_path, task=task)
    with pytest.raises(InputError, match="predicts exponent of each node; expected a network for"):
        predict.run_videos(path, graphs.build(moving(1, seed=9), Graph()), Predict())


def test_a_long_video_is_given_the_mean_of_its_windows_and_no_interval(moving_sets, tmp_path):
    task = Task(level="graph", target="exponent", loss="l1", quantiles=(0.16, 0.5, 0.84))
    path = fit(moving_sets, tmp_path, task=task)
    drawn = moving(1, seed=9)
    parts = [
        drawn.isel(localization=(drawn["frame"] // 4 == half).to_numpy()).assign(
            row_size=("video", [32]), n_frames=("video", [4])
        )
        for half in (0, 1)
    ]
    parts[1]["frame"] = parts[1]["frame"] - 4
    halves = [predict.run_videos(path, graphs.build(part, Graph()), Predict()) for part in parts]
    whole = predict.run_videos(path, graphs.build(drawn, Graph()), Predict(window=4))
    mean = np.mean([half["prediction"] for half in halves], axis=0)
    np.testing.assert_allclose(whole["prediction"], mean, rtol=1e-5)
    assert np.isfinite(halves[0]["lower"]).all()
    assert np.isnan(whole["lower"]).all()
    assert np.isnan(whole["upper"]).all()


def test_objects_are_asked_only_where_the_recipe_says_so(moving_sets):
    """Without their loss the gradient of what only they need is none."""
    built = store.load(moving_sets / "train.zarr.zip", schema.GRAPHS)
    for task in (
        Task(level="graph", target="fractions", loss="cross_entropy"),
        Task(level="graph", target="exponent", loss="l1"),
    ):
        batch = dataset.GraphSet(built, FEATURES, task).cut(1)
        net = network.build(
            NET.model_copy(update={"kind": "magik"}), FEATURES, network.Head.of(task, 2)
        )
        for weight in (0.0, 1.0):
            net.zero_grad()
            recipe = RECIPE.model_copy(update={"object_loss": weight, "link_loss": 0.0})
            train.loss_of(net, batch, task, recipe, 1.0, 0.5).backward()
            asked = [p.grad for p in net.node_decoder.parameters()]
            assert all(
                (grad is not None and grad.abs().sum() > 0) == bool(weight) for grad in asked
            )


ASKED = [
    TASK.model_copy(update={"quantiles": (0.16, 0.5, 0.84)}),
    Task(level="graph", target="fractions", loss="cross_entropy"),
    Task(level="graph", target="fractions", loss="l1"),
    Task(level="graph", target="exponent", loss="l1"),
    Task(level="edge", target="linked", loss="binary_cross_entropy"),
    Task(level="edge", target="linked", loss="parent_choice"),
]


OURS = NET.model_copy(update={"blocks": 1, "matching": 2})
THEIRS = Network(kind="magik", encoder=(6,), decoder=(6,), heads=3, blocks=1)


def test_no_loss_asks_the_device_for_a_number(moving_sets):
    """Tensors without numbers stand for those of a device: who needs one to go on has an error."""
    built = store.load(moving_sets / "train.zarr.zip", schema.GRAPHS)
    recipe = RECIPE.model_copy(update={"object_loss": 0.5})
    for settings, task in [(THEIRS, TASK), *((OURS, task) for task in ASKED)]:
        batch = dataset.GraphSet(built, FEATURES, task).draw(3, 5, np.random.default_rng(0))
        with FakeTensorMode() as device:
            numberless = {
                name: device.from_tensor(value)
                for name, value in vars(batch).items()
                if isinstance(value, torch.Tensor)
            }
            net = network.build(settings, FEATURES, network.Head.of(task, 2))
            loss = train.loss_of(net, replace(batch, **numberless), task, recipe, 1.0, 0.5)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            with pytest.raises(DataDependentOutputException):
                float(loss)


def cost(said: torch.Tensor, true: torch.Tensor, task: Task) -> torch.Tensor:
    """The loss of known rows, written out; the target has mean 1 and s.d. 0.5."""
    if task.loss == "cross_entropy":
        return -(true * said.log_softmax(dim=1)).sum(dim=1).mean()
    error = (true.reshape(len(true), -1) - 1) / 0.5 - said
    if task.quantiles:
        under, over = error.clamp_min(0), (-error).clamp_min(0)
        q = torch.tensor(task.quantiles)
        return 2 * (q * under + (1 - q) * over).mean()
    return error.abs().mean()


@pytest.mark.parametrize("task", [TASK, *ASKED[:4]], ids=lambda task: f"{task.target} {task.loss}")
def test_what_is_not_known_costs_nothing(moving_sets, task, monkeypatch):
    built = store.load(moving_sets / "train.zarr.zip", schema.GRAPHS)
    batch = dataset.GraphSet(built, FEATURES, task).draw(4, None, np.random.default_rng(0))
    of_video = task.level == "graph"
    true = (batch.video_target if of_video else batch.target).clone()
    known = torch.arange(len(true)) % 3 > 0
    true[~known] = torch.nan
    outputs = 3 if task.quantiles else true.shape[1] if of_video else 1
    said = torch.randn(len(true), outputs, generator=torch.Generator().manual_seed(0))
    said.requires_grad_()

    net = network.build(NET, FEATURES, network.Head.of(task, 2))
    of_nodes = said if not of_video else torch.zeros(len(batch.frame), 1)
    output = network.Output(of_nodes, batch.distance[:0], said if of_video else None)
    monkeypatch.setattr(net, "forward", lambda _: output)
    batch = replace(batch, **{"video_target" if of_video else "target": true})
    loss = train.loss_of(net, batch, task, RECIPE, 1.0, 0.5)
    expected = cost(said[known], true[known], task)
    torch.testing.assert_close(loss, expected)
    (found,), (gradient,) = (torch.autograd.grad(each, said) for each in (loss, expected))
    torch.testing.assert_close(found, gradient)
    assert (found[known] != 0).any(), "test invalid"


def test_a_training_may_begin_with_a_checkpoint_or_take_it_as_it_is(sets, tmp_path):
    for name in ("first", "kept", "tuned", "other"):
        (tmp_path / name).mkdir()
    first = fit(sets, tmp_path / "first")
    known = train.load(first)

    as_it_is = RECIPE.model_copy(update={"epochs": 0})
    kept = train.load(fit(sets, tmp_path / "kept", as_it_is, seed=9, start=first))
    for name, weight in kept.net.state_dict().items():
        torch.testing.assert_close(weight, known.net.state_dict()[name], rtol=0, atol=0)
    assert (kept.target_mean, kept.target_sd) == (known.target_mean, known.target_sd)
    assert kept.trained_on == known.trained_on

    hopeless = RECIPE.model_copy(update={"learning_rate": 1e-9})
    tuned = train.load(fit(sets, tmp_path / "tuned", hopeless, seed=9, start=first))
    afresh = train.load(fit(sets, tmp_path / "other", hopeless, seed=9))
    name = "node_decoder.0.0.weight"
    close = [
        torch.allclose(one.net.state_dict()[name], known.net.state_dict()[name], atol=1e-6)
        for one in (tuned, afresh)
    ]
    assert close == [True, False]


def test_a_start_of_another_kind_is_refused(sets, tmp_path):
    first = fit(sets, tmp_path)
    other = NET.model_copy(update={"evidence": 6})
    with pytest.raises(InputError, match=r"trained with network .*evidence=5.* expected .*=6"):
        fit(sets, tmp_path, net=other, start=first)
