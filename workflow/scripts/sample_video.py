"""What a recording as a whole is said to be -> a table and a summary. How: magik.export."""

from magik import export, job, schema, store
from magik.config import Sample

job.start(snakemake.log[0], rule=snakemake.rule)
sample = Sample(**snakemake.params.sample)
localizations = store.load(snakemake.input.localizations, schema.LOCALIZATIONS)
predictions = store.load(snakemake.input.predictions, schema.VIDEO_PREDICTIONS)
export.save_table(export.video_table(predictions), snakemake.output.csv)
summary = export.motion_summary(predictions, localizations, sample)
export.save_summary(summary, snakemake.output.summary)
