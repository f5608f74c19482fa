"""Graphs -> a trained network -> predictions. The only rules whose scripts import torch."""


rule train:
    input:
        graphs=of_dataset("results/data/{dataset}/train/{tier}/graphs.zarr.zip"),
        # one annotated recording is all there is of cells: none is left to validate on
        validation=lambda w: (
            []
            if w.experiment in linking_experiments()
            else of_dataset("results/data/{dataset}/validation/{tier}/graphs.zarr.zip")(w)
        ),
        start=start_of,
    output:
        checkpoint="results/runs/{experiment}/{tier}/seed{seed}/checkpoint.safetensors",
    log:
        "results/logs/train/{experiment}/{tier}/seed{seed}.log",
    benchmark:
        "results/benchmarks/train/{experiment}/{tier}/seed{seed}.tsv"
    priority: 10  # trainings take longest: each starts as soon as its graphs are there
    retries: 2  # each resumes where the last one was killed
    conda:
        "../../envs/magik.yaml"
    threads: lambda w: study.recipes[study.experiments[w.experiment].recipe].threads
    resources:
        gpu=lambda w: wants_gpu(w.experiment),
        mem_mb=megabytes(6000, 3),
        runtime=minutes(120, 0.2),
    params:
        task=named("task"),
        network=named("network"),
        recipe=named("recipe"),
        features=section("experiment", "features"),
        seed=seed("train"),
        code=code("train"),
    script:
        "../scripts/train.py"


rule predict_videos:
    input:
        checkpoint="results/runs/{experiment}/{tier}/seed{seed}/checkpoint.safetensors",
        graphs=of_dataset("results/data/{dataset}/{split}/{tier}/graphs.zarr.zip"),
    output:
        predictions="results/runs/{experiment}/{tier}/seed{seed}/predictions_{split}.zarr.zip",
    log:
        "results/logs/predict_videos/{experiment}/{tier}/seed{seed}/{split}.log",
    benchmark:
        "results/benchmarks/predict_videos/{experiment}/{tier}/seed{seed}/{split}.tsv"
    wildcard_constraints:
        experiment=any_of(experiments_at("graph")),
    conda:
        "../../envs/magik.yaml"
    threads: 1
    resources:
        gpu=lambda w: wants_gpu(w.experiment),
        mem_mb=megabytes(3000, 3),
        runtime=minutes(30, 0.1),
    params:
        predict=section("experiment", "predict"),
        code=code("predict_videos"),
    script:
        "../scripts/predict_videos.py"


rule predict:
    input:
        checkpoint="results/runs/{experiment}/{tier}/seed{seed}/checkpoint.safetensors",
        graphs=of_dataset("results/data/{dataset}/{split}/{tier}/graphs.zarr.zip"),
        localizations=of_dataset("results/data/{dataset}/{split}/{tier}/localizations.zarr.zip"),
    output:
        predictions="results/runs/{experiment}/{tier}/seed{seed}/predictions_{split}.zarr.zip",
    log:
        "results/logs/predict/{experiment}/{tier}/seed{seed}/{split}.log",
    benchmark:
        "results/benchmarks/predict/{experiment}/{tier}/seed{seed}/{split}.tsv"
    wildcard_constraints:
        experiment=any_of(experiments_at("node")),
    conda:
        "../../envs/magik.yaml"
    threads: 1
    resources:
        gpu=lambda w: wants_gpu(w.experiment),
        mem_mb=megabytes(3000, 3),
        runtime=minutes(30, 0.1),
    params:
        predict=section("experiment", "predict"),
        code=code("predict"),
    script:
        "../scripts/predict.py"


rule attention:
    # where a published network looks (Fig. 6)
    input:
        checkpoint="results/runs/{experiment}/{tier}/seed{seed}/checkpoint.safetensors",
        graphs=of_dataset("results/data/{dataset}/test/{tier}/graphs.zarr.zip"),
        localizations=of_dataset("results/data/{dataset}/test/{tier}/localizations.zarr.zip"),
    output:
        attention="results/runs/{experiment}/{tier}/seed{seed}/attention.zarr.zip",
    log:
        "results/logs/attention/{experiment}/{tier}/seed{seed}.log",
    benchmark:
        "results/benchmarks/attention/{experiment}/{tier}/seed{seed}.tsv"
    conda:
        "../../envs/magik.yaml"
    threads: 1
    resources:
        gpu=lambda w: wants_gpu(w.experiment),
        mem_mb=megabytes(4000, 3),
        runtime=minutes(30, 0.2),
    params:
        predict=section("experiment", "predict"),
        seed=seed("attention"),
        code=code("attention"),
    script:
        "../scripts/attention.py"
