"""Predictions -> diffusion maps of a recording. How: magik.maps."""

from magik import job, maps, schema, store
from magik.config import Map

job.start(snakemake.log[0], rule=snakemake.rule)
predictions = store.load(snakemake.input.predictions, schema.PREDICTIONS)
built = maps.build(predictions, Map(**snakemake.params.map), landscape=None)
store.save(built, snakemake.output.maps, schema.MAPS, **snakemake.params)
