"""What no method that is not given links can beat, on the first videos. How: magik.link_free."""

from magik import job, link_free, schema, store
from magik.config import Graph, LinkFree, Simulate

params = snakemake.params
job.start(snakemake.log[0], rule=snakemake.rule, seed=params.seed)
estimated = link_free.estimate(
    store.load(snakemake.input.localizations, schema.LOCALIZATIONS),
    Simulate(**params.simulate),
    Graph(**params.graph),
    LinkFree(**params.link_free),
    params.seed,
)
store.save(estimated, snakemake.output.floors, schema.FLOORS, **params)
