"""Localizations -> spatiotemporal graphs. How: magik.graphs."""

from magik import graphs, job, schema, store
from magik.config import Graph

job.start(snakemake.log[0], rule=snakemake.rule)
localizations = store.load(snakemake.input.localizations, schema.LOCALIZATIONS)
built = graphs.build(localizations, Graph(**snakemake.params.graph), snakemake.params.length_px)
store.save(built, snakemake.output.graphs, schema.GRAPHS, **snakemake.params)
