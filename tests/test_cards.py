"""A model card says what a network that ships is, and what it reaches beside floors."""

import hashlib
import re
from pathlib import Path

import pandas as pd
import pytest

import magik
from magik import cards, metrics
from magik.config import Published

SHIPPED = Path(magik.__file__).parent / "weights"
MOVING = SHIPPED / "recordings.safetensors"


def scores() -> pd.DataFrame:
    said = {"network": 0.1, "given_links": 0.05, "lap_hmm": 0.17, "lapi_hmm": 0.12, "constant": 0.5}
    of_run = pd.DataFrame(
        [
            {"experiment": "recordings", "tier": "coordinates", "seed": 0.0, "read_out": "",
             "duration": None, "quantity": "mae_displacement_scaling", "unit": "px/frame^½",
             "method": method, "value": value, "n": 1000}
            for method, value in said.items()
        ]
    )  # fmt: skip
    paper = Published(
        experiment="recordings", score="mae_displacement_scaling", value=0.2, source="text"
    )
    return metrics.collect([of_run], [paper])


@pytest.fixture
def card(tmp_path) -> str:
    path = tmp_path / "card.md"
    dataset = {
        "simulate": {"particles": [2, 32]},
        "observe": {"missed": [0, 0.1]},
        "cells": None,
        "graph": {"axes": ["x"], "reach": None},
    }
    cards.write(MOVING, scores(), path, name="recordings", scale="workstation", study_seed=1,
                commit="abc, changed since", dataset=dataset)  # fmt: skip
    return path.read_text("utf-8")


def test_a_card_sets_the_network_beside_its_floors(card):
    rows = re.findall(r"^\| (.+) \|$", card, re.M)
    heads, values = (row.split(" | ") for row in rows)
    assert heads == ["score", *cards.COMPARED.values()]
    assert values == [
        "mae_displacement_scaling (px/frame^½)",
        *("0.1", "0.05", "0.12 (lapi_hmm)", "0.5", "0.2"),
    ]


def test_a_card_says_what_made_the_network(card):
    assert "Predicts `displacement_scaling` of every node" in card
    assert "from distance, displacement_x, displacement_y, lag of edges." in card
    assert '- simulate: `{"particles": [2, 32]}`' in card
    assert "cells" not in card
    assert '- graph: `{"axes": ["x"]}`' in card
    assert "- commit: abc, changed since" in card
    assert "- graph passes: 12,288" in card
    assert "- max lag: `2`" in card
    assert hashlib.sha256(MOVING.read_bytes()).hexdigest() in card
