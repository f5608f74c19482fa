"""A user's table of localizations -> localizations in px and frames. How: magik.recordings."""

from magik import job, recordings, schema, store

path, params = snakemake.input.table, snakemake.params
job.start(snakemake.log[0], rule=snakemake.rule)
localizations = recordings.read_table(path, params.columns, params.pixel_size_um)
recordings.must_have(localizations, params.sees, snakemake.wildcards.sample, path)
store.save(localizations, snakemake.output.localizations, schema.LOCALIZATIONS, **params)
