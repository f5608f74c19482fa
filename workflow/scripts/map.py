"""Predictions -> diffusion maps beside the true one. How: magik.maps."""

from magik import job, maps, schema, store
from magik.config import Map

job.start(snakemake.log[0], rule=snakemake.rule)
predictions = store.load(snakemake.input.predictions, schema.PREDICTIONS)
landscape = store.open(snakemake.input.truth, schema.LOCALIZATIONS)["landscape"].load()
baseline = store.load(snakemake.input.floors, schema.FLOORS)
built = maps.build(predictions, Map(**snakemake.params.map), landscape, baseline)
store.save(built, snakemake.output.maps, schema.MAPS, **snakemake.params)
