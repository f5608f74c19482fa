"""A recording's predictions and map -> files in µm and s. How: magik.export."""

from magik import export, job, schema, store
from magik.config import Sample

job.start(snakemake.log[0], rule=snakemake.rule)
sample = Sample(**snakemake.params.sample)
localizations = store.load(snakemake.input.localizations, schema.LOCALIZATIONS)
predictions = store.load(snakemake.input.predictions, schema.PREDICTIONS)
maps = store.load(snakemake.input.maps, schema.MAPS)
table = export.table(predictions, localizations, sample)
export.save_table(table, snakemake.output.csv)
export.save_table(table, snakemake.output.parquet)
export.map_tiff(maps, sample, snakemake.output.tiff)
export.save_summary(export.summary(predictions, localizations, sample), snakemake.output.summary)
