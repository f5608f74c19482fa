"""True trajectories -> a movie in camera counts. How: magik.microscope."""

from magik import job, microscope, schema, store
from magik.config import Render

job.start(snakemake.log[0], rule=snakemake.rule, seed=snakemake.params.seed)
truth = store.load(snakemake.input.truth, schema.LOCALIZATIONS)
movie = microscope.render(truth, Render(**snakemake.params.render), snakemake.params.seed)
store.save(movie, snakemake.output.movie, schema.MOVIE, **snakemake.params)
