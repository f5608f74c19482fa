"""Checkpoint and graphs -> predictions for every localization. How: magik.predict."""

from magik import job, predict, schema, store
from magik.config import Predict

job.start(snakemake.log[0], rule=snakemake.rule)
predictions = predict.run(
    snakemake.input.checkpoint,
    store.open(snakemake.input.graphs, schema.GRAPHS),
    store.load(snakemake.input.localizations, schema.LOCALIZATIONS),
    Predict(**snakemake.params.predict),
    threads=snakemake.threads,
)
store.save(predictions, snakemake.output.predictions, schema.PREDICTIONS, **snakemake.params)
