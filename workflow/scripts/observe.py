"""True trajectories -> localizations of the tier `coordinates`. How: magik.simulate."""

from magik import job, schema, simulate, store
from magik.config import Observe

job.start(snakemake.log[0], rule=snakemake.rule, seed=snakemake.params.seed)
truth = store.load(snakemake.input.truth, schema.LOCALIZATIONS)
seen = simulate.observe(truth, Observe(**snakemake.params.observe), snakemake.params.seed)
store.save(seen, snakemake.output.localizations, schema.LOCALIZATIONS, **snakemake.params)
