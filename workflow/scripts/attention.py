"""Checkpoint and graphs -> attention maps, and their contrast. How: magik.attention."""

from magik import attention, job, schema, store
from magik.config import Predict

job.start(snakemake.log[0], rule=snakemake.rule, seed=snakemake.params.seed)
seen = attention.run(
    snakemake.input.checkpoint,
    store.open(snakemake.input.graphs, schema.GRAPHS),
    store.load(snakemake.input.localizations, schema.LOCALIZATIONS),
    Predict(**snakemake.params.predict),
    seed=snakemake.params.seed,
    threads=snakemake.threads,
)
store.save(seen, snakemake.output.attention, schema.ATTENTION, **snakemake.params)
