"""Predictions, maps and floors of the same videos -> scores of one training. How: magik.metrics."""

import json
from pathlib import Path

from magik import job, metrics, schema, store

given = snakemake.input
job.start(snakemake.log[0], rule=snakemake.rule)
scores = metrics.of_run(
    *snakemake.params.run,
    predictions=store.load(given.predictions, schema.PREDICTIONS),
    found=store.load(given.floors, schema.FLOORS),
    maps=store.load(given.maps, schema.MAPS) if given.maps else None,
    quality=json.loads(Path(given.quality).read_text()) if given.quality else None,
    link_free=store.load(given.link_free, schema.FLOORS) if given.link_free else None,
)
metrics.write(scores, snakemake.output.scores)
