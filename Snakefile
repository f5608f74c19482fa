"""From a movie, simulated or real, to diffusion maps and lineages. What it makes is declared in config.yaml."""

from snakemake.utils import min_version

min_version("9.27")


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"


localrules:
    all,


rule all:
    default_target: True
    input:
        "results/scores.csv",
        [
            results_of_figure(name)
            for name in study.figures
            if drawable(name) and not on_demand(name)
        ],
        [results_of_sample(name) for name in study.samples],


include: "workflow/rules/data.smk"
include: "workflow/rules/cells.smk"
include: "workflow/rules/learn.smk"
include: "workflow/rules/read_out.smk"
include: "workflow/rules/floors.smk"
include: "workflow/rules/sweeps.smk"
include: "workflow/rules/samples.smk"
include: "workflow/rules/names.smk"


onstart:
    print(outlook(workflow.dag.needrun_jobs(), workflow.dag_settings.targets), file=sys.stderr)
