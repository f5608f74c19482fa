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
        code=code("sample_table"),
    script:
        "../scripts/sample_table.py"


rule sample_graph:
    input:
        localizations="results/samples/{sample}/localizations.zarr.zip",
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
        # reach and unit of length are those of the data that the network was trained on
        graph=lambda w: trained_on(w).graph.model_dump(mode="json"),
        length_px=lambda w: trained_on(w).simulate.field_of_view,
        code=code("graph"),
    script:
        "../scripts/graph.py"


rule sample_predict:
    input:
        checkpoint=of_sample(
            "results/runs/{experiment}/coordinates/seed{seed}/checkpoint.safetensors"
        ),
        graphs="results/samples/{sample}/graphs.zarr.zip",
        localizations="results/samples/{sample}/localizations.zarr.zip",
    output:
        predictions="results/samples/{sample}/predictions.zarr.zip",
    log:
        "results/logs/sample_predict/{sample}.log",
    benchmark:
        "results/benchmarks/sample_predict/{sample}.tsv"
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
