"""Localizations -> spatiotemporal graphs. How: magik.graphs."""

from magik import graphs, job, schema, store

job.start(snakemake.log[0], rule=snakemake.rule)
localizations = store.load(snakemake.input.localizations, schema.LOCALIZATIONS)
config = graphs.settings(snakemake.params.graph, snakemake.input.reach)
built = graphs.build(localizations, config)
store.save(built, snakemake.output.graphs, schema.GRAPHS, **snakemake.params)
