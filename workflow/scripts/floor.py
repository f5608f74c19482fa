"""True and simple answers for the same localizations. How: magik.floors."""

from magik import floors, job, schema, store
from magik.config import Graph, Simulate

job.start(snakemake.log[0], rule=snakemake.rule)
estimated = floors.estimate(
    store.load(snakemake.input.localizations, schema.LOCALIZATIONS),
    Simulate(**snakemake.params.simulate),
    Graph(**snakemake.params.graph),
)
store.save(estimated, snakemake.output.floors, schema.FLOORS, **snakemake.params)
