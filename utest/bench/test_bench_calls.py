"""One unary call."""

from bench_contest import Contest, row

ROUNDS = 60
CALLS = 50


def test_call_to_upstreams_exporter(benchmark, contender, upstream_host):
    turns = {kind: contender(kind, upstream_host).turn("calls", CALLS) for kind in ("ours", "upstream", "raw")}

    contest = Contest().play(benchmark, turns, ROUNDS)

    detail = contest.summary()
    row(
        benchmark,
        "call, upstream's exporter: ours / upstream's client",
        contest.ratios("ours", "upstream"),
        bar=0.8,
        detail=detail,
    )
    row(benchmark, "call, upstream's exporter: ours / raw gRPC", contest.ratios("ours", "raw"), bar=1.15, detail=detail)


def test_call_to_our_exporter(benchmark, contender, our_host, upstream_host):
    turns = {
        "ours": contender("ours", our_host).turn("calls", CALLS),
        "upstream": contender("upstream", upstream_host).turn("calls", CALLS),
        "raw at our exporter": contender("raw", our_host).turn("calls", CALLS),
    }

    contest = Contest().play(benchmark, turns, ROUNDS)

    text = "call: our client and exporter / upstream's client and exporter"
    row(benchmark, text, contest.ratios("ours", "upstream"), bar=0.65, detail=contest.summary())
