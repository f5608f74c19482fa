"""Settings -> true trajectories. How: magik.simulate."""

from magik import job, schema, simulate, store
from magik.config import Simulate

job.start(snakemake.log[0], rule=snakemake.rule, seed=snakemake.params.seed)
truth = simulate.build(
    Simulate(**snakemake.params.simulate), snakemake.params.videos, snakemake.params.seed
)
store.save(truth, snakemake.output.truth, schema.LOCALIZATIONS, **snakemake.params)
