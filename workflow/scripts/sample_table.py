"""A user's table of localizations -> localizations in px and frames. How: magik.recordings."""

from magik import job, recordings, schema, store

job.start(snakemake.log[0], rule=snakemake.rule)
localizations = recordings.read_table(
    snakemake.input.table, snakemake.params.columns, snakemake.params.pixel_size_um
)
store.save(localizations, snakemake.output.localizations, schema.LOCALIZATIONS, **snakemake.params)
