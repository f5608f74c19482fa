"""A set of the Cell Tracking Challenge, from its provider. How: magik.fetch."""

from pathlib import Path

from magik import fetch, job

job.start(snakemake.log[0], rule=snakemake.rule)
fetch.fetch(snakemake.wildcards.absent, Path(snakemake.output.folder).parent)
