"""Predictions -> when D of an object changed. How: magik.change_points."""

from magik import change_points, job, schema, store
from magik.config import Simulate

job.start(snakemake.log[0], rule=snakemake.rule)
found = change_points.found(
    store.load(snakemake.input.predictions, schema.PREDICTIONS),
    store.load(snakemake.input.localizations, schema.LOCALIZATIONS),
    Simulate(**snakemake.params.simulate),
)
store.save(found, snakemake.output.changes, schema.CHANGE_POINTS, **snakemake.params)
