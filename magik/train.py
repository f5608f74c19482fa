"""The training loop, all of it in sight (Methods, "MAGIK training").

Every random choice follows from the seed and the number of the step, so a training that was
killed goes on from its last saved step to the very same weights (on a CPU).
"""

import ctypes
import hashlib
import json
import math
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as safetensors_of
from torch import Tensor

from magik import job, network, schema, store
from magik.config import Features, Network, Recipe, Task
from magik.dataset import Batch, GraphSet
from magik.errors import InputError
from magik.graphs import AXES
from magik.network import MAGIK, Head, MAGIKTracks, Output

FORMAT = "magik checkpoint 1"


@dataclass(frozen=True)
class Trained:
    """A network and all that its use needs: what a checkpoint holds.

    Attributes:
        net: the network, in units of the standardised target.
        task: what it predicts.
        features: what it sees.
        target_mean, target_sd: turn its output into the target's unit.
        outputs: names of the classes, of a task of fractions.
        trained_on: ranges of the training set (see `ranges`).
    """

    net: MAGIK | MAGIKTracks
    task: Task
    features: Features
    target_mean: float
    target_sd: float
    outputs: tuple[str, ...]
    trained_on: dict[str, Any]

    def in_unit(self, said: Tensor) -> Tensor:
        """[3, rows, outputs] what the network says: `in_unit` with the scale of its target."""
        return in_unit(said, self.task, self.target_mean, self.target_sd)


def fit(
    graphs: str | Path,
    validation: str | Path | None,
    checkpoint: str | Path,
    resume: str | Path,
    *,
    task: Task,
    settings: Network,
    recipe: Recipe,
    features: Features,
    seed: int,
    start: str | Path | None = None,
) -> None:
    """Train a network and write its checkpoint.

    Args:
        graphs: store of GRAPHS to learn from.
        validation: store of GRAPHS; the weights of the epoch that does best on it are kept.
            Without one, as when a single video is annotated, those of the last epoch.
        checkpoint: written once, whole, at the end.
        resume: saved now and then; a later call with the same arguments goes on from there.
            Removed at the end.
        task: what to predict, and the loss.
        settings: the network.
        recipe: steps, batches, learning rate.
        features: what the network sees.
        seed: of weights, batches and augmentation.
        start: checkpoint of the same task, network and features to begin with, also with its
            scales of features and target. Where it does best on the validation set, it stays.

    Raises:
        InputError: if a store lacks what the task or the features ask for, the training set
            has no node with a known target, or the start is of another kind.
    """
    torch.set_num_threads(recipe.threads)
    hold_memory()
    device = pick_device(recipe.device)
    examples = _graph_set(graphs, features, task, recipe)
    held_out = _graph_set(validation, features, task, recipe) if validation else None
    mean, sd = _target_scale(examples, task)
    if held_out:
        _target_scale(held_out, task)
    noise = descriptor_noise(examples, recipe)

    torch.manual_seed(seed)
    outputs = list(examples.graphs.attrs["motions"]) if task.target == "fractions" else []
    net = network.build(settings, features, Head.of(task, len(outputs)))
    standardise(net, examples)
    if start:
        first = begin_with(net, start, task, settings, features)
        mean, sd = first.target_mean, first.target_sd
    net.to(device)
    optimizer = torch.optim.Adam(net.parameters(), lr=recipe.learning_rate, fused=True)
    said: dict[str, Any] = {
        "task": task.model_dump(mode="json"),
        "network": settings.model_dump(mode="json"),
        "recipe": recipe.model_dump(mode="json"),
        "features": features.model_dump(mode="json"),
        "seed": seed,
        "target_mean": mean,
        "target_sd": sd,
        "outputs": outputs,
        "trained_on": ranges(examples, recipe),
    }
    if start:
        said["start"] = hashlib.sha256(Path(start).read_bytes()).hexdigest()
        if recipe.epochs == 0:
            said["trained_on"] = first.trained_on
    examples.to(device)
    if held_out:
        held_out.to(device)
    key = hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
    run = _Run(net, optimizer, key, Path(resume))
    run.load()

    epoch_steps = math.ceil(recipe.samples_per_epoch / recipe.batch_size)
    steps = epoch_steps * recipe.epochs
    constant = constant_error(held_out or examples, task, mean)
    print(
        f"training {settings.kind} ({sum(p.numel() for p in net.parameters()):,} parameters) on "
        f"{device}, {recipe.threads} threads: {recipe.epochs} epochs of {epoch_steps} steps of "
        f"{recipe.batch_size} graphs, from step {run.step}; constant guess {constant:.4f}",
        flush=True,
    )
    began, first_step, saved = time.monotonic(), run.step, time.monotonic()
    losses: list[Tensor] = []
    if start and held_out and run.step == 0:
        run.keep_best(evaluate(net, held_out, task, mean, sd))
    while run.step < steps:
        progress = run.step / steps
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(recipe, progress)
        rng = np.random.default_rng((seed, run.step))
        batch = examples.draw(recipe.batch_size, window(recipe, progress), rng, recipe.drop, noise)
        loss = loss_of(net, batch, task, recipe, mean, sd)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.detach())
        run.step += 1
        if run.step % epoch_steps == 0:
            mean_loss = float(torch.stack(losses).mean())
            error = evaluate(net, held_out, task, mean, sd) if held_out else None
            if not math.isfinite(mean_loss + (error or 0.0)):
                raise InputError(
                    f"{graphs}: the training diverged: loss {mean_loss:g}, "
                    f"validation error {error} after step {run.step}; expected finite numbers. "
                    f"Lower the recipe's learning_rate = {recipe.learning_rate:g}."
                )
            run.keep_best(-run.step if error is None else error)  # without one: the latest
            _say(
                run.step, steps, epoch_steps, mean_loss, error, time.monotonic() - began, first_step
            )
            losses = []
            _give_back_memory()
        if time.monotonic() - saved > recipe.checkpoint_seconds:
            run.save()
            saved = time.monotonic()

    if held_out:
        said |= {"validation_error": run.best_error, "validation_constant": constant}
    said |= {
        "graph_passes": steps * recipe.batch_size,
        "parameters": sum(p.numel() for p in net.parameters()),
    }
    save(checkpoint, run.best, said)
    Path(resume).unlink(missing_ok=True)


def begin_with(
    net: MAGIK | MAGIKTracks, start: str | Path, task: Task, settings: Network, features: Features
) -> Trained:
    """Give a network the weights of a checkpoint, which is returned.

    Raises:
        InputError: if the checkpoint is of another task, network or features.
    """
    said = store.said_by(start)
    for name, wanted in {"task": task, "network": settings, "features": features}.items():
        found = type(wanted)(**said[name])  # with the defaults of settings that came later
        if found != wanted:
            raise InputError(f"{start}: trained with {name} {found}; expected {wanted}")
    trained = load(start)
    net.load_state_dict(trained.net.state_dict())
    return trained


def _graph_set(path: str | Path, features: Features, task: Task, recipe: Recipe) -> GraphSet:
    graphs = store.open(path, schema.GRAPHS)
    needed = ("linked", "skips") if task.level == "edge" else (task.variable,)
    for target in (*needed, *(["linked"] if recipe.link_loss else [])):
        if target not in graphs:
            raise InputError(
                f"{path}: no target '{target}': the truth of these graphs is not known. "
                "Train on simulated or annotated data."
            )
    return GraphSet(graphs, features, task, str(path))


def _target_scale(examples: GraphSet, task: Task) -> tuple[float, float]:
    """Mean and s.d. of a regressed number; edges are classified, fractions are of order 1."""
    target = true_of(examples, task).astype(np.float64)
    known = target[np.isfinite(target)]
    if len(known) == 0:
        raise InputError(
            f"{examples.where}: not one {task.level} with a known '{task.target}' to learn from. "
            "Simulate more videos, or set the reach of the graph so that there are edges."
        )
    if task.level == "edge" or task.target == "fractions":
        return 0.0, 1.0
    return float(known.mean()), float(known.std()) or 1.0


def true_of(examples: GraphSet, task: Task) -> np.ndarray:
    """What the task asks of every node, edge or graph of a set."""
    if task.target == "same_track":
        return examples.graphs["linked"].to_numpy() | examples.graphs["skips"].to_numpy()
    return examples.graphs[task.variable].to_numpy()


def descriptor_noise(examples: GraphSet, recipe: Recipe) -> np.ndarray | None:
    """S.d. of the noise added to each node feature: a share of its own; positions get none."""
    names = examples.features.node
    if not recipe.noise or not names or not examples.graphs.sizes["node"]:
        return None
    sd = np.concatenate(list(examples.columns("node"))).std(axis=0)
    return recipe.noise * np.where([name in AXES for name in names], 0, sd)


def standardise(net: MAGIK | MAGIKTracks, examples: GraphSet) -> None:
    """Give both encoders the mean and s.d. of the training set's features, read piece by piece."""
    encoders: tuple[tuple[Literal["node", "edge"], network.Encoder], ...] = (
        ("node", net.node_encoder),
        ("edge", net.edge_encoder),
    )
    for kind, encoder in encoders:
        rows = examples.graphs.sizes[kind]
        if rows == 0 or encoder.features == 0:
            continue
        mean = sum(part.sum(axis=0, dtype=np.float64) for part in examples.columns(kind)) / rows
        square = sum(np.square(part - mean).sum(axis=0) for part in examples.columns(kind)) / rows
        # eigenvectors, which a network may append, are of that scale already
        encoder.mean[: len(mean)] = torch.from_numpy(mean)
        encoder.sd[: len(mean)] = torch.from_numpy(np.where(square > 0, np.sqrt(square), 1.0))


def ranges(examples: GraphSet, recipe: Recipe) -> dict[str, Any]:
    """What a training covers, so that a user hears when a sample lies outside.

    Lengths in px, times in frames; density in localizations per px² and frame; `frames` are
    those that a batch holds of a video; the intensity, in counts, only where the network sees it.
    """
    graphs = examples.graphs
    height, width = graphs.attrs["field_of_view"]
    density = graphs["n_node"].to_numpy() / examples.n_frames / (height * width)
    lengths = [int(examples.n_frames.min()), int(examples.n_frames.max())]
    if recipe.window_share:
        shares = zip(recipe.window_share, lengths, strict=True)
        seen = [max(round(share * frames), examples.max_lag + 1) for share, frames in shares]
    else:
        seen = [min(frames, lengths[1]) for frames in recipe.window or lengths]
    covered: dict[str, Any] = {
        "density": [float(density.min()), float(density.max())],
        "frames": seen,
        "localizations": int(graphs.sizes["node"]),
        "length_px": float(graphs["length_px"].mean()),
        "unit": str(graphs.attrs["unit"]),
        "radius": float(graphs.attrs["radius"]),
        "max_lag": int(graphs.attrs["max_lag"]),
        "axes": list(graphs.attrs["axes"]),
    }
    if "displacement_scaling" in graphs:
        known = graphs["displacement_scaling"].to_numpy()
        known = known[np.isfinite(known)]
        if len(known):
            covered["displacement_scaling"] = [float(known.min()), float(known.max())]
    if "video_exponent" in graphs:
        known = graphs["exponent"].to_numpy()
        covered["exponent"] = [float(np.nanmin(known)), float(np.nanmax(known))]
    if "intensity" in examples.features.node:
        column = examples.features.node.index("intensity")
        parts = [part[:, column] for part in examples.columns("node") if len(part)]
        if parts:
            covered["intensity"] = [
                float(min(part.min() for part in parts)),
                float(max(part.max() for part in parts)),
            ]
    return covered


def learning_rate(recipe: Recipe, progress: float) -> float:
    """Constant (the paper's), or one cycle: a fifth of the training up, the rest down.

    Args:
        recipe: its peak and schedule.
        progress: share of the training that is done, 0 … 1.
    """
    if recipe.schedule == "constant":
        return recipe.learning_rate
    rise = 0.2
    if progress < rise:
        height = 0.04 + 0.96 * 0.5 * (1 - math.cos(math.pi * progress / rise))
    else:
        height = 0.5 * (1 + math.cos(math.pi * (progress - rise) / (1 - rise)))
    return recipe.learning_rate * max(height, 1e-3)


def window(recipe: Recipe, progress: float) -> int | tuple[float, float] | None:
    """Frames cropped from each video: short ones first, which teach to link at little cost.

    Or the range of their share of the video (Methods, linking: 10-20 %).
    """
    if recipe.window_share is not None:
        return recipe.window_share
    if recipe.window is None:
        return None
    first, last = recipe.window
    return round(first + (last - first) * progress)


def loss_of(
    net: MAGIK | MAGIKTracks, batch: Batch, task: Task, recipe: Recipe, mean: float, sd: float
) -> Tensor:
    """Loss of a batch by task, plus the auxiliary losses of its objects and links.

    The link loss is that of every round of soft tracks.
    """
    said = net(batch)
    if task.loss == "l1":
        loss = _regression_loss(*_answer(said, batch, task), task, mean, sd)
    elif task.loss == "cross_entropy":
        logit, fractions = _answer(said, batch, task)
        known = torch.isfinite(fractions).all(dim=1, keepdim=True)
        # shares that are not known count as none of any class, and cost nothing
        loss = F.cross_entropy(logit, torch.where(known, fractions, 0), reduction="sum")
        loss = loss / known.sum().clamp_min(1)
    elif task.loss == "parent_choice":
        choices = [found.parent_choice(batch.linked, batch.edge_index) for found in said.links]
        loss = torch.stack(choices).mean()
    else:
        loss = edge_loss(said.edge, wanted(batch, task), recipe.class_weights)
    if recipe.object_loss and task.level == "graph":
        loss = loss + recipe.object_loss * _object_loss(said, batch, task, mean, sd)
    if recipe.link_loss and said.links:
        links = [found.loss(batch.linked, batch.edge_index) for found in said.links]
        loss = loss + recipe.link_loss * torch.stack(links).mean()
    return loss


def _answer(said: Output, batch: Batch, task: Task) -> tuple[Tensor, Tensor]:
    """[rows, outputs] what the network says, and the truth, [rows, 1] if it is one number."""
    if task.level == "node":
        return said.node, batch.target[:, None]
    assert said.graph is not None  # networks for this level have it
    return said.graph, batch.video_target


def _object_loss(said: Output, batch: Batch, task: Task, mean: float, sd: float) -> Tensor:
    """What a task of whole videos asks, asked of each object by each of its nodes."""
    if task.target == "exponent":
        return _regression_loss(said.node, batch.target[:, None], task, mean, sd)
    motion = batch.target.nan_to_num(nan=-1).long()
    loss = F.cross_entropy(said.node, motion, reduction="sum", ignore_index=-1)
    return loss / (motion >= 0).sum().clamp_min(1)


def _regression_loss(said: Tensor, target: Tensor, task: Task, mean: float, sd: float) -> Tensor:
    """Mean absolute error; of quantiles the pinball loss, doubled: the middle's is then the same.

    `said` [rows, outputs] is standardised, `target` [rows, 1 or outputs] is not; NaN = unknown.
    """
    known = torch.isfinite(target).all(dim=1, keepdim=True)
    error = torch.where(known, (target - mean) / sd - said, 0)
    if task.quantiles is not None:
        each = zip(task.quantiles, error.unbind(dim=1), strict=True)
        error = 2 * torch.stack([torch.maximum(q * e, (q - 1) * e) for q, e in each], dim=1)
    return error.abs().mean(dim=1).sum() / known.sum().clamp_min(1)


def wanted(batch: Batch, task: Task) -> Tensor:
    """[edges] bool: which edges the task calls linked."""
    return batch.linked | batch.skips if task.target == "same_track" else batch.linked


def edge_loss(logit: Tensor, linked: Tensor, class_weights: bool) -> Tensor:
    """Binary cross-entropy per edge; with class weights both classes count half.

    A batch that lacks a class, or all edges, has the loss of what is there.
    """
    each = F.binary_cross_entropy_with_logits(logit, linked.float(), reduction="none")
    if not class_weights:
        return each.sum() / max(1, len(each))
    links = linked.sum()
    rows = torch.stack([links, len(each) - links])
    sums = torch.stack([torch.where(linked, each, 0).sum(), torch.where(linked, 0, each).sum()])
    return (sums / rows.clamp_min(1)).sum() / (rows > 0).sum().clamp_min(1)


def edge_probability(said: Output, task: Task) -> Tensor:
    """[edges] probability that each edge is a link."""
    if task.loss == "parent_choice":
        return said.links[-1].into.exp()
    return said.edge.sigmoid()


def evaluate(
    net: MAGIK | MAGIKTracks,
    graphs: GraphSet,
    task: Task,
    mean: float,
    sd: float,
) -> float:
    """Validation error over whole videos: MAE in the target's unit, or 1 - F1 of edges.

    Of classes, the MAE of their probabilities; of an interval, that of its middle.
    """
    net.eval()
    said, true = [], []
    with torch.no_grad():
        for graph in range(len(graphs)):
            batch = graphs.cut(graph)
            if len(batch.frame) == 0:
                continue
            output = net(batch)
            if task.level == "edge":
                said.append(edge_probability(output, task) > 0.5)
                true.append(wanted(batch, task))
            else:
                found, target = _answer(output, batch, task)
                said.append(in_unit(found, task, mean, sd)[1])
                true.append(target)
    net.train()
    if task.level != "edge":
        error = (torch.cat(said) - torch.cat(true)).abs()
        return float(error[torch.isfinite(error)].mean())
    found, linked = torch.cat(said), torch.cat(true)
    return 1 - 2 * float((found & linked).sum()) / max(1, int(found.sum() + linked.sum()))


def in_unit(said: Tensor, task: Task, mean: float, sd: float) -> Tensor:
    """[3, rows, outputs] lower end, middle and upper end, in the target's unit.

    Logits of classes become probabilities. Without quantiles all three are the same. `said`
    [rows, outputs] is the network's, at the level of the task.
    """
    if task.loss == "cross_entropy":
        said = said.softmax(dim=-1)
    said = said * sd + mean
    if task.quantiles is None:
        return said.expand(3, *said.shape)
    return said.T[:, :, None]


def constant_error(graphs: GraphSet, task: Task, mean: float) -> float:
    """The validation error of saying the training mean everywhere, or that all is linked."""
    true = true_of(graphs, task)
    if task.target == "fractions":
        return float(np.nanmean(np.abs(true - np.nanmean(true, axis=0))))
    if task.level != "edge":
        return float(np.nanmean(np.abs(true - mean)))
    return 1 - 2 * float(true.sum()) / max(1, len(true) + int(true.sum()))


def pick_device(name: str) -> torch.device:
    """The device of that name; "auto" is CUDA where there is one."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError(
            "recipe.device = 'cuda', but torch finds no CUDA device here. "
            "Set it to 'auto' or 'cpu', or run on a node with a GPU."
        )
    return torch.device(name)


def _say(
    step: int,
    steps: int,
    epoch_steps: int,
    loss: float,
    error: float | None,
    seconds: float,
    first_step: int,
) -> None:
    left = seconds / max(1, step - first_step) * (steps - step)
    validated = "" if error is None else f"validation {error:.4f}  "
    print(
        f"epoch {step // epoch_steps}/{steps // epoch_steps}  loss {loss:.4f}  {validated}"
        f"{seconds / 60:.1f} min, {left / 60:.1f} min left",
        flush=True,
    )


def hold_memory() -> None:
    """Use freed memory again: glibc maps every large tensor afresh, a fifth of a step on a CPU."""
    if sys.platform == "linux" and (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)):
        mmap_max, trim_threshold = -4, -1
        mallopt(mmap_max, 0)
        mallopt(trim_threshold, 2**31 - 1)


def _give_back_memory() -> None:
    """Return freed memory to the system: glibc keeps it, in pieces that larger windows outgrow."""
    if sys.platform == "linux" and (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)):
        trim(0)


class _Run:
    """The state of a training: what must be saved to go on as if nothing had happened."""

    def __init__(
        self, net: MAGIK | MAGIKTracks, optimizer: torch.optim.Optimizer, key: str, path: Path
    ):
        self.net, self.optimizer, self.key, self.path = net, optimizer, key, path
        self.step, self.best_error = 0, math.inf
        self.best = _copy(net.state_dict())

    def keep_best(self, error: float) -> None:
        """Remember the weights that do best on the validation set."""
        if error < self.best_error:
            self.best_error, self.best = error, _copy(self.net.state_dict())

    def save(self) -> None:
        """Write the state aside and rename it."""
        tensors = {f"net.{name}": value for name, value in _copy(self.net.state_dict()).items()}
        tensors |= {f"best.{name}": value for name, value in self.best.items()}
        for index, moments in self.optimizer.state_dict()["state"].items():
            for name, value in moments.items():
                tensors[f"adam.{index}.{name}"] = value.detach().cpu().clone()
        best_error = self.best_error if math.isfinite(self.best_error) else None
        said = {"key": self.key, "step": self.step, "best_error": best_error}
        _write(self.path, tensors, said)

    def load(self) -> None:
        """Take up a state that was saved by the same training; ignore any other."""
        if not self.path.exists():
            return
        try:
            tensors, said = _read(self.path)
        except InputError as damage:
            print(f"{damage} It is left aside: starting afresh", flush=True)
            return
        if said.get("key") != self.key:
            print(f"{self.path} belongs to another training: starting afresh", flush=True)
            return
        self.step = said["step"]
        self.best_error = math.inf if said["best_error"] is None else said["best_error"]
        parts: dict[str, dict[str, Tensor]] = {"net": {}, "best": {}, "adam": {}}
        for name, value in tensors.items():
            part, rest = name.split(".", 1)
            parts[part][rest] = value
        self.net.load_state_dict(parts["net"])
        self.best = parts["best"]
        state: dict[int, dict[str, Tensor]] = {}
        for name, value in parts["adam"].items():
            index, moment = name.split(".")
            state.setdefault(int(index), {})[moment] = value
        self.optimizer.load_state_dict(self.optimizer.state_dict() | {"state": state})


def _copy(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().cpu().clone() for name, value in tensors.items()}


def save(path: str | Path, weights: dict[str, Tensor], said: dict[str, Any]) -> None:
    """Write a checkpoint: weights in safetensors, everything else as JSON in its header."""
    provenance = store.provenance()
    _write(Path(path), weights, {"format": FORMAT, **said, "provenance": provenance})


def load(path: str | Path) -> Trained:
    """A checkpoint, ready to predict.

    Raises:
        InputError: if there is none, or it is damaged, of another kind, a pickle, or not the one
            that ships.
    """
    if not Path(path).exists():
        raise InputError(f"{path}: no such checkpoint. Train it with snakemake {path}")
    store.must_be_as_shipped(path)
    weights, said = _read(Path(path))
    if said.get("format") != FORMAT:
        raise InputError(f"{path}: holds '{said.get('format')}'; expected '{FORMAT}'.")
    features = Features(**said["features"])
    task = Task(**said["task"])
    outputs = tuple(said.get("outputs", ()))
    net = network.build(Network(**said["network"]), features, Head.of(task, len(outputs)))
    net.load_state_dict(weights)
    net.eval()
    return Trained(
        net=net,
        task=task,
        features=features,
        target_mean=said["target_mean"],
        target_sd=said["target_sd"],
        outputs=outputs,
        trained_on=said["trained_on"],
    )


def _write(path: Path, tensors: dict[str, Tensor], said: dict[str, Any]) -> None:
    with job.whole(path) as aside:
        said = {**said, "sha256": _digest(tensors, said)}
        header = json.dumps(said, sort_keys=True, allow_nan=False)
        # bytes rather than its own file, which nobody but the owner could read
        aside.write_bytes(safetensors_of(tensors, metadata={"magik": header}))


def _digest(tensors: dict[str, Tensor], said: dict[str, Any]) -> str:
    """Hash of all that a checkpoint holds and says."""
    digest = hashlib.sha256(json.dumps(said, sort_keys=True).encode())
    for name, value in sorted(tensors.items()):
        digest.update(f"{name} {value.dtype} {list(value.shape)}".encode())
        digest.update(value.numpy().tobytes())
    return digest.hexdigest()


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    try:
        with safe_open(path, framework="pt") as file:
            said = json.loads((file.metadata() or {}).get("magik", "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as damage:
        raise store.not_a_checkpoint(path, damage) from damage
    expected = said.pop("sha256", None)  # those of the first version have none
    if expected and expected != _digest(tensors, said):
        raise InputError(
            f"{path}: damaged: its contents do not have the hash {expected[:12]}… that they were "
            "saved with. Delete it and run snakemake again."
        )
    return tensors, said
