"""True trajectories -> the few images that figures show. How: magik.microscope."""

from magik import job, microscope, schema, store
from magik.config import Render

job.start(snakemake.log[0], rule=snakemake.rule, seed=snakemake.params.seed)
with store.open(snakemake.input.truth, schema.LOCALIZATIONS) as truth:
    first = schema.first_frames(truth).load()
still = microscope.render(first, Render(**snakemake.params.render), snakemake.params.seed)
store.save(still, snakemake.output.still, schema.MOVIE, **snakemake.params)
