"""One experiment at many settings: every point of a sweep becomes an experiment of its own.

Its name tells the point, as in `crowded_links@dt=0.5`, and so do the paths of all that is made of
it. What a setting does not touch is shared: points that differ in their recipe have one data set,
points that differ in how objects are observed have one simulation.
"""

import itertools
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError

from magik.config import COSTS, Experiment, Panel, Study, Sweep, Table, explain, suggest
from magik.errors import InputError

KINDS = ("dataset", "task", "network", "recipe")
"""What an experiment names, and a path may lead into."""

SAFE = re.compile(r"[A-Za-z0-9_.+-]+")
"""What may stand in a path."""

GIVE_NAMES = "In a grid, values can be given names: `{NAME: value}`"

RESERVED = (
    *("of", "crowding", "experiment", "tier", "seed", "quantity", "unit", "method"),
    *("read_out", "duration", "value", "n"),
)
"""Columns that a table of scores has beside its axes (`metrics.of_sweep`)."""

STAGES: dict[str, tuple[str, ...]] = {
    "truth": ("simulate", "splits"),
    "localizations": ("simulate", "splits", "observe", "render", "localize", "cells"),
}
"""The sections of a data set that each of its stages rests on; a graph rests on all."""


class Point(NamedTuple):
    """One experiment at one point of a sweep.

    Attributes:
        of: the experiment that is repeated.
        experiment: its name at this point.
        place: value of each axis, as it stands in paths.
    """

    of: str
    experiment: str
    place: dict[str, str]


class Setting(NamedTuple):
    """One value of one setting: its path, the name of its axis, and how the value is called."""

    path: tuple[str, ...]
    axis: str
    label: str
    value: Any


class Expanded(NamedTuple):
    """A study with all points of its sweeps.

    Attributes:
        study: the points among its experiments, made on demand.
        points: of each sweep.
        owners: for a data set that shares a stage of `STAGES` with others, the one that makes it.
    """

    study: Study
    points: dict[str, tuple[Point, ...]]
    owners: dict[str, dict[str, str]]

    def owner(self, dataset: str, stage: str) -> str:
        """The data set whose truth or localizations a data set uses; most have their own."""
        return self.owners.get(dataset, {}).get(stage, dataset)


def expand(study: Study, where: str = "config.yaml") -> Expanded:
    """A study and the experiments of its sweeps.

    Args:
        study: as loaded.
        where: named first in every error.

    Raises:
        InputError: naming the sweep, the point and what is wrong with it.
    """
    made = {f"{kind}s": dict(getattr(study, f"{kind}s")) for kind in (*KINDS, "experiment")}
    owners: dict[str, dict[str, str]] = {}
    points: dict[str, list[Point]] = {}
    for name, sweep in study.sweep.items():
        try:
            places = list(settings(sweep))
            for of, place in itertools.product(sweep.of, places):
                point = _repeat(study.experiments[of], of, place, made, owners)
                if point in points.setdefault(name, []):
                    raise ValueError(f"'{point.experiment}' stands there twice; expected it once")
                points[name].append(point)
            wide = study.model_copy(update=made)
            for point in points[name]:
                wide.must_fit(point.experiment)
        except ValidationError as error:
            raise InputError(f"{where}: sweep.{name}: {explain(error)}") from None
        except ValueError as error:
            raise InputError(f"{where}: sweep.{name}: {error}") from None
    wide = study.model_copy(update=made)
    for figure, of_figure in study.figures.items():
        for letter, panel in of_figure.panels.items():
            place = f"{where}: figures.{figure}.panels.{letter}"
            if panel.panel == "curve":
                _must_run_along(panel, points[panel.of], wide, place)
            if panel.panel == "matrix":
                _must_fill(panel, points[panel.of], place)
            if panel.of_sweep:
                _must_have_one_tier(panel.experiments or {}, points[panel.of], wide, place)
    for name, table in study.tables.items():
        given = {sweep: points[sweep] for sweep in table.sweeps}
        _must_have_rows(table, given, f"{where}: tables.{name}")
        for of_sweep in given.values():
            _must_have_one_tier(table.columns, of_sweep, wide, f"{where}: tables.{name}")
    return Expanded(
        wide,
        {name: tuple(of_sweep) for name, of_sweep in points.items()},
        owners,
    )


def _must_run_along(panel: Panel, points: list[Point], study: Study, where: str) -> None:
    """Refuse a curve along what its sweep does not vary, along names, or with two values at one x.

    Else what stands for the spread over seeds would be that of another setting, too.
    """
    axes = _axes_of(points)
    if panel.along not in (*axes, "crowding", *COSTS):
        raise InputError(
            f"{where}.along: '{panel.along}'; sweep '{panel.of}' has {', '.join(axes)} "
            f"(and crowding, {', '.join(COSTS)})"
        )
    for label in axes.get(panel.along, ()):
        if not _is_number(label):
            raise InputError(
                f"{where}.along: '{panel.along}' has the value '{label}'; expected numbers"
            )
    _must_know_values(panel.where, axes, f"{where}.where")
    if panel.along in COSTS:
        left = [axis for axis in axes if axis not in panel.where]
        if len(left) > 1:
            raise InputError(
                f"{where}.along: its lines would run through all values of {' and '.join(left)}; "
                "expected one axis. Say which of another in `where: {AXIS: VALUE}`"
            )
        return
    seen: dict[tuple[str, str], Point] = {}
    for point in points:
        if (
            point.of not in (panel.experiments or {})
            or not panel.where.items() <= point.place.items()
        ):
            continue
        x = point.place.get(panel.along) or _crowding(point, study)
        other = seen.setdefault((point.of, x), point)
        if other is not point:
            raise InputError(
                f"{where}: '{other.experiment}' and '{point.experiment}' are both at {panel.along} "
                f"= {x}; expected one of them. Say which in `where: {{AXIS: VALUE}}`"
            )


def _crowding(point: Point, study: Study) -> str:
    """c of what is simulated at a point."""
    dataset = study.datasets[study.experiments[point.experiment].dataset]
    return str(dataset.simulate.crowding)


def _must_have_one_tier(
    experiments: Iterable[str], points: list[Point], study: Study, where: str
) -> None:
    """Refuse to show scores of two tiers as if they were of two seeds."""
    shown = [point for point in points if point.of in experiments]
    tiers = sorted({tier for one in shown for tier in study.experiments[one.experiment].tiers})
    if len(tiers) > 1:
        raise InputError(
            f"{where}: its experiments have the tiers {', '.join(tiers)}; expected one. Sweep "
            "experiments of one tier (`tiers: [coordinates]`)"
        )


def _must_have_rows(table: Table, points: Mapping[str, list[Point]], where: str) -> None:
    """Refuse a table of what its sweeps do not have, or have twice."""
    cells: list[tuple[str, str]] = []
    for sweep, of_sweep in points.items():
        if len(of_sweep[0].place) > 1:
            raise InputError(
                f"{where}.sweeps: '{sweep}' has the axes {', '.join(of_sweep[0].place)}; "
                "expected one"
            )
        cells += [(point.of, value) for point in of_sweep for value in point.place.values()]
    twice = next((cell for cell in cells if cells.count(cell) > 1), None)
    if twice:
        raise InputError(f"{where}.sweeps: two have '{twice[0]}' at '{twice[1]}'; expected one")
    for setting, wanted, known in (
        ("rows", table.rows, [row for _, row in cells]),
        ("columns", table.columns, [of for of, _ in cells]),
    ):
        for name in wanted:
            if name not in known:
                raise InputError(
                    f"{where}.{setting}: no '{name}' in its sweeps; they have "
                    f"{', '.join(dict.fromkeys(known))}"
                )
    first = next(iter(table.rows))
    for experiment in table.columns:
        if (experiment, first) not in cells:
            raise InputError(
                f"{where}.rows: '{experiment}' has no point '{first}', the first, with which all "
                "are compared"
            )


def _must_fill(panel: Panel, points: list[Point], where: str) -> None:
    """Refuse a matrix of what its sweep has not, or whose cells would be several points each."""
    axes = _axes_of(points)
    named = {str(panel.along), *panel.where}
    if named != set(axes):
        raise InputError(
            f"{where}: along and where name {', '.join(sorted(named))}; expected every axis of "
            f"sweep '{panel.of}': {', '.join(axes)}"
        )
    for label in panel.rows or {}:
        _must_know_values({str(panel.along): label}, axes, where)
    _must_know_values(panel.where, axes, where)


def _must_know_values(wanted: Mapping[str, str], axes: Mapping[str, list[str]], where: str) -> None:
    """Refuse an axis that a sweep does not have, or a value that stands nowhere on it."""
    for axis, label in wanted.items():
        if axis not in axes:
            raise InputError(f"{where}: no axis '{axis}'; its sweep has {', '.join(axes)}")
        if label not in axes[axis]:
            known = ", ".join(dict.fromkeys(axes[axis]))
            raise InputError(f"{where}: '{axis}' has no value '{label}'; it has {known}")


def axes_of_numbers(points: Sequence[Point]) -> list[str]:
    """The axes that a curve can run along: of two different numbers or more."""
    labels = {axis: list(dict.fromkeys(each)) for axis, each in _axes_of(points).items()}
    return [axis for axis, each in labels.items() if len(each) > 1 and all(map(_is_number, each))]


def _is_number(label: str) -> bool:
    try:
        return math.isfinite(float(label))
    except ValueError:
        return False


def _axes_of(points: Sequence[Point]) -> dict[str, list[str]]:
    """The value of each axis at every point."""
    return {axis: [point.place[axis] for point in points] for axis in points[0].place}


def settings(sweep: Sweep) -> Iterator[tuple[Setting, ...]]:
    """What is set at each point of a sweep.

    Raises:
        ValueError: if two values would have one name, or a value none that may stand in a path.
    """
    paths = list(sweep.grid or sweep.points[0])
    last = [path.rpartition(".")[2] for path in paths]
    axes = [
        name if last.count(name) == 1 and name not in RESERVED else path
        for name, path in zip(last, paths, strict=True)
    ]
    named = [_named(path, sweep) for path in paths]
    for place in itertools.product(*named) if sweep.grid else zip(*named, strict=True):
        yield tuple(
            Setting(tuple(path.split(".")), axis, label, value)
            for path, axis, (label, value) in zip(paths, axes, place, strict=True)
        )


def _named(path: str, sweep: Sweep) -> list[tuple[str, Any]]:
    """The values of a setting, in the order of the points, and how each is called."""
    given = sweep.grid.get(path)
    if isinstance(given, Mapping):
        pairs = list(given.items())
    else:
        values = given if given is not None else [point[path] for point in sweep.points]
        pairs = [(label_of(value, path), value) for value in values]
    for label, _ in pairs:
        if not SAFE.fullmatch(str(label)):
            raise ValueError(
                f"{path}: '{label}' cannot stand in a path; expected letters, digits and _ . + -. "
                f"{GIVE_NAMES}"
            )
    labels = [str(label) for label, _ in pairs]
    twice = next((label for label in labels if labels.count(label) > 1), None)
    if sweep.grid and twice is not None:
        raise ValueError(f"{path}: '{twice}' stands there twice; expected each value once")
    return [(label, value) for label, (_, value) in zip(labels, pairs, strict=True)]


def label_of(value: Any, path: str) -> str:
    """How a value is called in a path: itself; a list by its items, joined by `-`.

    A range from a value to itself is called like that value.

    Raises:
        ValueError: if it is a group of settings, which needs a name.
    """
    if isinstance(value, Mapping):
        raise ValueError(f"{path}: {value} needs a name. {GIVE_NAMES}")
    if isinstance(value, list | tuple):
        if len(value) == 2 and value[0] == value[1]:
            value = value[:1]
        return "-".join(label_of(item, path) for item in value) or "none"
    return (
        "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    )


def _repeat(
    experiment: Experiment,
    of: str,
    place: tuple[Setting, ...],
    made: dict[str, dict[str, Any]],
    owners: dict[str, dict[str, str]],
) -> Point:
    """One experiment at one point, and the sections that only it has, added to `made`."""
    given = experiment.model_dump()
    # first another name, then what lies within
    for setting in sorted(place, key=lambda each: len(each.path) > 1):
        if setting.path[0] not in KINDS or len(setting.path) == 1:
            _put(given, setting)
    given["on_demand"] = True
    repeated: Experiment = _checked(Experiment, given, "experiments", of)
    own: dict[str, str] = {}
    for kind in KINDS:
        within = [each for each in place if each.path[0] == kind and len(each.path) > 1]
        if within:
            base = given[kind]
            known = made[f"{kind}s"]
            if base not in known:
                raise ValueError(f"{'.'.join(within[0].path)}: there is no {kind} '{base}'")
            own[kind] = _vary(kind, base, within, known)
            if kind == "dataset":
                owners[own[kind]] = {
                    stage: _vary(kind, base, [s for s in within if s.path[1] in sections], known)
                    for stage, sections in STAGES.items()
                }
    name = name_of(of, place)
    one = repeated.model_copy(update=own)
    if made["experiments"].setdefault(name, one) != one:
        raise ValueError(
            f"another sweep has another '{name}'; give the values of one other names, as in "
            "`{NAME: value}`"
        )
    return Point(of, name, {setting.axis: setting.label for setting in place})


def name_of(base: str, place: list[Setting] | tuple[Setting, ...]) -> str:
    """`base@axis=value,axis=value`."""
    return f"{base}@{','.join(f'{each.axis}={each.label}' for each in place)}"


def _vary(kind: str, base: str, place: list[Setting], known: dict[str, Any]) -> str:
    """The name of a section with some settings changed, which is then among the known."""
    if not place:
        return base
    name = name_of(base, place)
    changed = known[base].model_dump()
    for setting in place:
        _put(changed, setting._replace(path=setting.path[1:]), setting.path[:1])
    section = _checked(type(known[base]), changed, f"{kind}s", name)
    if known.setdefault(name, section) != section:
        raise ValueError(f"two {kind}s would be called '{name}'; name the values of one otherwise")
    return name


def _put(given: dict[str, Any], setting: Setting, within: tuple[str, ...] = ()) -> None:
    """Change one setting among those of a section, whose own place goes before its path."""
    *groups, last = setting.path
    for group in groups:
        if not isinstance(given.get(group), dict):
            known = [name for name, value in given.items() if isinstance(value, dict)]
            raise ValueError(
                f"{'.'.join(within + setting.path)}: there is no group of settings '{group}'."
                f"{suggest(group, [*known, *(KINDS if not within else ())])}"
            )
        given = given[group]
    given[last] = setting.value


def _checked(model: type[BaseModel], given: dict[str, Any], *where: str) -> Any:
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise ValueError(explain(error, *where)) from None
