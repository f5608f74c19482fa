"""Every point of a sweep is an experiment of its own; here they come together."""


rule sweep:
    input:
        # benchmarks are written with the checkpoints; who deletes one need not train again
        lambda w: [
            path for point in points_of(w.sweep) for training in point[3] for path in training[:2]
        ],
    output:
        csv=report(
            "results/sweeps/{sweep}.csv",
            caption="../report/sweep.rst",
            category="Sweeps",
            labels={"sweep": "{sweep}", "as": "all scores (CSV)"},
        ),
        summary="results/sweeps/{sweep}_summary.csv",
        html=report(
            "results/sweeps/{sweep}_summary.html",
            caption="../report/sweep.rst",
            category="Sweeps",
            labels={"sweep": "{sweep}", "as": "means over seeds (page)"},
        ),
    log:
        "results/logs/sweep/{sweep}.log",
    benchmark:
        "results/benchmarks/sweep/{sweep}.tsv"
    conda:
        "../../envs/magik.yaml"
    threads: 1
    resources:
        mem_mb=lambda w, attempt: 1000 * attempt,
        runtime=lambda w, attempt: 10 * attempt,
    params:
        points=lambda w: points_of(w.sweep),
        code=code("sweep"),
    script:
        "../scripts/sweep.py"
