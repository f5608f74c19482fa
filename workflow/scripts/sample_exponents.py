"""A recording's exponents -> tables and a summary. How: magik.export."""

from magik import export, job, schema, store
from magik.config import Sample

job.start(snakemake.log[0], rule=snakemake.rule)
sample = Sample(**snakemake.params.sample)
localizations = store.load(snakemake.input.localizations, schema.LOCALIZATIONS)
predictions = store.load(snakemake.input.predictions, schema.PREDICTIONS)
table = export.table(predictions, localizations, sample)
export.save_table(table, snakemake.output.csv)
export.save_table(table, snakemake.output.parquet)
summary = export.motion_summary(predictions, localizations, sample)
export.save_summary(summary, snakemake.output.summary)
