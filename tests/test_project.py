"""The project's own files agree with one another."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import magik
from magik import config, layers, sweeps

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def pins(lines: list[str]) -> dict[str, str]:
    return dict(line.strip().split("==") for line in lines if not line.startswith("#"))


LOCK = pins((ROOT / "envs" / "requirements.txt").read_text().splitlines())


def requirements() -> list[Requirement]:
    extras = PROJECT["optional-dependencies"].values()
    return [Requirement(line) for line in sum(extras, PROJECT["dependencies"])]


@pytest.mark.parametrize("wanted", requirements(), ids=lambda each: each.name)
def test_the_lock_has_what_the_project_asks_for(wanted):
    assert wanted.specifier.contains(LOCK[canonicalize_name(wanted.name)])


def test_lock_and_conda_environment_are_the_same():
    conda = yaml.safe_load((ROOT / "envs" / "magik.yaml").read_text())
    assert "nodefaults" in conda["channels"]
    python, pip, by_pip = conda["dependencies"]
    assert python.removeprefix("python=") in PROJECT["requires-python"]
    assert re.fullmatch(r"pip=[\d.]+", pip)
    assert pins(by_pip["pip"]) == LOCK


def test_the_schema_for_editors_is_current():
    """`make schema` writes it."""
    path = ROOT / "workflow" / "schemas" / "config.schema.json"
    assert json.loads(path.read_text()) == config.json_schema()
    first = (ROOT / "config.yaml").read_text().splitlines()[0]
    assert first.endswith(str(path.relative_to(ROOT))), "config.yaml tells editors of it"


def test_every_setting_of_the_schema_is_closed_to_unknown_names():
    schema = config.json_schema()
    sections = [schema, *schema["$defs"].values()]
    for section in sections:
        assert section["additionalProperties"] is False, section.get("title")


def test_the_wheel_has_the_modules_and_nothing_else(tmp_path):
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(layers.PACKAGE, tmp_path / "magik")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", tmp_path]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    assert wheel.name.startswith(f"magik-{magik.__version__}-")
    names = {Path(name) for name in zipfile.ZipFile(wheel).namelist()}
    modules = {name.stem for name in names if name.parts[0] == "magik" and len(name.parts) == 2}
    weights = {name.name for name in names if name.parts[:2] == ("magik", "weights")}
    assert weights == {path.name for path in (layers.PACKAGE / "weights").iterdir()}
    assert modules == {"__init__", *(path.stem for path in layers.PACKAGE.glob("[!_]*.py"))}
    assert {name.parts[0].split("-")[0] for name in names} == {"magik"}


def test_settings_need_no_workflow_and_no_torch():
    """The library works without Snakemake; settings are read in a moment."""
    program = "import sys, magik.config, magik.layers; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert not {"snakemake", "torch", "numpy", "xarray"} & set(done.stdout.split())
    for path in layers.PACKAGE.glob("*.py"):
        assert "snakemake" not in {line.split()[1] for line in path.read_text().splitlines()
                                   if line.startswith(("import ", "from "))}  # fmt: skip


def test_the_citation_names_the_paper():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["preferred-citation"]["doi"] == "10.1038/s42256-022-00595-0"


def test_the_version_is_in_the_changelog_or_yet_to_come():
    changes = (ROOT / "CHANGELOG.md").read_text()
    assert re.search(rf"^## (Unreleased|{re.escape(magik.__version__)})", changes, re.M)


def blocks_of_readme() -> list[dict]:
    """The settings that the README shows."""
    text = (ROOT / "README.md").read_text("utf-8")
    return [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", text, re.S)]


@pytest.mark.parametrize("block", blocks_of_readme(), ids=lambda block: next(iter(block)))
def test_settings_in_the_readme_can_be_pasted(block):
    shipped = config.read_yaml(ROOT / "config.yaml")
    study = config.load(config.merge(shipped, block), ROOT / "workflow" / "scales")
    sweeps.expand(study)
    rules = "\n".join(path.read_text() for path in (ROOT / "workflow" / "rules").glob("*.smk"))
    targets = [name for kind in ("samples", "sweep") for name in block.get(kind, {})]
    assert not set(targets) & set(re.findall(r"^rule (\w+):", rules, re.M))
