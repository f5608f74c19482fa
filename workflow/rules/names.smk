"""Short targets: `snakemake fig4` makes that figure, `snakemake water` that sample, no more."""

for kind in ("figures", "sweep", "tables", "scores", "samples"):
    for name in getattr(study, kind):
        if any(name == rule.name for rule in workflow.rules):
            sys.exit(
                f"error: config.yaml: {kind}.{name}: a step of the workflow has this name; "
                f"choose another, as in my_{name}"
            )

for name in study.figures:

    rule:
        name:
            name
        input:
            results_of_figure(name),
        localrule: True


for name in study.sweep:

    rule:
        name:
            name
        input:
            results_of_sweep(name),
        localrule: True


for name in study.tables:

    rule:
        name:
            name
        input:
            results_of_table(name),
        localrule: True


for name in study.scores:

    rule:
        name:
            name
        input:
            results_of_scores(name),
        localrule: True


for name in study.samples:

    rule:
        name:
            name
        input:
            results_of_sample(name),
        localrule: True
