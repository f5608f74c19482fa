"""A linker without a network, its parameters chosen on the training video: magik.linkers."""

from magik import job, linkers, schema, store

job.start(snakemake.log[0], rule=snakemake.rule)
name = snakemake.wildcards.linker
chosen = linkers.tuned(name, store.load(snakemake.input.training, schema.LOCALIZATIONS))
test = store.load(snakemake.input.localizations, schema.LOCALIZATIONS)
tracks = linkers.LINKERS[name].link(test, **chosen)
store.save(tracks, snakemake.output.tracks, schema.TRACKS, parameters=chosen, **snakemake.params)
