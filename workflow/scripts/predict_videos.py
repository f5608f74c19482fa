"""Checkpoint and graphs -> predictions for every video as a whole. How: magik.predict."""

from magik import job, predict, schema, store
from magik.config import Predict

job.start(snakemake.log[0], rule=snakemake.rule)
predictions = predict.run_videos(
    snakemake.input.checkpoint,
    store.open(snakemake.input.graphs, schema.GRAPHS),
    Predict(**snakemake.params.predict),
    threads=snakemake.threads,
)
store.save(predictions, snakemake.output.predictions, schema.VIDEO_PREDICTIONS, **snakemake.params)
