"""Predictions and floors of the same videos -> scores of one training. How: magik.metrics."""

import json
from pathlib import Path

from magik import job, metrics, schema, store
from magik.config import Simulate

given, params = snakemake.input, snakemake.params
job.start(snakemake.log[0], rule=snakemake.rule)
scores = metrics.of_motion(
    *params.run,
    predictions=store.load(given.predictions, schema.LAYOUTS[f"{params.of}predictions"]),
    estimates=store.load(given.floors, schema.LAYOUTS[f"{params.of}estimates"]),
    simulate=Simulate(**params.simulate),
    quality=json.loads(Path(given.quality).read_text()) if given.quality else None,
)
metrics.write(scores, snakemake.output.scores)
