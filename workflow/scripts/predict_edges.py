"""Checkpoint and graphs -> the probability that each candidate edge is a link: magik.predict."""

from magik import job, predict, schema, store
from magik.config import Predict

job.start(snakemake.log[0], rule=snakemake.rule)
edges = predict.run_edges(
    snakemake.input.checkpoint,
    store.open(snakemake.input.graphs, schema.GRAPHS),
    Predict(**snakemake.params.predict),
    threads=snakemake.threads,
)
store.save(edges, snakemake.output.edges, schema.EDGES, **snakemake.params)
