"""A user's own recordings: movie or table -> the same chain, read out in physical units."""


rule sample_movie:
    input:
        movie=lambda w: study.samples[w.sample].movie,
    output:
        localizations="results/samples/{sample}/localizations.zarr.zip",
    log:
        "results/logs/sample_movie/{sample}.log",
    benchmark:
        "results/benchmarks/sample_movie/{sample}.tsv"
    wildcard_constraints:
        sample=any_of(name for name, sample in study.samples.items() if sample.movie),
    conda:
        "../../envs/magik.yaml"
    threads: 1
    resources:
        mem_mb=lambda w, input, attempt: attempt * int(2000 + 8 * input.size_mb),
        runtime=lambda w, input, attempt: attempt * int(15 + input.size_mb),
    params:
        localize=section("sample", "localize"),
        code=code("sample_movie"),
    script:
        "../scripts/sample_movie.py"


rule sample_table:
    input:
        table=lambda w: study.samples[w.sample].table,
    output:
        localizations="results/samples/{sample}/localizations.zarr.zip",
    log:
        "results/logs/sample_table/{sample}.log",
    benchmark:
        "results/benchmarks/sample_table/{sample}.tsv"
    wildcard_constraints:
        sample=any_of(name for name, sample in study.samples.items() if sample.table),
    conda:
        "../../envs/magik.yaml"
    threads: 1
    resources:
        mem_mb=lambda w, input, attempt: attempt * int(1000 + 20 * input.size_mb),
        runtime=lambda w, attempt: attempt * 10,
    params:
        columns=lambda w: dict(study.samples[w.sample].columns),
        pixel_size_um=lambda w: study.samples[w.sample].pixel_size_um,
        sees=lambda w: list(study.experiments[study.samples[w.sample].experiment].features.node),
        code=code("sample_table"),
    script:
        "../scripts/sample_table.py"


rule sample_graph:
    input:
        localizations="results/samples/{sample}/localizations.zarr.zip",
        checkpoint=network_of_sample,
    output:
        graphs="results/samples/{sample}/graphs.zarr.zip",
    log:
        "results/logs/sample_graph/{sample}.log",
    benchmark:
        "results/benchmarks/sample_graph/{sample}.tsv"
    conda:
        "../../envs/magik.yaml"
    threads: 1
    resources:
        mem_mb=lambda w, input, attempt: attempt * int(1000 + 100 * input.size_mb),
        runtime=lambda w, attempt: attempt * 10,
    params:
        code=code("sample_graph"),
    script:
        "../scripts/sample_graph.py"


rule sample_predict:
    input:
        checkpoint=network_of_sample,
        graphs="results/samples/{sample}/graphs.zarr.zip",
        localizations="results/samples/{sample}/localizations.zarr.zip",
    output:
        predictions="results/samples/{sample}/predictions.zarr.zip",
    log:
        "results/logs/sample_predict/{sample}.log",
    benchmark:
        "results/benchmarks/sample_predict/{sample}.tsv"
    wildcard_constraints:
        sample=any_of(samples_about("displacement_scaling", "exponent")),
    conda:
        "../../envs/magik.yaml"
    threads: 1
    resources:
        gpu=lambda w: wants_gpu(study.samples[w.sample].experiment),
        mem_mb=lambda w, input, attempt: attempt * int(3000 + 20 * input.size_mb),
        runtime=lambda w, input, attempt: attempt * int(30 + input.size_mb),
    params:
        predict=lambda w: study.experiments[study.samples[w.sample].experiment].predict.model_dump(
            mode="json"
        ),
        code=code("predict"),
    script:
        "../scripts/predict.py"


rule sample_map:
    input:
        predictions="results/samples/{sample}/predictions.zarr.zip",
    output:
        maps="results/samples/{sample}/maps.zarr.zip",
    log:
        "results/logs/sample_map/{sample}.log",
    benchmark:
        "results/benchmarks/sample_map/{sample}.tsv"
    conda:
        "../../envs/magik.yaml"
    threads: 1
    resources:
        mem_mb=lambda w, input, attempt: attempt * int(2000 + 50 * input.size_mb),
        runtime=lambda w, attempt: attempt * 10,
    params:
        map=section("sample", "map"),
        code=code("sample_map"),
    script:
        "../scripts/sample_map.py"


rule sample_export:
    input:
        localizations="results/samples/{sample}/localizations.zarr.zip",
        predictions="results/samples/{sample}/predictions.zarr.zip",
        maps="results/samples/{sample}/maps.zarr.zip",
    output:
        csv=report(
            "results/samples/{sample}/localizations.csv",
            caption="../report/sample_table.rst",
            category="Recordings",
            subcategory="{sample}",
            labels={"result": "localizations with D (CSV)"},
        ),
        parquet="results/samples/{sample}/localizations.parquet",
        tiff="results/samples/{sample}/diffusion_map.tif",
        summary=report(
            "results/samples/{sample}/summary.json",
            caption="../report/sample_summary.rst",
            category="Recordings",
            subcategory="{sample}",
            labels={"result": "summary and warnings"},
        ),
    log:
        "results/logs/sample_export/{sample}.log",
    benchmark:
        "results/benchmarks/sample_export/{sample}.tsv"
    wildcard_constraints:
        sample=any_of(samples_about("displacement_scaling")),
    conda:
        "../../envs/magik.yaml"
    threads: 1
    resources:
        mem_mb=lambda w, input, attempt: attempt * int(2000 + 50 * input.size_mb),
        runtime=lambda w, attempt: attempt * 10,
    params:
        sample=section("sample"),
        code=code("sample_export"),
    script:
        "../scripts/sample_export.py"


rule sample_figure:
    input:
        table="results/samples/{sample}/localizations.parquet",
        maps="results/samples/{sample}/maps.zarr.zip",
        movie=lambda w: study.samples[w.sample].movie or [],
    output:
        pdf="results/samples/{sample}/figure.pdf",
        png=report(
            "results/samples/{sample}/figure.png",
            caption="../report/sample_figure.rst",
            category="Recordings",
            subcategory="{sample}",
            labels={"result": "figure"},
        ),
        csv="results/samples/{sample}/figure.csv",
    log:
        "results/logs/sample_figure/{sample}.log",
    benchmark:
        "results/benchmarks/sample_figure/{sample}.tsv"
    wildcard_constraints:
        sample=any_of(samples_about("displacement_scaling")),
    conda:
        "../../envs/magik.yaml"
    threads: 1
    resources:
        mem_mb=lambda w, input, attempt: attempt * int(2000 + 50 * input.size_mb),
        runtime=lambda w, attempt: attempt * 10,
    params:
        sample=section("sample"),
        code=code("sample_figure"),
    script:
        "../scripts/sample_figure.py"


rule sample_predict_video:
    input:
        checkpoint=network_of_sample,
        graphs="results/samples/{sample}/graphs.zarr.zip",
    output:
        predictions="results/samples/{sample}/predictions.zarr.zip",
    log:
        "results/logs/sample_predict_video/{sample}.log",
    benchmark:
        "results/benchmarks/sample_predict_video/{sample}.tsv"
    wildcard_constraints:
        sample=any_of(samples_about("video_exponent", "fractions")),
    conda:
        "../../envs/magik.yaml"
    threads: 1
    resources:
        gpu=lambda w: wants_gpu(study.samples[w.sample].experiment),
        mem_mb=lambda w, input, attempt: attempt * int(3000 + 20 * input.size_mb),
        runtime=lambda w, input, attempt: attempt * int(30 + input.size_mb),
    params:
        predict=lambda w: study.experiments[study.samples[w.sample].experiment].predict.model_dump(
            mode="json"
        ),
        code=code("predict_videos"),
    script:
        "../scripts/predict_videos.py"


rule sample_exponents:
    input:
        localizations="results/samples/{sample}/localizations.zarr.zip",
        predictions="results/samples/{sample}/predictions.zarr.zip",
    output:
        csv=report(
            "results/samples/{sample}/localizations.csv",
            caption="../report/sample_exponents.rst",
            category="Recordings",
            subcategory="{sample}",
            labels={"result": "localizations with exponent (CSV)"},
        ),
        parquet="results/samples/{sample}/localizations.parquet",
        summary=report(
            "results/samples/{sample}/summary.json",
            caption="../report/sample_summary.rst",
            category="Recordings",
            subcategory="{sample}",
            labels={"result": "summary and warnings"},
        ),
    log:
        "results/logs/sample_exponents/{sample}.log",
    benchmark:
        "results/benchmarks/sample_exponents/{sample}.tsv"
    wildcard_constraints:
        sample=any_of(samples_about("exponent")),
    conda:
        "../../envs/magik.yaml"
    threads: 1
    resources:
        mem_mb=lambda w, input, attempt: attempt * int(2000 + 50 * input.size_mb),
        runtime=lambda w, attempt: attempt * 10,
    params:
        sample=section("sample"),
        code=code("sample_exponents"),
    script:
        "../scripts/sample_exponents.py"


rule sample_video:
    input:
        localizations="results/samples/{sample}/localizations.zarr.zip",
        predictions="results/samples/{sample}/predictions.zarr.zip",
    output:
        csv=report(
            "results/samples/{sample}/video.csv",
            caption="../report/sample_video.rst",
            category="Recordings",
            subcategory="{sample}",
            labels={"result": "the recording as a whole (CSV)"},
        ),
        summary=report(
            "results/samples/{sample}/summary.json",
            caption="../report/sample_summary.rst",
            category="Recordings",
            subcategory="{sample}",
            labels={"result": "summary and warnings"},
        ),
    log:
        "results/logs/sample_video/{sample}.log",
    benchmark:
        "results/benchmarks/sample_video/{sample}.tsv"
    wildcard_constraints:
        sample=any_of(samples_about("video_exponent", "fractions")),
    conda:
        "../../envs/magik.yaml"
    threads: 1
    resources:
        mem_mb=lambda w, input, attempt: attempt * int(2000 + 50 * input.size_mb),
        runtime=lambda w, attempt: attempt * 10,
    params:
        sample=section("sample"),
        code=code("sample_video"),
    script:
        "../scripts/sample_video.py"


rule sample_cells:
    input:
        files=lambda w: files_of(study.samples[w.sample].cells),
        checkpoint=network_of_sample,  # masks are compared as far as its edges reach
    output:
        localizations="results/samples/{sample}/localizations.zarr.zip",
    log:
        "results/logs/sample_cells/{sample}.log",
    benchmark:
        "results/benchmarks/sample_cells/{sample}.tsv"
    wildcard_constraints:
        sample=any_of(samples_of_cells()),
    conda:
        "../../envs/magik.yaml"
    threads: 1
    resources:
        mem_mb=lambda w, attempt: 3000 * attempt,
        runtime=lambda w, attempt: 30 * attempt,
    params:
        source=section("sample", "cells"),
        files=lambda w: stamp(study.samples[w.sample].cells),
        code=code("sample_cells"),
    script:
        "../scripts/sample_cells.py"


rule sample_edges:
    input:
        checkpoint=network_of_sample,
        graphs="results/samples/{sample}/graphs.zarr.zip",
    output:
        edges="results/samples/{sample}/edges.zarr.zip",
    log:
        "results/logs/sample_edges/{sample}.log",
    benchmark:
        "results/benchmarks/sample_edges/{sample}.tsv"
    conda:
        "../../envs/magik.yaml"
    threads: 1
    resources:
        gpu=lambda w: wants_gpu(study.samples[w.sample].experiment),
        mem_mb=lambda w, input, attempt: attempt * int(3000 + 20 * input.size_mb),
        runtime=lambda w, input, attempt: attempt * int(30 + input.size_mb),
    params:
        predict=lambda w: study.experiments[study.samples[w.sample].experiment].predict.model_dump(
            mode="json"
        ),
        code=code("predict_edges"),
    script:
        "../scripts/predict_edges.py"


rule sample_link:
    input:
        edges="results/samples/{sample}/edges.zarr.zip",
        localizations="results/samples/{sample}/localizations.zarr.zip",
    output:
        tracks="results/samples/{sample}/tracks.zarr.zip",
    log:
        "results/logs/sample_link/{sample}.log",
    benchmark:
        "results/benchmarks/sample_link/{sample}.tsv"
    conda:
        "../../envs/magik.yaml"
    threads: 1
    resources:
        mem_mb=lambda w, input, attempt: attempt * int(2000 + 20 * input.size_mb),
        runtime=lambda w, attempt: attempt * 20,
    params:
        linking=lambda w: linking_of_sample(w.sample).model_dump(mode="json"),
        code=code("link"),
    script:
        "../scripts/link.py"


rule sample_lineages:
    input:
        files=lambda w: files_of(study.samples[w.sample].cells),
        tracks="results/samples/{sample}/tracks.zarr.zip",
        edges="results/samples/{sample}/edges.zarr.zip",
    output:
        csv=report(
            "results/samples/{sample}/cells.csv",
            caption="../report/sample_cells.rst",
            category="Recordings",
            subcategory="{sample}",
            labels={"result": "cells with track and parent (CSV)"},
        ),
        parquet="results/samples/{sample}/cells.parquet",
        challenge=directory("results/samples/{sample}/challenge"),
        geff=directory("results/samples/{sample}/geff"),  # a level up: Snakemake leaves a mark in it
        napari="results/samples/{sample}/napari.csv",
        napari_graph="results/samples/{sample}/napari_graph.json",
        movie=report(
            "results/samples/{sample}/movie.gif",
            caption="../report/sample_cells.rst",
            category="Recordings",
            subcategory="{sample}",
            labels={"result": "movie"},
        ),
        summary=report(
            "results/samples/{sample}/summary.json",
            caption="../report/sample_summary.rst",
            category="Recordings",
            subcategory="{sample}",
            labels={"result": "summary and warnings"},
        ),
        pdf="results/samples/{sample}/figure.pdf",
        png=report(
            "results/samples/{sample}/figure.png",
            caption="../report/sample_cells.rst",
            category="Recordings",
            subcategory="{sample}",
            labels={"result": "figure"},
        ),
        source="results/samples/{sample}/figure.csv",
    log:
        "results/logs/sample_lineages/{sample}.log",
    benchmark:
        "results/benchmarks/sample_lineages/{sample}.tsv"
    wildcard_constraints:
        sample=any_of(samples_of_cells()),
    conda:
        "../../envs/magik.yaml"
    threads: 1
    resources:
        mem_mb=lambda w, input, attempt: attempt * int(3000 + 20 * input.size_mb),
        runtime=lambda w, attempt: attempt * 30,
    params:
        sample=section("sample"),
        code=code("sample_lineages"),
    script:
        "../scripts/sample_lineages.py"
