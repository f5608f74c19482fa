"""Simulated data: trajectories -> localizations, in two tiers -> graphs."""


rule simulate:
    output:
        truth="results/data/{dataset}/{split}/truth.zarr.zip",
    params:
        simulate=lambda w: study.datasets[w.dataset].of_split(w.split)[0].model_dump(mode="json"),
        videos=lambda w: study.datasets[w.dataset].of_split(w.split)[1],
        seed=seed("simulate"),
        code=code("simulate"),
    log:
        "results/logs/simulate/{dataset}/{split}.log",
    benchmark:
        "results/benchmarks/simulate/{dataset}/{split}.tsv"
    conda:
        "../../envs/magik.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(800, 1),
        runtime=minutes(5, 0.01),
    script:
        "../scripts/simulate.py"


rule observe:
    # the tier `coordinates`: true positions, as the paper must have used
    input:
        truth="results/data/{dataset}/{split}/truth.zarr.zip",
    output:
        localizations="results/data/{dataset}/{split}/coordinates/localizations.zarr.zip",
    params:
        observe=section("dataset", "observe"),
        seed=seed("observe"),
        code=code("observe"),
    log:
        "results/logs/observe/{dataset}/{split}.log",
    benchmark:
        "results/benchmarks/observe/{dataset}/{split}.tsv"
    conda:
        "../../envs/magik.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(800, 1),
        runtime=minutes(5, 0.01),
    script:
        "../scripts/observe.py"


rule render:
    # the tier `images`: spots on a camera ...
    input:
        truth="results/data/{dataset}/{split}/truth.zarr.zip",
    output:
        movie=temp("results/data/{dataset}/{split}/movie.zarr.zip"),
    params:
        render=section("dataset", "render"),
        seed=seed("render"),
        code=code("render"),
    log:
        "results/logs/render/{dataset}/{split}.log",
    benchmark:
        "results/benchmarks/render/{dataset}/{split}.tsv"
    conda:
        "../../envs/magik.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1500, 2),
        runtime=minutes(10, 0.1),
    script:
        "../scripts/render.py"


rule localize:
    # ... found again, and matched to the truth
    input:
        movie="results/data/{dataset}/{split}/movie.zarr.zip",
        truth="results/data/{dataset}/{split}/truth.zarr.zip",
    output:
        localizations="results/data/{dataset}/{split}/images/localizations.zarr.zip",
        quality="results/data/{dataset}/{split}/images/quality.json",
    params:
        localize=section("dataset", "localize"),
        code=code("localize"),
    log:
        "results/logs/localize/{dataset}/{split}.log",
    benchmark:
        "results/benchmarks/localize/{dataset}/{split}.tsv"
    conda:
        "../../envs/magik.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1500, 2),
        runtime=minutes(10, 0.05),
    script:
        "../scripts/localize.py"


rule graph:
    input:
        localizations="results/data/{dataset}/{split}/{tier}/localizations.zarr.zip",
    output:
        graphs="results/data/{dataset}/{split}/{tier}/graphs.zarr.zip",
    params:
        graph=section("dataset", "graph"),
        length_px=None,
        code=code("graph"),
    log:
        "results/logs/graph/{dataset}/{split}/{tier}.log",
    benchmark:
        "results/benchmarks/graph/{dataset}/{split}/{tier}.tsv"
    conda:
        "../../envs/magik.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(800, 3),
        runtime=minutes(5, 0.01),
    script:
        "../scripts/graph.py"
