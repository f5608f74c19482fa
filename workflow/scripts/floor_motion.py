"""Floors of exponents, classes and D that switches: magik.floors_motion, magik.change_points."""

from functools import partial

from magik import change_points, floors_motion, job, schema, store
from magik.config import Graph, Simulate

given = snakemake.input
job.start(snakemake.log[0], rule=snakemake.rule)
training = store.load(given.training, schema.LOCALIZATIONS) if given.training else None
methods = {
    "exponent": floors_motion.exponents,
    "video_exponent": floors_motion.video_exponents,
    "fractions": partial(floors_motion.fractions, learn_from=training),
    "switching": change_points.estimates,
}
estimated = methods[snakemake.wildcards.floor](
    store.load(given.localizations, schema.LOCALIZATIONS),
    simulate=Simulate(**snakemake.params.simulate),
    graph=Graph(**snakemake.params.graph),
)
layout = schema.LAYOUTS[f"{snakemake.params.of}estimates"]
store.save(estimated, snakemake.output.floors, layout, **snakemake.params)
