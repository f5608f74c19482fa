"""A recording's localizations -> graphs such as its network was trained on. How: magik.graphs."""

from magik import graphs, job, schema, store

job.start(snakemake.log[0], rule=snakemake.rule)
localizations = store.load(snakemake.input.localizations, schema.LOCALIZATIONS)
trained_on = store.said_by(snakemake.input.checkpoint)["trained_on"]
built = graphs.build_as(trained_on, localizations)
store.save(built, snakemake.output.graphs, schema.GRAPHS, **snakemake.params)
