"""Localizations of the training set -> the reach that holds its links. How: magik.graphs."""

import json
from pathlib import Path

from magik import graphs, job, schema, store
from magik.config import Graph

job.start(snakemake.log[0], rule=snakemake.rule)
training = store.load(snakemake.input.localizations, schema.LOCALIZATIONS)
measured, kept = graphs.reach(training, Graph(**snakemake.params.graph))
said = measured.model_dump(mode="json") | {"kept": kept}
Path(snakemake.output.graph).write_text(json.dumps(said, indent=2))
