"""A recording's masks or detections -> localizations, for its network. How: magik.cells."""

from magik import cells, job, schema, store
from magik.config import Source

job.start(snakemake.log[0], rule=snakemake.rule)
max_lag = store.said_by(snakemake.input.checkpoint)["trained_on"]["max_lag"]
video = cells.read(Source(**snakemake.params.source), max_lag)
store.save(video, snakemake.output.localizations, schema.LOCALIZATIONS, **snakemake.params)
