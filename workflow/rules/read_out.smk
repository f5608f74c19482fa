"""Predictions -> maps, scores beside their floors, figures. No torch here."""


rule floor:
    # what no method can beat, and what simpler ones reach, on the very same videos
    input:
        localizations="results/data/{dataset}/{split}/{tier}/localizations.zarr.zip",
    output:
        floors="results/data/{dataset}/{split}/{tier}/floors.zarr.zip",
    params:
        simulate=section("dataset", "simulate"),
        graph=section("dataset", "graph"),
        code=code("floor"),
    log:
        "results/logs/floor/{dataset}/{split}/{tier}.log",
    benchmark:
        "results/benchmarks/floor/{dataset}/{split}/{tier}.tsv"
    conda:
        "../../envs/magik.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1000, 5),
        runtime=minutes(10, 0.2),
    script:
        "../scripts/floor.py"


rule map:
    input:
        predictions="results/runs/{experiment}/{tier}/seed{seed}/predictions_long.zarr.zip",
        truth=of_dataset("results/data/{dataset}/long/truth.zarr.zip"),
    output:
        maps="results/runs/{experiment}/{tier}/seed{seed}/maps.zarr.zip",
    params:
        map=section("experiment", "map"),
        code=code("map"),
    log:
        "results/logs/map/{experiment}/{tier}/seed{seed}.log",
    benchmark:
        "results/benchmarks/map/{experiment}/{tier}/seed{seed}.tsv"
    conda:
        "../../envs/magik.yaml"
    threads: 1
    resources:
        mem_mb=lambda w, attempt: 2000 * attempt,
        runtime=lambda w, attempt: 10 * attempt,
    script:
        "../scripts/map.py"
